"""Keras's layers without a kernel: global pooling, resizing, merging, normalisation, dropout."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jcnn import layers as jl
from jcnn.layers import eval_mode, output_shape

pytestmark = pytest.mark.slow

SHAPE = (2, 5, 4, 6)
SIDES: Any = ((1, 0), (2, 1))
HOW: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("GlobalAveragePooling2D", (), {}),
    ("GlobalAveragePooling2D", (), {"keepdims": True}),
    ("GlobalMaxPooling2D", (), {}),
    ("GlobalMaxPooling2D", (), {"keepdims": True}),
    ("ZeroPadding2D", (), {}),
    ("ZeroPadding2D", ((1, 2),), {}),
    ("ZeroPadding2D", (SIDES,), {}),
    ("Cropping2D", (), {}),
    ("Cropping2D", ((1, 0),), {}),
    ("Cropping2D", (SIDES,), {}),
    ("UpSampling2D", (), {}),
    ("UpSampling2D", ((3, 2),), {}),
    ("UpSampling2D", (), {"interpolation": "bilinear"}),
    ("UpSampling2D", ((3, 5),), {"interpolation": "bilinear"}),
]


def draw(seed: int, *shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


@pytest.mark.parametrize(("name", "args", "how"), HOW)
def test_layers_of_one_input(
    keras: Any, name: str, args: tuple[Any, ...], how: dict[str, Any]
) -> None:
    ours, theirs = getattr(jl, name)(*args, **how), getattr(keras.layers, name)(*args, **how)
    x = draw(0, *SHAPE)
    want, pull_back = jax.vjp(lambda x: theirs(x), x)
    got, pull_ours = jax.vjp(ours, x)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    g = draw(1, *want.shape)
    np.testing.assert_allclose(pull_ours(g)[0], pull_back(g)[0], rtol=1e-5, atol=1e-5)
    assert output_shape([ours], SHAPE[1:]) == tuple(theirs.compute_output_shape(SHAPE))[1:]
    automatic = keras.src.utils.naming.to_snake_case(type(theirs).__name__)
    assert jl.Sequential([ours]).names == (automatic,)


@pytest.mark.parametrize("name", ["Add", "Multiply", "Concatenate"])
def test_layers_of_several_inputs(keras: Any, name: str) -> None:
    arrays = [draw(k, *SHAPE) for k in range(3)]
    if name != "Concatenate":
        arrays[1] = arrays[1][:, :1, :1]
    got = getattr(jl, name)()(arrays)
    np.testing.assert_allclose(got, getattr(keras.layers, name)()(arrays), rtol=1e-6, atol=1e-6)


def test_concatenation_along_rows(keras: Any) -> None:
    arrays = [draw(0, *SHAPE), draw(1, 2, 3, 4, 6)]
    want = keras.layers.Concatenate(axis=1)(arrays)
    np.testing.assert_array_equal(jl.Concatenate(1)(arrays), want)


@pytest.mark.parametrize(
    "how", [{}, {"epsilon": 0.1}, {"center": False}, {"scale": False, "epsilon": 1e-6}]
)
@pytest.mark.parametrize("groups", [None, 1, 2, 3, 6])
def test_normalisation(keras: Any, groups: int | None, how: dict[str, Any]) -> None:
    ours: jl.LayerNormalization | jl.GroupNormalization
    if groups is None:
        ours, theirs = jl.LayerNormalization(6, **how), keras.layers.LayerNormalization(**how)
    else:
        ours = jl.GroupNormalization(6, groups, **how)
        theirs = keras.layers.GroupNormalization(groups, **how)
    x = 3 * draw(0, *SHAPE) + 1
    theirs.build(x.shape)
    for seed, variable in enumerate(theirs.weights):
        numbers = draw(seed + 5, 6)
        variable.assign(numbers)
        parameter = getattr(ours, {"gamma": "scale", "beta": "bias"}[variable.name])
        parameter[...] = numbers
    np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-4, atol=2e-5)


def test_the_defaults(keras: Any) -> None:
    theirs = keras.layers.GroupNormalization()
    ours = jl.GroupNormalization(64)
    assert (ours.groups, ours.epsilon) == (theirs.groups, theirs.epsilon)
    assert jl.LayerNormalization(3).epsilon == keras.layers.LayerNormalization().epsilon


def test_spatial_dropout_drops_whole_maps_as_keras_does(keras: Any) -> None:
    """Other bits, but the same shape of the mask, and the same two values."""
    x = jnp.ones((50, 3, 2, 40))
    theirs = np.asarray(keras.layers.SpatialDropout2D(0.25, seed=1)(x, training=True))
    layer = jl.SpatialDropout2D(0.25, rngs=nnx.Rngs(0))
    for y in (theirs, np.asarray(layer(x))):
        assert (y == y[:, :1, :1]).all()
        np.testing.assert_allclose(np.unique(y), [0, 4 / 3], rtol=1e-6)
        assert (y == 0).mean() == pytest.approx(0.25, abs=0.05)
    np.testing.assert_array_equal(eval_mode(layer)(x), x)
