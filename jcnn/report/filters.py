"""What a convolutional model looks for and sees: its first filters, and its feature maps."""

from dataclasses import dataclass

import jax
import numpy as np
import numpy.typing as npt
from flax import nnx
from matplotlib import colormaps

from jcnn.data.batches import normalise
from jcnn.layers import evaluating
from jcnn.models.calls import Call, recorded_calls
from jcnn.report.figure import Picture, enlarged, mosaic, png_bytes

_MOST = 64
_COLUMNS = 16
_WIDTH = 960


@dataclass(frozen=True)
class Maps:
    """The feature maps of one layer for one picture.

    Attributes:
        layer: its name.
        shape: `(H, W, C)` of its output.
        shown: how many of the C maps the picture has.
        picture: the maps, first to last, in rows.
    """

    layer: str
    shape: tuple[int, int, int]
    shown: int
    picture: Picture


def layer_calls(model: nnx.Module, image: npt.NDArray[np.uint8]) -> list[Call]:
    """What each convolution and each pooling of a model did with one picture `(H, W, C)`.

    A convolution is a module with a kernel of four axes; a pooling, one that changes the height
    or the width. Modules that hold others are left out.
    """
    module = evaluating(model)
    with recorded_calls(module) as calls:
        module(normalise(image[None]))
    names = [call.name for call in calls]
    leaves = [c for c in calls if not any(name.startswith(f"{c.name}/") for name in names)]
    return [call for call in leaves if _kernel(call) is not None or _pools(call)]


def first_filters(calls: list[Call]) -> tuple[str, tuple[int, ...], Picture] | None:
    """The filters of the first convolution: its layer, its kernel's shape and a picture.

    Returns None where the model has none. Filters of three channels are shown in colour, grey
    being 0; others as the mean over their channels, blue below 0 and red above.
    """
    kernels = [(call.name, kernel) for call in calls if (kernel := _kernel(call)) is not None]
    if not kernels:
        return None
    name, kernel = kernels[0]
    filters = np.moveaxis(kernel, 3, 0)[:_MOST]
    scale = float(np.abs(filters).max()) or 1.0
    if kernel.shape[2] == 3:
        tiles = (filters / scale + 1) / 2
    else:
        mean = filters.mean(axis=3)
        scale = float(np.abs(mean).max()) or 1.0
        tiles = colormaps["RdBu_r"]((mean / scale + 1) / 2)[..., :3]
    return name, kernel.shape, _sheet("filters", tiles, 12, f"First filters, of layer {name}.")


def feature_maps(calls: list[Call]) -> list[Maps]:
    """The feature maps of each layer; each map from its own smallest number to its largest."""
    found = []
    for number, call in enumerate(calls, start=1):
        output = np.asarray(call.output[0], np.float32)
        maps = np.moveaxis(output, 2, 0)[:_MOST]
        low, high = (f(maps, axis=(1, 2), keepdims=True) for f in (np.min, np.max))
        tiles = colormaps["magma"]((maps - low) / np.maximum(high - low, 1e-12))[..., :3]
        height, width, channels = output.shape
        sheet = _sheet(f"feature_maps_{number}", tiles, 3, f"Feature maps of layer {call.name}.")
        found.append(Maps(call.name, (height, width, channels), len(maps), sheet))
    return found


def _sheet(name: str, tiles: npt.NDArray[np.floating], gap: int, alt: str) -> Picture:
    """Lay tiles `(M, H, W, 3)` of 0..1 in rows, `gap` pixels apart."""
    columns = min(_COLUMNS, len(tiles))
    large = enlarged(np.round(tiles * 255).astype(np.uint8), _WIDTH // _COLUMNS)
    image = png_bytes(mosaic(large, columns, gap))
    return Picture(name, image, _WIDTH * columns // _COLUMNS, alt)


def _kernel(call: Call) -> npt.NDArray[np.float32] | None:
    kernel = getattr(call.module, "kernel", None)
    if not isinstance(kernel, nnx.Variable) or kernel.ndim != 4:
        return None
    return np.asarray(kernel[...], np.float32)


def _pools(call: Call) -> bool:
    before, after = call.input, call.output
    images = isinstance(before, jax.Array) and before.ndim == after.ndim == 4
    return images and before.shape[1:3] != after.shape[1:3]
