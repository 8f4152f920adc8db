"""Method "pallas" on a Hopper GPU, against XLA's convolution at the sizes of real networks.

Skipped without such a GPU. Not yet run.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from jcnn import ops
from tests.ops.conv import oracle
from tests.ops.conv.cases import Case, Operands, operands, reason_against

CASES = {
    "28x28, 64 to 128": Case((64, 28, 28, 64), (3, 3, 64, 128)),
    "56x56, 256 to 256": Case((64, 56, 56, 256), (3, 3, 256, 256)),
    "first layer": Case((64, 28, 28, 1), (3, 3, 1, 32)),
    "7x7, batch 256": Case((256, 7, 7, 512), (3, 3, 512, 512)),
    "stride and dilation": Case((32, 57, 55, 96), (5, 3, 96, 80), (2, 3), "SAME", 2),
    "1x1, odd batch": Case((37, 14, 14, 200), (1, 1, 200, 300)),
}
EPS = {"float32": 2**-10, "bfloat16": 2**-7, "float16": 2**-10}  # float32: TensorFloat-32's
DTYPES = pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
NAMES = pytest.mark.parametrize("name", CASES)


def on_hopper(name: str, dtype: str) -> tuple[Case, Operands]:
    case = Case(**{**vars(CASES[name]), "dtype": dtype})
    reason = reason_against("pallas", case)
    if reason is not None:
        pytest.skip(reason)
    return case, operands(case)


def assert_near(got: Any, want: Any, dtype: str, terms: int) -> None:
    """Standard normal terms: an error of a few roundings of the operands or the result."""
    assert str(got.dtype) == dtype
    atol = 4 * EPS[dtype] * terms**0.5
    np.testing.assert_allclose(oracle.float64(got), oracle.float64(want), rtol=0, atol=atol)


def with_gradients(run: Callable[..., jax.Array], a: Operands) -> tuple[jax.Array, ...]:
    def both(x: jax.Array, kernel: jax.Array, bias: jax.Array) -> tuple[jax.Array, ...]:
        y, pull_back = jax.vjp(run, x, kernel, bias)
        return (y, *pull_back(a.g[:, : y.shape[1], : y.shape[2]]))

    got: tuple[jax.Array, ...] = jax.jit(both)(a.x, a.kernel, a.bias)
    return got


@NAMES
@DTYPES
def test_value_and_gradients(name: str, dtype: str) -> None:
    case, a = on_hopper(name, dtype)
    got = with_gradients(lambda *xkb: ops.conv2d(*xkb, **case.how, method="pallas"), a)
    want = with_gradients(lambda *xkb: ops.conv2d(*xkb, **case.how, precision="highest"), a)
    for one, other, terms in zip(got, want, case.terms, strict=True):
        assert_near(one, other, dtype, terms)


@NAMES
@DTYPES
@pytest.mark.parametrize("pool", [False, True])
def test_fused(name: str, dtype: str, pool: bool) -> None:
    case, a = on_hopper(name, dtype)
    how: dict[str, Any] = {**case.how, "pool": pool}
    fused = jax.jit(lambda *xkb: ops.conv2d_relu(*xkb, **how, method="pallas"))
    composed = jax.jit(lambda *xkb: ops.conv2d_relu(*xkb, **how, precision="highest"))
    xkb = (a.x, a.kernel, a.bias)
    assert_near(fused(*xkb), composed(*xkb), dtype, case.terms[0])


@DTYPES
@pytest.mark.parametrize("pool", [False, True])
def test_gradient_of_fused(dtype: str, pool: bool) -> None:
    """By bias, in the mean: of two nearly equal activations either may be the maximum."""
    case, a = on_hopper("28x28, 64 to 128", dtype)
    how: dict[str, Any] = {**case.how, "pool": pool}
    got = with_gradients(lambda *xkb: ops.conv2d_relu(*xkb, **how, method="pallas"), a)
    want = with_gradients(lambda *xkb: ops.conv2d_relu(*xkb, **how, precision="highest"), a)
    for one, other in zip(got[1:], want[1:], strict=True):
        error = oracle.float64(one) - oracle.float64(other)
        size = np.linalg.norm(oracle.float64(other))
        assert np.linalg.norm(error) < 0.05 * size
