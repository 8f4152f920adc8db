"""Networks of the zoo against Keras's, with the same numbers in both.

Keras pads as TensorFlow does. For an odd number of rows that is the symmetric padding of
torchvision, and 33 stays odd down to 3.
"""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jcnn.layers import BatchNormalization, eval_mode, recorded_calls
from jcnn.models import build
from jcnn.models.convnext import Block

pytestmark = pytest.mark.slow
SHAPE, CLASSES = (33, 33, 3), 7


def weighted(model: Any) -> Iterator[Any]:
    """Keras's layers with weights, in the order of their calls."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from weighted(layer)
        elif layer.weights and type(layer).__name__ != "Normalization":
            yield layer


def drawn(layer: Any, rng: np.random.Generator) -> list[np.ndarray]:
    """Random weights of a Keras layer that keep a signal's size; all variables differ."""
    found = []
    for weight in layer.weights:
        shape = tuple(weight.shape)
        kind = weight.path.rpartition("/")[2]
        if len(shape) == 1:
            value = rng.uniform(0.5, 1.5, shape)
            value = value if kind in ("gamma", "moving_variance") else value - 1
        else:
            is_depthwise = "Depthwise" in type(layer).__name__
            inputs = np.prod(shape[:2] if is_depthwise else shape[:-1])
            value = rng.normal(0, np.sqrt(2 / inputs), shape)
        found.append(np.asarray(value, np.float32))
    return found


def copy(layer: Any, module: Any, values: list[np.ndarray]) -> None:
    """Set the variables of a layer of jcnn to those of a Keras layer."""
    if isinstance(module, Block):
        module.layer_scale.set_value(jnp.asarray(values[0]))
        return
    names = {
        "BatchNormalization": ("scale", "bias", "mean", "var"),
        "LayerNormalization": ("scale", "bias"),
    }.get(type(module).__name__, ("kernel", "bias"))
    assert len(values) == sum(getattr(module, name) is not None for name in names), layer.name
    for name, value in zip(names, values, strict=False):
        variable = getattr(module, name)
        # A 1x1 convolution may be dense in Keras, and a depthwise one may be grouped.
        assert [n for n in value.shape if n > 1] == [n for n in variable.shape if n > 1]
        variable.set_value(jnp.asarray(value.reshape(variable.shape)))


@pytest.mark.parametrize(
    ("name", "class_name", "arguments"),
    [
        ("mobilenet_v2", "MobileNetV2", {}),
        ("mobilenet_v3_small", "MobileNetV3Small", {"include_preprocessing": False}),
        ("mobilenet_v3_large", "MobileNetV3Large", {"include_preprocessing": False}),
        ("efficientnet_b0", "EfficientNetB0", {}),
        ("convnext_tiny", "ConvNeXtTiny", {"include_preprocessing": False}),
    ],
)
def test_logits_are_those_of_keras(
    keras: Any, name: str, class_name: str, arguments: dict[str, Any]
) -> None:
    theirs = getattr(keras.applications, class_name)(
        weights=None, input_shape=SHAPE, classes=CLASSES, classifier_activation=None, **arguments
    )
    ours = build(name, SHAPE, CLASSES, kernel_init=jax.nn.initializers.zeros)
    x = np.random.default_rng(1).normal(size=(2, *SHAPE)).astype(np.float32)

    quiet = eval_mode(ours)
    with recorded_calls(quiet) as calls:
        jax.eval_shape(quiet, x)
    by_name = {"/".join(map(str, path)): module for path, module in nnx.iter_modules(ours)}
    modules = [
        by_name[call.name]
        for call in calls
        if isinstance(call.module, Block)
        or hasattr(call.module, "kernel")
        or hasattr(call.module, "scale")
    ]
    layers = list(weighted(theirs))
    assert len(layers) == len(modules)
    rng = np.random.default_rng(2)
    for layer, module in zip(layers, modules, strict=True):
        values = drawn(layer, rng)
        layer.set_weights(values)
        copy(layer, module, values)
        if isinstance(module, BatchNormalization):
            layer.epsilon = module.epsilon
    # EfficientNet of Keras divides by 255.
    scale = 255 if name == "efficientnet_b0" else 1
    expected = np.asarray(theirs(x * scale, training=False))
    found = np.asarray(jax.jit(eval_mode(ours))(x))
    assert expected.std() > 1e-2
    np.testing.assert_allclose(found, expected, atol=2e-4 * np.abs(expected).max())
