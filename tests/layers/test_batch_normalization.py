"""BatchNormalization against NumPy float64, with large means, and its arguments."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import pytest
from flax import nnx

from jcnn.layers import BatchNormalization, eval_mode

Array = npt.NDArray[np.float64]


def numbers(mean: float, *shape: int) -> jax.Array:
    rng = np.random.default_rng(5)
    return jnp.asarray(mean + rng.standard_normal(shape) * [1, 0.5, 3], jnp.float32)


def normalised(x: Array, epsilon: float = 1e-3) -> Array:
    axes = tuple(range(x.ndim - 1))
    normal: Array = (x - x.mean(axes)) / np.sqrt(x.var(axes) + epsilon)
    return normal


@pytest.mark.parametrize("shape", [(8, 9, 7, 3), (64, 3), (2, 40, 41, 3)])
@pytest.mark.parametrize("mean", [0.0, 1000.0, -5000.0, 1e6])
def test_it_is_exact_where_the_mean_is_large(mean: float, shape: tuple[int, ...]) -> None:
    layer = BatchNormalization(3, momentum=0, rngs=nnx.Rngs(0))
    x = numbers(mean, *shape)
    wide = np.asarray(x, np.float64)
    axes = tuple(range(wide.ndim - 1))
    np.testing.assert_allclose(layer(x), normalised(wide), rtol=0, atol=2e-5)
    np.testing.assert_allclose(layer.mean[...], wide.mean(axes), rtol=2**-23, atol=1e-6)
    np.testing.assert_allclose(layer.var[...], wide.var(axes), rtol=1e-5)


def test_a_grid_that_is_unlike_the_rest_does_not_hurt() -> None:
    """The worst image for a shift taken from a grid: every cell of the grid is an outlier."""
    layer = BatchNormalization(3, rngs=nnx.Rngs(0))
    x = numbers(0, 4, 64, 64, 3).at[:, 7::16, 7::16].add(1e4)
    want = normalised(np.asarray(x, np.float64))
    np.testing.assert_allclose(layer(x), want, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_16_bits_are_normalised_in_32(dtype: str) -> None:
    layer = BatchNormalization(3, momentum=0, rngs=nnx.Rngs(0))
    x = (numbers(0, 8, 9, 7, 3) * 32 + 1000).astype(dtype)
    wide = np.asarray(x, np.float64)
    y = layer(x)
    assert y.dtype == x.dtype
    # One rounding of the result.
    np.testing.assert_allclose(np.asarray(y, np.float64), normalised(wide), rtol=2**-8, atol=1e-4)
    np.testing.assert_allclose(layer.var[...], wide.var((0, 1, 2)), rtol=1e-5)
    assert layer.var.dtype == "float32"


@pytest.mark.parametrize("mean", [0.0, 1000.0])
def test_gradients_are_the_textbooks(mean: float) -> None:
    x = numbers(mean, 4, 5, 6, 3)
    g = jnp.asarray(np.random.default_rng(6).standard_normal(x.shape), jnp.float32)
    by_x = jax.grad(lambda x: jnp.sum(BatchNormalization(3, rngs=nnx.Rngs(0))(x) * g))(x)
    wide, slope, axes = np.asarray(x, np.float64), np.asarray(g, np.float64), (0, 1, 2)
    hat = normalised(wide)
    factor = 1 / np.sqrt(wide.var(axes) + 1e-3)
    want = factor * (slope - slope.mean(axes) - hat * (slope * hat).mean(axes))
    np.testing.assert_allclose(by_x, want, rtol=0, atol=2e-5)


def test_second_derivatives_do_not_see_the_shift() -> None:
    x, along = numbers(100, 6, 3), numbers(0, 6, 3)

    def energy(x: jax.Array) -> jax.Array:
        return jnp.sum(BatchNormalization(3, rngs=nnx.Rngs(0))(x) ** 3)

    with jax.enable_x64(True):
        x, along = x.astype("float64"), along.astype("float64")
        slope = jax.grad(energy)
        _, second = jax.jvp(slope, (x,), (along,))
        step = 1e-5
        by_differences = (slope(x + step * along) - slope(x - step * along)) / (2 * step)
    np.testing.assert_allclose(second, by_differences, rtol=1e-6, atol=1e-6)


def test_members_of_a_vmap_have_statistics_of_their_own() -> None:
    x = jnp.stack([numbers(mean, 4, 5, 6, 3) for mean in (0, 1000, -300)])

    def one(x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        layer = BatchNormalization(3, momentum=0, rngs=nnx.Rngs(0))
        return layer(x), layer.mean[...], layer.var[...]

    y, means, variances = jax.vmap(one)(x)
    for member, batch in enumerate(np.asarray(x, np.float64)):
        np.testing.assert_allclose(y[member], normalised(batch), rtol=0, atol=2e-5)
        np.testing.assert_allclose(means[member], batch.mean((0, 1, 2)), rtol=2**-23, atol=1e-6)
        np.testing.assert_allclose(variances[member], batch.var((0, 1, 2)), rtol=1e-5)


def test_momentum_epsilon_center_and_scale() -> None:
    plain = BatchNormalization(3, rngs=nnx.Rngs(0))
    assert (plain.momentum, plain.epsilon) == (0.99, 1e-3)
    assert plain.bias is not None and plain.scale is not None
    layer = BatchNormalization(
        3, momentum=0.75, epsilon=0.5, center=False, scale=False, rngs=nnx.Rngs(0)
    )
    assert layer.bias is None and layer.scale is None
    x = numbers(2, 8, 3)
    wide = np.asarray(x, np.float64)
    np.testing.assert_allclose(layer(x), normalised(wide, 0.5), rtol=0, atol=1e-5)
    np.testing.assert_allclose(layer.mean[...], 0.25 * wide.mean(0), rtol=1e-5)
    np.testing.assert_allclose(layer.var[...], 0.75 + 0.25 * wide.var(0), rtol=1e-5)


def test_numbers_behind_a_mask_count_for_nothing() -> None:
    x = numbers(1000, 6, 3)
    mask = jnp.arange(6)[:, None] < 4
    layer = BatchNormalization(3, momentum=0, rngs=nnx.Rngs(0))
    got = layer(jnp.where(mask, x, jnp.nan), mask=mask)
    np.testing.assert_allclose(got[:4], normalised(np.asarray(x[:4], np.float64)), atol=2e-5)
    np.testing.assert_allclose(layer.var[...], np.asarray(x[:4], np.float64).var(0), rtol=1e-5)


def test_an_empty_batch_changes_nothing() -> None:
    layer = BatchNormalization(3, rngs=nnx.Rngs(0))
    for model in (layer, eval_mode(layer)):
        y = model(jnp.zeros((0, 4, 4, 3)))
        assert y.shape == (0, 4, 4, 3)
    np.testing.assert_array_equal(layer.mean[...], 0)
    np.testing.assert_array_equal(layer.var[...], 1)


@pytest.mark.parametrize(
    ("argument", "value", "accepted"),
    [
        ("momentum", 1.5, "0 <= momentum <= 1"),
        ("momentum", float("nan"), "0 <= momentum <= 1"),
        ("epsilon", -1e-3, "a finite number >= 0"),
        ("epsilon", float("nan"), "a finite number >= 0"),
    ],
)
def test_arguments_out_of_range_are_refused(argument: str, value: float, accepted: str) -> None:
    how: dict[str, Any] = {argument: value}
    with pytest.raises(ValueError) as caught:
        BatchNormalization(3, **how, rngs=nnx.Rngs(0))
    assert str(caught.value) == f"{argument}: got {value!r}; accepted: {accepted}"


def test_another_number_of_channels_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^x: got shape \(2, 4\); expected 3 channels"):
        BatchNormalization(3, rngs=nnx.Rngs(0))(jnp.ones((2, 4)))
