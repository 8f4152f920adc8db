"""Keras's layers with the same weights give the same outputs and parameter counts."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jcnn.layers import Conv2DTranspose, DepthwiseConv2D, Layer, SeparableConv2D, Sequential
from jcnn.models import summary

pytestmark = pytest.mark.slow

C, RNGS = 4, nnx.Rngs(0)
HOW = [
    # stride, padding, dilation
    (1, "SAME", 1),
    (2, "SAME", 1),
    (2, "VALID", 1),
    (1, "VALID", 2),
    (1, "SAME", 3),
]


def pairs(keras: Any, stride: int, padding: Any, dilation: int) -> list[tuple[Layer, Any]]:
    """Each layer, and the Keras layer with the same settings."""
    ours: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
    theirs: dict[str, Any] = {
        "strides": stride,
        "padding": padding.lower(),
        "dilation_rate": dilation,
    }
    layers = keras.layers
    return [
        (
            Conv2DTranspose(C, 6, (3, 4), **ours, rngs=RNGS),
            layers.Conv2DTranspose(6, (3, 4), **theirs),
        ),
        (
            DepthwiseConv2D(C, 3, **ours, depth_multiplier=2, rngs=RNGS),
            layers.DepthwiseConv2D(3, **theirs, depth_multiplier=2),
        ),
        (
            SeparableConv2D(C, 5, (3, 2), **ours, depth_multiplier=3, rngs=RNGS),
            layers.SeparableConv2D(5, (3, 2), **theirs, depth_multiplier=3),
        ),
    ]


@pytest.mark.parametrize(("stride", "padding", "dilation"), HOW)
def test_the_same_maps(keras: Any, stride: int, padding: Any, dilation: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 9, 8, C)).astype("float32")
    for ours, theirs in pairs(keras, stride, padding, dilation):
        theirs.build(x.shape)
        model = Sequential([ours])
        names = [variable.name for variable in theirs.weights]
        assert names[-1] == "bias"
        for name, variable in zip(names, theirs.weights, strict=True):
            numbers = rng.standard_normal(variable.shape).astype("float32")
            variable.assign(numbers)
            parameter = getattr(ours, name)
            assert parameter.shape == numbers.shape, name
            parameter[...] = jnp.asarray(numbers)
        want = np.asarray(theirs(x))
        np.testing.assert_allclose(model(jnp.asarray(x)), want, rtol=1e-4, atol=1e-4)
        assert summary(model, x.shape[1:]).params == theirs.count_params()
        name = keras.src.utils.naming.to_snake_case(type(theirs).__name__)
        assert model.names == (name,)
