"""Flatten, dense and dropout."""

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcnn import ops
from tests.ops.conv import oracle
from tests.ops.conv.cases import DTYPES, draw, precision_for
from tests.ops.conv.tolerances import assert_close


@pytest.mark.parametrize("dtype", DTYPES)
def test_dense_equals_the_oracle(dtype: str) -> None:
    with precision_for(dtype):
        arrays = [draw("x", (3, 50), dtype), draw("k", (50, 4), dtype), draw("b", (4,), dtype)]
        x, kernel, bias = (oracle.float64(a) for a in arrays)
        y, pull_back = jax.vjp(ops.dense, *arrays)
        assert_close(y, oracle.dense(x, kernel, bias), dtype=dtype, method="dense", terms=51)
        g = draw("g", (3, 4), dtype)
        wide = oracle.float64(g)
        wanted = (oracle.dense(wide, kernel.T), oracle.dense(x.T, wide), wide.sum(axis=0))
        for got, want, terms in zip(pull_back(g), wanted, (4, 3, 3), strict=True):
            assert_close(got, want, dtype=dtype, method="dense", terms=terms)


def test_dense_sums_in_at_least_32_bits() -> None:
    """In bfloat16 alone a sum of ones would stop at 256; so would the bias's gradient."""
    ones = jnp.ones((1, 4096), "bfloat16")
    assert ops.dense(ones, ones.T)[0, 0] == 4096
    by_bias = jax.grad(lambda b: ops.dense(ones.T, ones[:, :1], b).sum())(ones[0, :1])
    assert by_bias[0] == 4096


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("op", ["dense", "conv2d", "conv_transpose2d", "conv2d_relu"])
def test_the_gradient_of_a_bias_is_summed_in_32_bits(op: str, dtype: str) -> None:
    """Checked in the program, since XLA's CPU backend would hide a narrow sum by widening it."""
    x, kernel = jnp.ones((3, 4, 5, 2), dtype), jnp.ones((1, 1, 2, 2), dtype)
    if op == "dense":
        x, kernel = x[0, 0], kernel[0, 0]

    def total(bias: jax.Array) -> jax.Array:
        y: jax.Array = getattr(ops, op)(x, kernel, bias)
        return jnp.sum(y.astype("float32"))

    jaxpr = str(jax.make_jaxpr(jax.grad(total))(jnp.ones(2, dtype)))
    sums = re.findall(r":(\w+)\[[\d,]*\] = reduce_sum\[", jaxpr)
    assert len(sums) >= 2  # the loss, and the gradient
    assert set(sums) == {"f32"}


def test_a_1x1_convolution_is_dense_at_every_pixel() -> None:
    x, kernel, bias = draw("x", (2, 3, 5, 4)), draw("k", (1, 1, 4, 6)), draw("b", (6,))
    want = ops.dense(x.reshape(-1, 4), kernel[0, 0], bias).reshape(2, 3, 5, 6)
    got = ops.conv2d(x, kernel, bias)
    assert_close(got, oracle.float64(want), dtype="float32", method="lax", terms=5)


def test_flatten_is_row_major() -> None:
    x = jnp.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    flat = ops.flatten(x)
    assert flat.shape == (2, 60)
    for r, c, k in np.ndindex(3, 4, 5):
        assert flat[1, (r * 4 + c) * 5 + k] == x[1, r, c, k]


@pytest.mark.parametrize(("shape", "flat"), [((3,), (3, 1)), ((2, 0, 4), (2, 0)), ((0, 3), (0, 3))])
def test_flatten_of_unusual_shapes(shape: tuple[int, ...], flat: tuple[int, int]) -> None:
    assert ops.flatten(jnp.zeros(shape)).shape == flat


# --- dropout --------------------------------------------------------------------------------------

KEY = jax.random.key(7)


def test_same_key_same_mask() -> None:
    x = draw("x", (40, 50))
    one, again = ops.dropout(x, 0.5, key=KEY), ops.dropout(x, 0.5, key=KEY)
    other = ops.dropout(x, 0.5, key=jax.random.key(8))
    np.testing.assert_array_equal(one, again)
    assert np.mean((one == 0) != (other == 0)) == pytest.approx(0.5, abs=0.06)


