"""Keras's layers to be written: their names, shapes, arrays and order."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]
Shape = tuple[int, ...]
Sides = tuple[tuple[int, int], tuple[int, int]]

INPUT_LAYER = "input_layer"
NO_SIDES: Sides = ((0, 0), (0, 0))
# Layers that Keras would otherwise build for the order of axes of its own settings.
_OF_MAPS = (
    *("Conv2D", "DepthwiseConv2D", "Conv2DTranspose", "MaxPooling2D", "AveragePooling2D"),
    *("GlobalAveragePooling2D", "GlobalMaxPooling2D", "ZeroPadding2D", "Cropping2D"),
    *("UpSampling2D", "SpatialDropout2D", "Flatten"),
)


@dataclass(frozen=True)
class Weight:
    """An array of a layer.

    Attributes:
        role: Keras's name, such as "kernel".
        path: of the variable in jcnn's model, such as "conv1/kernel"; "" if it is none.
        trained: whether it is a parameter, rather than a statistic.
    """

    role: str
    array: Array = field(repr=False)
    path: str
    trained: bool = True


@dataclass(frozen=True)
class WrittenLayer:
    """A layer of Keras.

    Attributes:
        name: unique, of letters, digits and "_".
        kind: Keras's class.
        inputs: names of the layers before it.
        shape: of its output, without the batch axis.
        config: its settings.
        weights: in Keras's order.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    shape: Shape
    config: Mapping[str, Any]
    weights: tuple[Weight, ...] = ()


class Layers:
    """The layers of a model, in the order in which they are added.

    Args:
        input_shape: `(H, W, C)`.
        activations: texts for the setting `activation`, by name of the node that has it.
    """

    def __init__(self, input_shape: Shape, activations: Mapping[str, str]) -> None:
        self.activations = activations
        self.layers: list[WrittenLayer] = []
        self.notes: list[str] = []
        self._names: set[str] = set()
        how = {"batch_shape": [None, *input_shape], "sparse": False, "ragged": False}
        self.add("InputLayer", INPUT_LAYER, (), input_shape, how)

    def add(
        self,
        kind: str,
        name: str,
        inputs: Sequence[str],
        shape: Shape,
        config: Mapping[str, Any],
        weights: Sequence[Weight] = (),
    ) -> str:
        """Add a layer; its name, which is `name` as all of Keras's backends accept it."""
        plain = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_") or "layer"
        number, free = 0, plain
        while free in self._names:
            number += 1
            free = f"{plain}_{number}"
        self._names.add(free)
        own = {"name": free, "dtype": "float32", **config}
        if weights:  # of the others, some do not accept the setting
            own["trainable"] = True
        if kind in _OF_MAPS:
            own["data_format"] = "channels_last"
        layer = WrittenLayer(free, kind, tuple(inputs), tuple(shape), own, tuple(weights))
        self.layers.append(layer)
        return free

    def pad(self, name: str, before: str, shape: Shape, sides: Sides) -> tuple[str, Shape]:
        """Add zeros around maps, unless there are none to add; the layer and its shape."""
        if sides == NO_SIDES:
            return before, shape
        (top, bottom), (left, right) = sides
        shape = (shape[0] + top + bottom, shape[1] + left + right, shape[2])
        made = self.add("ZeroPadding2D", f"{name} pad", (before,), shape, {"padding": sides})
        return made, shape

    def crop(self, name: str, before: str, shape: Shape, sides: Sides) -> tuple[str, Shape]:
        """Crop maps, unless there is nothing to crop; the layer and its shape."""
        if sides == NO_SIDES:
            return before, shape
        (top, bottom), (left, right) = sides
        shape = (shape[0] - top - bottom, shape[1] - left - right, shape[2])
        made = self.add("Cropping2D", f"{name} crop", (before,), shape, {"cropping": sides})
        return made, shape

    def every(self, name: str, before: str, shape: Shape, stride: tuple[int, int]) -> str:
        """Take every `stride`-th cell of maps: a pooling of single cells."""
        if max(stride) == 1:
            return before
        rows, columns = (-(-size // step) for size, step in zip(shape[:2], stride, strict=True))
        how = {"pool_size": (1, 1), "strides": stride, "padding": "valid"}
        small = (rows, columns, shape[2])
        return self.add("MaxPooling2D", f"{name} stride", (before,), small, how)


def in_order(layers: Sequence[WrittenLayer], output: str) -> list[WrittenLayer]:
    """The layers that the output needs, by falling number of layers that come after them.

    Keras sorts the layers of a Functional model so, whatever their order in the file, and numbers
    their arrays in this order. Among equals the first is the one that it meets first on its way
    back from the output.
    """
    by_name = {layer.name: layer for layer in layers}
    met: dict[str, int] = {}
    waiting = [output]
    while waiting:
        name = waiting.pop()
        if name not in met:
            met[name] = len(met)
            waiting += by_name[name].inputs[::-1]
    depth = dict.fromkeys(met, 0)
    for layer in reversed(layers):
        if layer.name in met:
            for name in layer.inputs:
                depth[name] = max(depth[name], depth[layer.name] + 1)
    order = sorted(met, key=lambda name: (-depth[name], met[name]))
    return [by_name[name] for name in order]


def is_chain(layers: Sequence[WrittenLayer]) -> bool:
    """Whether every layer reads the one before it alone, as in a Sequential model."""
    pairs = zip(layers[1:], layers, strict=False)
    return all(layer.inputs == (before.name,) for layer, before in pairs)


def name_of(layers: Sequence[WrittenLayer]) -> str:
    """The name of a model, as Keras gives it."""
    return "sequential" if is_chain(layers) else "functional"


def path_of(layers: Sequence[WrittenLayer], layer: WrittenLayer, weight: Weight) -> str:
    """Keras's path of an array; a Sequential model is part of it, a Functional one is not."""
    path = f"{layer.name}/{weight.role}"
    return f"{name_of(layers)}/{path}" if is_chain(layers) else path
