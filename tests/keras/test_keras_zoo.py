"""Keras's VGG-16 with the same weights gives the same probabilities."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jcnn import ops
from jcnn.graph import GraphModel, graph
from jcnn.layers import eval_mode
from jcnn.models import build

pytestmark = pytest.mark.slow

SHAPE, CLASSES = (32, 64, 3), 5


def test_vgg16(keras: Any) -> None:
    model: Any = eval_mode(build("vgg16", SHAPE, CLASSES))
    theirs = keras.applications.VGG16(weights=None, input_shape=SHAPE, classes=CLASSES)
    layers = [one for one in (*model.features, *model.classifier) if hasattr(one, "kernel")]
    weighted = [layer for layer in theirs.layers if layer.weights]
    assert theirs.count_params() == sum(layer.kernel.size + layer.bias.size for layer in layers)
    rng = np.random.default_rng(0)
    for ours, layer in zip(layers, weighted, strict=True):
        ours.bias[...] = jnp.asarray(rng.normal(size=ours.bias.shape) / 10, jnp.float32)
        layer.set_weights([np.asarray(ours.kernel[...]), np.asarray(ours.bias[...])])
    x = rng.normal(size=(2, *SHAPE)).astype(np.float32)
    expected = np.asarray(theirs(x, training=False))
    assert expected.std(axis=1).min() > 0.01  # not all classes alike
    for one in (model, eval_mode(GraphModel(graph(model, SHAPE), rngs=nnx.Rngs(0)))):
        graphdef, state = nnx.split(one)
        found = jax.jit(
            lambda state, x, graphdef=graphdef: ops.softmax(nnx.merge(graphdef, state)(x))
        )(state, x)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