def test_rate_zero_is_the_identity() -> None:
    x = draw("x", (4, 5))
    np.testing.assert_array_equal(ops.dropout(x, 0, key=KEY), x)
    np.testing.assert_array_equal(ops.dropout(x, 0.0, key=KEY), x)


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5, 0.9])
def test_share_of_zeros_and_mean(rate: float) -> None:
    """Within five standard deviations, which a correct dropout exceeds once in two million runs."""
    n = 200_000
    y = oracle.float64(ops.dropout(jnp.ones(n), rate, key=KEY))
    deviation = (rate * (1 - rate) / n) ** 0.5
    assert np.mean(y == 0) == pytest.approx(rate, abs=5 * deviation + 2**-17)
    assert np.mean(y) == pytest.approx(1, abs=5 * deviation / (1 - rate))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("rate", [0.25, 0.5, 0.75])
def test_kept_numbers_are_scaled_exactly(rate: float, dtype: str) -> None:
    x = draw("x", (30, 20), dtype)
    y = ops.dropout(x, rate, key=KEY)
    assert y.dtype == x.dtype
    scale = np.float32(1 / (1 - rate))
    scaled = (np.asarray(x, "float32") * scale).astype(x.dtype)
    np.testing.assert_array_equal(oracle.float64(y), oracle.float64(jnp.where(y != 0, scaled, 0)))


@pytest.mark.parametrize(
    ("rate", "dtype"),
    [
        *((rate, "float32") for rate in (0.0, 0.25, 0.5, 0.9, 0.99999)),
        *((rate, "float16") for rate in (0.9, 0.99999)),
        (0.9, "bfloat16"),
    ],
)
def test_a_traced_rate_is_the_same_as_a_number(rate: float, dtype: str) -> None:
    x = draw("x", (30, 20), dtype)
    want = ops.dropout(x, rate, key=KEY)
    rates = jnp.float32([rate, 0.5])
    got = jax.jit(jax.vmap(lambda rate: ops.dropout(x, rate, key=KEY)))(rates)
    np.testing.assert_array_equal(oracle.float64(got[0]), oracle.float64(want))
    np.testing.assert_array_equal(got[1], ops.dropout(x, 0.5, key=KEY))
    np.testing.assert_array_equal(want, ops.dropout(x, jnp.float32(rate), key=KEY))


@pytest.mark.parametrize("rate", [np.nan, 1.0, -0.25, np.inf])
def test_a_traced_rate_out_of_range_shows(rate: float) -> None:
    y = jax.jit(lambda rate: ops.dropout(jnp.ones(1000), rate, key=KEY))(rate)
    assert jnp.isnan(y).all()


@pytest.mark.parametrize("traced", [False, True])
def test_a_rate_near_1_does_not_overflow_in_float16(traced: bool) -> None:
    """The scale 65536 is beyond float16; 65536 times 1/4 is not, nor is 65536 times 0."""
    x = jnp.tile(jnp.float16([0.25, 0.0, -0.5]), 200_000)

    def run(rate: Any) -> tuple[jax.Array, jax.Array]:
        y, pull_back = jax.vjp(lambda x: ops.dropout(x, rate, key=KEY), x)
        return y, pull_back(jnp.full_like(x, 0.125))[0]

    rate = 1 - 2**-16
    y, by_x = jax.jit(run)(jnp.float32(rate)) if traced else run(rate)
    np.testing.assert_array_equal(np.unique(y), [-32768, 0, 16384])
    np.testing.assert_array_equal(np.unique(by_x), [0, 8192])


def test_gradient_is_the_mask_times_the_scale() -> None:
    x = draw("x", (30, 20))
    g = draw("g", (30, 20))
    y, pull_back = jax.vjp(lambda x: ops.dropout(x, 0.75, key=KEY), x)
    np.testing.assert_array_equal(pull_back(g)[0], np.where(y != 0, g * 4, 0))


def test_each_model_of_a_vmap_has_its_own_mask() -> None:
    keys = jax.random.split(KEY, 3)
    masks = jax.vmap(lambda key: ops.dropout(jnp.ones(100), 0.5, key=key) > 0)(keys)
    for k in range(3):
        np.testing.assert_array_equal(masks[k], ops.dropout(jnp.ones(100), 0.5, key=keys[k]) > 0)
    assert np.any(masks[0] != masks[1])


def test_the_rest_of_an_image_survives_nan() -> None:
    """A dropped NaN is a zero, not NaN times zero."""
    x = jnp.full(1000, jnp.nan)
    share = np.mean(oracle.float64(ops.dropout(x, 0.5, key=KEY)) == 0)
    assert share == pytest.approx(0.5, abs=0.1)
