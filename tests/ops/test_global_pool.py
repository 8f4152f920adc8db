"""Global pooling: values and gradients against float64, ties, NaN, sums of many numbers."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcnn import ops
from tests.ops.conv import oracle
from tests.ops.conv.cases import DTYPES, draw, precision_for, rounded
from tests.ops.conv.refusals import FLOATS, refusal
from tests.ops.conv.tolerances import EPS, assert_close

SHAPE = (2, 4, 7, 3)
POOLS = [ops.global_average_pool2d, ops.global_max_pool2d]


def test_keepdims_and_shapes() -> None:
    x = draw("x", SHAPE)
    for pool in POOLS:
        assert pool(x).shape == (2, 3)
        assert pool(x, keepdims=True).shape == (2, 1, 1, 3)
        np.testing.assert_array_equal(pool(x, keepdims=True)[:, 0, 0], pool(x))


@pytest.mark.parametrize("dtype", DTYPES)
def test_average(dtype: str) -> None:
    with precision_for(dtype):
        x, g = draw("x", SHAPE, dtype), draw("g", (2, 3), dtype)
        y, pull_back = jax.vjp(ops.global_average_pool2d, x)
        want = oracle.float64(x).mean((1, 2))
        assert_close(y, want, dtype=dtype, method="avg_pool2d", terms=1)
        by_x = np.broadcast_to(oracle.float64(g)[:, None, None] / 28, SHAPE)
        assert_close(pull_back(g)[0], by_x, dtype=dtype, method="avg_pool2d", terms=1)


@pytest.mark.parametrize("dtype", DTYPES)
def test_maximum(dtype: str) -> None:
    """Exact; few different numbers, so that most maps have a tie."""
    with precision_for(dtype):
        x = rounded(np.round(oracle.float64(draw("x", SHAPE))), dtype)
        g = draw("g", (2, 3), dtype)
        y, pull_back = jax.vjp(ops.global_max_pool2d, x)
        assert str(y.dtype) == dtype
        wide, by_x = oracle.float64(x), np.zeros(SHAPE)
        np.testing.assert_array_equal(oracle.float64(y), wide.max((1, 2)))
        for n, c in np.ndindex(2, 3):
            row, column = divmod(int(np.argmax(wide[n, :, :, c])), SHAPE[2])
            by_x[n, row, column, c] = oracle.float64(g)[n, c]
        np.testing.assert_array_equal(oracle.float64(pull_back(g)[0]), by_x)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_16_bits_are_summed_in_32(dtype: str) -> None:
    """In 16 bits a sum of ones would stop at 256 or 2048; this one overflows float16, too."""
    ones = jnp.full((1, 300, 400, 1), 8, dtype)
    assert ops.global_average_pool2d(ones)[0, 0] == 8


def test_a_sum_of_many_pixels() -> None:
    x = 1000 + draw("x", (1, 224, 224, 3))
    want = oracle.float64(x).mean((1, 2))
    np.testing.assert_allclose(ops.global_average_pool2d(x), want, rtol=16 * EPS["float32"])


@pytest.mark.parametrize("position", [0, 3, 5])
def test_nan_is_the_maximum_and_infinities_are_numbers(position: int) -> None:
    values = np.array([1.0, -np.inf, 2, 0, np.inf, 3])
    x = jnp.asarray(values, jnp.float32).reshape(1, 2, 3, 1)
    assert ops.global_max_pool2d(x)[0, 0] == np.inf
    low = jnp.full((1, 2, 2, 1), -jnp.inf)
    assert ops.global_max_pool2d(low)[0, 0] == -np.inf
    values[position] = np.nan
    x = jnp.asarray(values, jnp.float32).reshape(1, 2, 3, 1)
    for pool in POOLS:
        assert jnp.isnan(pool(x)).all()


@pytest.mark.parametrize("pool", POOLS)
def test_jit_vmap_and_forward_mode(pool: Any) -> None:
    xs, dx = draw("xs", (*SHAPE, 3)), draw("dx", SHAPE)

    def run(x: jax.Array) -> Any:
        return pool(x), *jax.jvp(pool, (x,), (dx,)), jax.grad(lambda x: pool(x).sum())(x)

    mapped = jax.jit(jax.vmap(run, in_axes=-1))(xs)
    for k in range(3):
        y, again, slope, by_x = run(xs[..., k])
        np.testing.assert_array_equal(y, again)
        np.testing.assert_allclose(slope, jnp.sum(by_x * dx, (1, 2)), rtol=1e-5, atol=1e-6)
        for got, want in zip(mapped, (y, y, slope, by_x), strict=True):
            np.testing.assert_allclose(got[k], want, rtol=0, atol=1e-6)


@pytest.mark.parametrize("pool", POOLS)
def test_refusals(pool: Any) -> None:
    x = jnp.ones(SHAPE)
    assert refusal(lambda: pool(x[0])) == "x: got shape (4, 7, 3); expected 4 axes (N, H, W, C)"
    assert refusal(lambda: pool(x.astype("uint8"))) == f"x: got dtype uint8; {FLOATS}"
    message = "x: got shape (2, 0, 7, 3); expected at least one row and one column"
    assert refusal(lambda: pool(x[:, :0])) == message
