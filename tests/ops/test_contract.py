"""The contract of a convolution method: values and gradients against the oracle, in every dtype.

It runs over the table `ops.METHODS`, so a method added there is tested here.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcnn import ops
from tests.ops.cases import (
    CASES,
    DTYPES,
    Case,
    anywhere,
    conv,
    expected,
    gradients,
    operands,
    precision_for,
    quickly,
    reason_against,
    skip_unsupported,
)
from tests.ops.strategies import ONE_GROUP, ONLY_3X3
from tests.ops.tolerances import assert_close

every_method = pytest.mark.parametrize("method", ops.METHODS)
every_case = pytest.mark.parametrize("name", CASES)


@every_method
@every_case
@pytest.mark.parametrize("dtype", DTYPES)
def test_value_and_gradients(method: str, name: str, dtype: str) -> None:
    case = dataclasses.replace(CASES[name], dtype=dtype)
    skip_unsupported(method, case)
    with precision_for(dtype):
        arrays = operands(case)
        run = quickly if dtype != "float32" else lambda f, *args: jax.jit(f)(*args)
        got = run(gradients(case, method), arrays.x, arrays.kernel, arrays.bias, arrays.g)
        wanted = expected(case, arrays)
        for one, want, terms in zip(got, wanted, case.terms, strict=True):
            assert_close(one, want, dtype=dtype, method=method, terms=terms)


@every_method
@every_case
def test_without_jit(method: str, name: str) -> None:
    case = CASES[name]
    skip_unsupported(method, case)
    arrays = operands(case)
    got = conv(case, method)(arrays.x, arrays.kernel, arrays.bias)
    want = expected(case, arrays)[0]
    assert_close(got, want, dtype="float32", method=method, terms=case.terms[0])


@every_method
def test_sums_in_at_least_32_bits(method: str) -> None:
    """Ten thousand ones add to ten thousand: in bfloat16 alone the sum would stop at 256."""
    case = dataclasses.replace(CASES["1x1"], x_shape=(4, 50, 50, 1), kernel_shape=(1, 1, 1, 1))
    skip_unsupported(method, case)
    x = jnp.ones(case.x_shape, "bfloat16")
    kernel = jnp.ones((1, 1, 1, 1), "bfloat16")
    bias = jnp.zeros(1, "bfloat16")
    _, _, by_kernel, by_bias = jax.jit(gradients(case, method))(x, kernel, bias, x)
    y = ops.conv2d(x.reshape(1, 1, 1, -1), x.reshape(1, 1, -1, 1), method=method)
    nearest = float(jnp.asarray(10_000, "bfloat16"))
    assert [float(a.ravel()[0]) for a in (by_kernel, by_bias, y)] == [nearest] * 3


@every_method
def test_sums_over_the_kernel_in_at_least_32_bits(method: str) -> None:
    """A bfloat16 at 256 does not change when 1 is added: eight more ones would be lost."""
    skip_unsupported(method, Case((1, 3, 3, 1), (3, 3, 1, 1), padding="VALID", dtype="bfloat16"))
    x = jnp.ones((1, 3, 3, 1), "bfloat16").at[0, 0, 0, 0].set(256)
    y = ops.conv2d(x, jnp.ones((3, 3, 1, 1), "bfloat16"), padding="VALID", method=method)
    assert y.ravel()[0] == 264


@every_method
def test_no_bias_is_a_bias_of_zero(method: str) -> None:
    case = CASES["plain"]
    arrays = operands(case)
    run = jax.jit(conv(case, method))
    with anywhere(method):
        without = run(arrays.x, arrays.kernel)
        np.testing.assert_array_equal(without, run(arrays.x, arrays.kernel, 0 * arrays.bias))
        assert np.any(without != run(arrays.x, arrays.kernel, arrays.bias))


@every_method
def test_a_method_does_all_cases_or_those_of_3x3(method: str) -> None:
    """A method whose `unsupported` refuses everything would pass by skipping."""
    with anywhere(method):
        done = {name for name, case in CASES.items() if reason_against(method, case) is None}
    wanted = {"plain"} if method in ONLY_3X3 else set(CASES)
    grouped = {name for name, case in CASES.items() if case.groups > 1}
    refused = grouped if method in ONE_GROUP else set()
    assert done | refused == wanted | refused
