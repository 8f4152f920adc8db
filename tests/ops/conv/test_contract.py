"""The contract of a convolution method: values and gradients against the oracle, in every dtype.

It runs over the table `ops.METHODS`, so a method added there is tested here.
"""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcnn import ops
from tests.ops.conv.cases import (
    CASES,
    DTYPES,
    Case,
    able,
    anywhere,
    compiled,
    compiled_in_full,
    conv,
    every_method,
    every_method_and_case,
    expected,
    gradients,
    naming,
    operands,
    precision_for,
    reason_against,
    together,
)
from tests.ops.conv.strategies import ONE_GROUP, ONLY_3X3
from tests.ops.conv.tolerances import assert_close

ONES = dataclasses.replace(
    CASES["1x1"], x_shape=(4, 50, 50, 1), kernel_shape=(1, 1, 1, 1), dtype="bfloat16"
)
# With groups or without, with strides and dilation or without, and no cell of the input read.
DIFFERENT = ("plain", "depthwise", "everything", "swapped operands", "all in the padding")
# Without `jit` every operation of a method is a program of its own.
WITHOUT_JIT = ("plain", "everything")
# All are run in float32; in 16 bits, where all need the same sums in 32, the first of these that a
# method does. Random ones of every dtype are in `test_properties.py`.
IN_FLOAT64 = ("plain", "groups", "depthwise", "everything")
IN_16_BITS = ("everything", "plain")
NINE = Case((1, 3, 3, 1), (3, 3, 1, 1), padding="VALID", dtype="bfloat16")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("method", able(CASES["plain"]))
def test_value_and_gradients(method: str, dtype: str) -> None:
    names = {"float32": DIFFERENT, "float64": IN_FLOAT64}.get(dtype, IN_16_BITS)
    cases = cases_of(names, method, dtype)
    check_value_and_gradients(method, cases if dtype in ("float32", "float64") else cases[:1])


@every_method(CASES["1x1"])
def test_value_and_gradients_of_the_other_cases(method: str) -> None:
    """In float32 and compiled quickly, which takes a fifth of the time."""
    others = [name for name in CASES if name not in DIFFERENT]
    check_compiled(method, cases_of(others, method, "float32"), compiled)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("method", able(CASES["plain"]))
def test_value_and_gradients_of_all_cases(method: str, dtype: str) -> None:
    check_value_and_gradients(method, cases_of(CASES, method, dtype))


def cases_of(names: Iterable[str], method: str, dtype: str) -> list[Case]:
    """Those that the method does."""
    cases = [dataclasses.replace(CASES[name], dtype=dtype) for name in names]
    return [case for case in cases if method in able(case)]


def check_value_and_gradients(method: str, cases: list[Case]) -> None:
    """All in one program, and float32 as users get it."""
    compiler = compiled_in_full if cases[0].dtype == "float32" else compiled
    check_compiled(method, cases, compiler)


def check_compiled(method: str, cases: list[Case], compiler: Callable[..., Any]) -> None:
    dtype = cases[0].dtype
    with precision_for(dtype):
        arrays = [operands(case) for case in cases]
        results = together(
            [gradients(case, method) for case in cases],
            [(a.x, a.kernel, a.bias, a.g) for a in arrays],
            compiler,
        )
        for case, a, got in zip(cases, arrays, results, strict=True):
            for one, want, terms in zip(got, expected(case, a), case.terms, strict=True):
                with naming(case):
                    assert_close(one, want, dtype=dtype, method=method, terms=terms)


@pytest.mark.slow
@every_method_and_case(*(name for name in CASES if name not in WITHOUT_JIT))
def test_without_jit_of_the_other_cases(method: str, name: str) -> None:
    test_without_jit(method, name)


@every_method_and_case(*WITHOUT_JIT)
def test_without_jit(method: str, name: str) -> None:
    case = CASES[name]
    arrays = operands(case)
    got = conv(case, method)(arrays.x, arrays.kernel, arrays.bias)
    want = expected(case, arrays)[0]
    assert_close(got, want, dtype="float32", method=method, terms=case.terms[0])


@pytest.mark.slow  # `test_variants.py` has some of the methods
@every_method(CASES["padding larger than kernel"])
def test_gradients_without_jit(method: str) -> None:
    case = CASES["padding larger than kernel"]
    a = operands(case)
    got = gradients(case, method)(a.x, a.kernel, a.bias, a.g)
    for one, want, terms in zip(got, expected(case, a), case.terms, strict=True):
        assert_close(one, want, dtype="float32", method=method, terms=terms)


@every_method(ONES)
def test_sums_in_at_least_32_bits(method: str) -> None:
    """Ten thousand ones add to ten thousand: in bfloat16 alone the sum would stop at 256."""
    x = jnp.ones(ONES.x_shape, "bfloat16")
    kernel = jnp.ones((1, 1, 1, 1), "bfloat16")
    bias = jnp.zeros(1, "bfloat16")
    _, _, by_kernel, by_bias = jax.jit(gradients(ONES, method))(x, kernel, bias, x)
    y = ops.conv2d(x.reshape(1, 1, 1, -1), x.reshape(1, 1, -1, 1), method=method)
    nearest = float(jnp.asarray(10_000, "bfloat16"))
    assert [float(a.ravel()[0]) for a in (by_kernel, by_bias, y)] == [nearest] * 3


@every_method(NINE)
def test_sums_over_the_kernel_in_at_least_32_bits(method: str) -> None:
    """A bfloat16 at 256 does not change when 1 is added: eight more ones would be lost."""
    x = jnp.ones((1, 3, 3, 1), "bfloat16").at[0, 0, 0, 0].set(256)
    y = ops.conv2d(x, jnp.ones((3, 3, 1, 1), "bfloat16"), padding="VALID", method=method)
    assert y.ravel()[0] == 264


@every_method(CASES["plain"])
def test_no_bias_is_a_bias_of_zero(method: str) -> None:
    case = CASES["plain"]
    arrays = operands(case)
    run = jax.jit(conv(case, method))
    without = run(arrays.x, arrays.kernel)
    np.testing.assert_array_equal(without, run(arrays.x, arrays.kernel, 0 * arrays.bias))
    assert np.any(without != run(arrays.x, arrays.kernel, arrays.bias))


@pytest.mark.parametrize("method", ops.METHODS)
def test_what_each_method_refuses(method: str) -> None:
    """Exactly these: a method that refused everything would have no test above, and pass."""
    with anywhere(method):
        refused = {
            (name, dtype)
            for name, case in CASES.items()
            for dtype in DTYPES
            if reason_against(method, dataclasses.replace(case, dtype=dtype)) is not None
        }
    wanted = {
        (name, dtype)
        for name, case in CASES.items()
        for dtype in DTYPES
        if (method in ONLY_3X3 and name != "plain")
        or (method in ONE_GROUP and (case.groups > 1 or dtype == "float64"))
    }
    assert refused == wanted


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="there may be a device for every method")
def test_which_methods_need_a_device() -> None:
    assert set(ops.METHODS) - set(able(CASES["plain"])) == {"pallas"}
