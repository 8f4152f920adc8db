"""Draw the first filters and the feature maps of a convolutional model."""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import numpy.typing as npt
from flax import nnx
from matplotlib import colormaps

from jcnn.compile import jit
from jcnn.data.batches import normalise
from jcnn.data.preprocessing import model_input
from jcnn.explore.palette import diverging
from jcnn.layers import Call, eval_mode, recorded_calls
from jcnn.report.figure import Picture, enlarged, mosaic, png_bytes, rgb

_MOST = 64
_COLUMNS = 16
_TILE = 60  # pixels of the longer side of a tile in the PNG, at least
# On the page, in CSS pixels: width of a full row, and largest width of a tile.
_WIDTH, _LARGEST_TILE = 1152, 144
_CONSTANT = rgb("#8c959d")  # of a map without contrast; `magma` has no such grey


@dataclass(frozen=True)
class Maps:
    """The feature maps of one layer for one image.

    Attributes:
        layer: name of the layer.
        shape: `(H, W, C)` of its output.
        shown: number of maps drawn, of the C maps.
        zero: number of the C maps that are 0 everywhere.
        rectified: whether no number of the C maps is negative, as after a ReLU.
        picture: the maps in rows, first to last.
    """

    layer: str
    shape: tuple[int, int, int]
    shown: int
    zero: int
    rectified: bool
    picture: Picture


@dataclass(frozen=True)
class LayerOutput:
    """The output of one layer for one image.

    Attributes:
        name: of the layer.
        output: `(H, W, C)` or `(D,)` float32.
        kernel: `(KH, KW, C, O)` float32 of a convolution, else None.
    """

    name: str
    output: npt.NDArray[np.float32]
    kernel: npt.NDArray[np.float32] | None


def layer_outputs(
    model: nnx.Module, image: npt.NDArray[np.uint8], *, every: bool = False
) -> list[LayerOutput]:
    """Run a model on one image `(H, W, C)`; the outputs of its convolutions and poolings in order.

    A convolution is a module with a kernel of four axes; a pooling is one that changes the height
    or the width. With `every`, all layers are included. Modules that contain others are skipped.
    """
    graphdef, state = nnx.split(eval_mode(model))
    names: list[str] = []

    def forward(state: Any, image: jax.Array) -> list[tuple[jax.Array, jax.Array | None]]:
        module = nnx.merge(graphdef, state)
        with recorded_calls(module) as calls:
            module(model_input(module, normalise(image[None])))
        called = [call.name for call in calls]
        leaves = [c for c in calls if not any(name.startswith(f"{c.name}/") for name in called)]
        chosen = [c for c in leaves if every or kernel_of(c.module) is not None or _pools(c)]
        names.extend(call.name for call in chosen)
        return [(call.output[0], kernel_of(call.module)) for call in chosen]

    # Compiled as a whole: op by op, compilation takes three times as long.
    arrays = jit(forward)(state, image)
    return [
        LayerOutput(
            name,
            np.asarray(output, np.float32),
            None if kernel is None else np.asarray(kernel, np.float32),
        )
        for name, (output, kernel) in zip(names, arrays, strict=True)
    ]


def first_filters(layers: list[LayerOutput]) -> tuple[str, tuple[int, ...], Picture] | None:
    """Draw the filters of the first convolution; its layer name, kernel shape and figure.

    Returns None if there is no convolution. Filters of three channels are shown in colour with
    grey for 0, others as the mean over their channels with the colours of
    `jcnn.explore.palette`.
    """
    for layer in layers:
        if layer.kernel is not None:
            filters = np.moveaxis(layer.kernel, 3, 0)[:_MOST]
            if filters.shape[3] == 3:
                tiles = _from_minus_1(filters)
            else:
                means = filters.mean(axis=3)
                tiles = diverging(means, float(np.abs(means).max())) / 255
            alt = f"First filters, of layer {layer.name}."
            return layer.name, layer.kernel.shape, _sheet("filters", tiles, 12, alt)
    return None


def feature_maps(layers: list[LayerOutput]) -> list[Maps]:
    """Draw the feature maps of each layer; each map is scaled by its own minimum and maximum.

    A map of one number everywhere is grey. Maps of one pixel are scaled together.
    """
    found = []
    for number, layer in enumerate(layers, start=1):
        height, width, channels = layer.output.shape
        maps = np.moveaxis(layer.output, 2, 0)[:_MOST]
        axes = (1, 2) if height * width > 1 else (0, 1, 2)
        low, high = (f(maps, axis=axes, keepdims=True) for f in (np.min, np.max))
        tiles = colormaps["magma"]((maps - low) / np.maximum(high - low, 1e-12))[..., :3]
        tiles = np.where((high == low)[..., None], _CONSTANT / 255, tiles)
        alt = f"Feature maps of layer {layer.name}."
        sheet = _sheet(f"feature_maps_{number}", tiles, 3, alt)
        zero = int((layer.output == 0).all(axis=(0, 1)).sum())
        rectified = bool((layer.output >= 0).all())
        shape = (height, width, channels)
        found.append(Maps(layer.name, shape, len(maps), zero, rectified, sheet))
    return found


def _from_minus_1(numbers: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Scale to a largest magnitude of 1, and map -1..1 to 0..1."""
    return (numbers / (np.abs(numbers).max() or 1.0) + 1) / 2


def _sheet(name: str, tiles: npt.NDArray[np.floating], gap: int, alt: str) -> Picture:
    """Arrange tiles `(M, H, W, 3)` of 0..1 in rows, `gap` pixels apart."""
    columns = min(_COLUMNS, len(tiles))
    large = enlarged(np.round(tiles * 255).astype(np.uint8), _TILE)
    image = png_bytes(mosaic(large, columns, gap))
    return Picture(name, image, min(_WIDTH, _LARGEST_TILE * columns), alt)


def kernel_of(module: nnx.Module) -> jax.Array | None:
    """The kernel `(KH, KW, C, O)` of a convolution; None for other modules."""
    kernel = getattr(module, "kernel", None)
    if not isinstance(kernel, nnx.Variable) or kernel.ndim != 4:
        return None
    array: jax.Array = kernel[...]
    return array


def _pools(call: Call) -> bool:
    before, after = call.input, call.output
    images = isinstance(before, jax.Array) and before.ndim == after.ndim == 4
    return images and before.shape[1:3] != after.shape[1:3]
