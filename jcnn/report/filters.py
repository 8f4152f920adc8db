"""What a convolutional model looks for and sees: its first filters, and its feature maps."""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import numpy.typing as npt
from flax import nnx
from matplotlib import colormaps

from jcnn.compile import jit
from jcnn.data.batches import normalise
from jcnn.layers import eval_mode
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


@dataclass(frozen=True)
class LayerOutput:
    """What one layer made of one picture.

    Attributes:
        name: of the layer.
        output: `(H, W, C)` float32; of a layer beyond the maps, `(D,)`.
        kernel: `(KH, KW, C, O)` float32 of a convolution, else None.
    """

    name: str
    output: npt.NDArray[np.float32]
    kernel: npt.NDArray[np.float32] | None


def layer_outputs(
    model: nnx.Module, image: npt.NDArray[np.uint8], *, every: bool = False
) -> list[LayerOutput]:
    """Show a model one picture `(H, W, C)`; its convolutions and poolings, in order; or `every`.

    A convolution is a module with a kernel of four axes; a pooling, one that changes the height
    or the width. `every` takes all layers, whatever they are. Modules that hold others are left
    out.
    """
    graphdef, state = nnx.split(eval_mode(model))
    names: list[str] = []

    def look(state: Any, image: jax.Array) -> list[tuple[jax.Array, jax.Array | None]]:
        module = nnx.merge(graphdef, state)
        with recorded_calls(module) as calls:
            module(normalise(image[None]))
        called = [call.name for call in calls]
        leaves = [c for c in calls if not any(name.startswith(f"{c.name}/") for name in called)]
        chosen = [c for c in leaves if every or kernel_of(c.module) is not None or _pools(c)]
        names.extend(call.name for call in chosen)
        return [(call.output[0], kernel_of(call.module)) for call in chosen]

    # Compiled as a whole: one by one, the operations take three times as long to compile.
    arrays = jit(look)(state, image)
    return [
        LayerOutput(
            name,
            np.asarray(output, np.float32),
            None if kernel is None else np.asarray(kernel, np.float32),
        )
        for name, (output, kernel) in zip(names, arrays, strict=True)
    ]


def first_filters(layers: list[LayerOutput]) -> tuple[str, tuple[int, ...], Picture] | None:
    """The filters of the first convolution: its layer, its kernel's shape and a picture.

    Returns None where the model has none. Filters of three channels are shown in colour, grey
    being 0; others as the mean over their channels, blue below 0 and red above.
    """
    for layer in layers:
        if layer.kernel is not None:
            filters = np.moveaxis(layer.kernel, 3, 0)[:_MOST]
            if filters.shape[3] == 3:
                tiles = _from_minus_1(filters)
            else:
                tiles = colormaps["RdBu_r"](_from_minus_1(filters.mean(axis=3)))[..., :3]
            alt = f"First filters, of layer {layer.name}."
            return layer.name, layer.kernel.shape, _sheet("filters", tiles, 12, alt)
    return None


def feature_maps(layers: list[LayerOutput]) -> list[Maps]:
    """The feature maps of each layer; each map from its own smallest number to its largest."""
    found = []
    for number, layer in enumerate(layers, start=1):
        maps = np.moveaxis(layer.output, 2, 0)[:_MOST]
        low, high = (f(maps, axis=(1, 2), keepdims=True) for f in (np.min, np.max))
        tiles = colormaps["magma"]((maps - low) / np.maximum(high - low, 1e-12))[..., :3]
        height, width, channels = layer.output.shape
        alt = f"Feature maps of layer {layer.name}."
        sheet = _sheet(f"feature_maps_{number}", tiles, 3, alt)
        found.append(Maps(layer.name, (height, width, channels), len(maps), sheet))
    return found


def _from_minus_1(numbers: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Scale so that the largest size is 1, and map -1..1 to 0..1."""
    return (numbers / (np.abs(numbers).max() or 1.0) + 1) / 2


def _sheet(name: str, tiles: npt.NDArray[np.floating], gap: int, alt: str) -> Picture:
    """Lay tiles `(M, H, W, 3)` of 0..1 in rows, `gap` pixels apart."""
    columns = min(_COLUMNS, len(tiles))
    large = enlarged(np.round(tiles * 255).astype(np.uint8), _WIDTH // _COLUMNS)
    image = png_bytes(mosaic(large, columns, gap))
    return Picture(name, image, _WIDTH * columns // _COLUMNS, alt)


def kernel_of(module: nnx.Module) -> jax.Array | None:
    """The kernel `(KH, KW, C, O)` of a convolution; None of other modules."""
    kernel = getattr(module, "kernel", None)
    if not isinstance(kernel, nnx.Variable) or kernel.ndim != 4:
        return None
    array: jax.Array = kernel[...]
    return array


def _pools(call: Call) -> bool:
    before, after = call.input, call.output
    images = isinstance(before, jax.Array) and before.ndim == after.ndim == 4
    return images and before.shape[1:3] != after.shape[1:3]
