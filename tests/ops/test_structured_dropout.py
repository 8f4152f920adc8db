"""Dropout of whole feature maps and of whole examples; that of numbers is in `test_dense.py`."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcnn import ops
from tests.ops.conv import oracle
from tests.ops.conv.cases import draw
from tests.ops.conv.refusals import FLOATS, refusal

KEY = jax.random.key(7)
SHAPE = (40, 5, 3, 20)
# Each with the shape of its mask.
DROPS = [
    (ops.dropout, SHAPE),
    (ops.spatial_dropout2d, (40, 1, 1, 20)),
    (ops.stochastic_depth, (40, 1, 1, 1)),
]
every_drop = pytest.mark.parametrize(("drop", "mask_shape"), DROPS)


def mask_of(shape: tuple[int, ...], rate: float) -> Any:
    """The bits of `jax.random.bits`, below the share that is kept."""
    bits = np.asarray(jax.random.bits(KEY, shape, jnp.uint16))
    return bits < round((1 - rate) * 65536)


@every_drop
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("rate", [0.25, 0.5, 0.75])
def test_value_and_gradient(
    drop: Any, mask_shape: tuple[int, ...], rate: float, dtype: str
) -> None:
    x, g = draw("x", SHAPE, dtype), draw("g", SHAPE, dtype)

    @jax.jit
    def run(x: jax.Array, g: jax.Array) -> tuple[jax.Array, jax.Array]:
        y, pull_back = jax.vjp(lambda x: drop(x, rate, key=KEY), x)
        return y, pull_back(g)[0]

    y, by_x = run(x, g)
    mask = mask_of(mask_shape, rate)
    assert 0 < mask.mean() < 1
    for got, given in ((y, x), (by_x, g)):
        assert got.dtype == x.dtype
        scaled = (np.asarray(given, "float32") * np.float32(1 / (1 - rate))).astype(x.dtype)
        want = np.where(mask, oracle.float64(scaled), 0)
        np.testing.assert_array_equal(oracle.float64(got), want)


@every_drop
def test_a_traced_rate_is_the_same_as_a_number(drop: Any, mask_shape: tuple[int, ...]) -> None:
    x = draw("x", SHAPE)
    got = jax.jit(jax.vmap(lambda rate: drop(x, rate, key=KEY)))(jnp.float32([0, 0.3, 1.5]))
    np.testing.assert_array_equal(got[0], x)
    np.testing.assert_array_equal(got[1], drop(x, 0.3, key=KEY))
    assert jnp.isnan(got[2]).all()
    assert drop(x, 0.0, key=KEY) is x


@every_drop
def test_each_model_of_a_vmap_has_its_own_mask(drop: Any, mask_shape: tuple[int, ...]) -> None:
    x, keys = draw("x", SHAPE), jax.random.split(KEY, 3)
    mapped = jax.jit(jax.vmap(lambda key: drop(x, 0.5, key=key)))(keys)
    for k in range(3):
        np.testing.assert_array_equal(mapped[k], drop(x, 0.5, key=keys[k]))
    assert np.any(mapped[0] != mapped[1])


def test_a_dropped_nan_is_zero() -> None:
    x = jnp.full((200, 2, 2, 1), jnp.nan)
    for drop in (ops.spatial_dropout2d, ops.stochastic_depth):
        share = np.mean(oracle.float64(drop(x, 0.5, key=KEY)) == 0)
        assert share == pytest.approx(0.5, abs=0.2)


def test_stochastic_depth_of_rows() -> None:
    y = ops.stochastic_depth(jnp.ones((1000, 3)), 0.2, key=KEY)
    assert set(np.unique(y)) == {0.0, np.float32(65536 / round(0.8 * 65536))}
    assert ((y == 0).all(1) | (y != 0).all(1)).all()
    assert float(y.mean()) == pytest.approx(1, abs=0.08)
    assert ops.stochastic_depth(jnp.ones(5), 0.2, key=KEY).shape == (5,)


def test_refusals() -> None:
    x, rate = jnp.ones((2, 3, 4, 5)), "rate: got 1.0; accepted: 0 <= rate < 1"
    floats = f"x: got dtype int32; {FLOATS}"
    for drop in (ops.spatial_dropout2d, ops.stochastic_depth):
        assert refusal(partial(drop, x, 1.0, key=KEY)) == rate
        assert refusal(partial(drop, x.astype("int32"), 0.5, key=KEY)) == floats
    said = refusal(lambda: ops.spatial_dropout2d(x[0], 0.5, key=KEY))
    assert said == "x: got shape (3, 4, 5); expected 4 axes (N, H, W, C)"
    said = refusal(lambda: ops.stochastic_depth(jnp.float32(1), 0.5, key=KEY))
    assert said == "x: got shape (); expected at least one axis (N, ...)"
