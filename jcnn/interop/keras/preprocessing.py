"""The first layers of a Keras model, which scale and resize images, as jcnn's preprocessing.

They are those that one after another read the images: Rescaling, Normalization and Resizing. Layers
that act in training alone may be between them, and so may crops, since scaling a crop is cropping
what was scaled; these stay layers.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from jcnn.data.preprocessing import Preprocessing
from jcnn.data.request import Resize
from jcnn.graph import INPUT
from jcnn.interop.imported import ASSUMED, Array, chosen_shape
from jcnn.interop.keras.config import KerasLayer
from jcnn.interop.keras.file import KerasModel
from jcnn.interop.keras.layers import FOR_TRAINING, scale_and_offset

ImageShape = tuple[int, int, int]
_SCALING = ("Rescaling", "Normalization")


@dataclass(frozen=True)
class Front:
    """The first layers.

    Attributes:
        scaling: those that scale, in their order.
        resizing: the one that resizes; None if there is none.
    """

    scaling: tuple[KerasLayer, ...]
    resizing: KerasLayer | None

    @property
    def paths(self) -> frozenset[str]:
        """Of the layers that become the preprocessing."""
        resizing = () if self.resizing is None else (self.resizing,)
        return frozenset(layer.path for layer in (*self.scaling, *resizing))


def front(model: KerasModel) -> Front:
    """The first layers of a model that become its preprocessing."""
    scaling: list[KerasLayer] = []
    resizing, last, is_cropped = None, INPUT, False
    while last != model.output:
        readers = [layer for layer in model.layers if last in layer.inputs]
        if len(readers) != 1 or readers[0].inputs != (last,):
            break
        layer = readers[0]
        if layer.kind in _SCALING:
            scaling.append(layer)
        elif layer.kind == "Resizing" and resizing is None and not is_cropped:
            resizing = layer
        elif layer.kind == "CenterCrop":
            is_cropped = True
        elif layer.kind not in FOR_TRAINING:
            break
        last = layer.path
    return Front(tuple(scaling), resizing)


def input_shape(model: KerasModel, first: Front, given: ImageShape | None) -> ImageShape:
    """The shape of the images that jcnn's model takes.

    Raises:
        ValueError: the file does not say and none is given, or the one that is given does not fit.
    """
    found = model.input_shape
    if found is not None and len(found) == 3 and first.resizing is not None:
        config = first.resizing.config
        found = (_size(config["height"]), _size(config["width"]), found[2])
    return chosen_shape(found, given)


def _size(value: Any) -> int:
    if type(value) is not int or value < 1:
        raise ValueError(f"resizes to {value!r}; accepted: a whole number of pixels")
    return value


def preprocessing(
    model: KerasModel, first: Front, shape: ImageShape
) -> tuple[Preprocessing | None, list[str]]:
    """What the first layers do to images of 0..255, as `(x / 255 - mean) / deviation`, and notes.

    Raises:
        ValueError: a layer has wrong settings, or scales images of 2 or more than 3 channels.
    """
    resize, notes = _resize(first)
    factor, shift = np.ones(shape[2]), np.zeros(shape[2])
    for layer in first.scaling:
        scale, offset = _scaling(layer, model.arrays(layer), shape[2])
        factor, shift = factor * scale, shift * scale + offset
    if not first.scaling:
        notes.append(ASSUMED)
        factor = factor / 255
    elif first.scaling[0].kind == "Normalization":
        notes.append(f"{first.scaling[0].path}: is taken to be for images of 0 to 255")
    deviation = 1 / (255 * factor)
    mean = -shift * deviation
    if np.allclose(mean, 0) and np.allclose(deviation, 1) and resize == "stretch":
        return None, notes
    channels = {1: "grey", 3: "rgb"}.get(shape[2])
    if channels is None:
        raise ValueError(f"scales images of {shape[2]} channels; accepted: 1 or 3")
    own = Preprocessing(
        shape[:2],
        resize,
        "grey" if channels == "grey" else "rgb",
        tuple(float(one) for one in mean),
        tuple(float(one) for one in deviation),
    )
    return own, notes


def _scaling(layer: KerasLayer, arrays: dict[str, Array], channels: int) -> tuple[Array, Array]:
    try:
        scale, offset = scale_and_offset(layer.kind, layer.config, arrays)
        return np.broadcast_to(scale, (channels,)), np.broadcast_to(offset, (channels,))
    except ValueError as error:
        raise ValueError(f"{layer.path}: {error}") from None


def _resize(first: Front) -> tuple[Resize, list[str]]:
    if first.resizing is None:
        return "stretch", []
    config = first.resizing.config
    how: Resize = "stretch"
    if config.get("crop_to_aspect_ratio"):
        how = "crop"
    elif config.get("pad_to_aspect_ratio"):
        how = "pad"
    said = (
        f"{first.resizing.path}: images are resized to {config['height']} x {config['width']} "
        "before the model, with antialiasing"
    )
    return how, [said]
