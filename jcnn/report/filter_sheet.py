"""The kernels of one convolution layer: a row an input channel, a column a filter."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from flax import nnx

from jcnn.layers import Conv2DTranspose, Layer, as_model
from jcnn.report.figure import TIMES, Picture
from jcnn.report.filters import kernel_of
from jcnn.report.heat import CAPTION, Panel, diverging, draw_panels, maps_side_by_side
from jcnn.suggest import did_you_mean

COLUMNS = 16
"""Filters beside one another, where the layer has one input channel."""
_SIDE = 48


def filter_sheet(
    model: nnx.Module | Sequence[Layer], layer: str | None = None, *, most: int = 16
) -> Picture:
    """Draw the kernels of a convolution, each weight a square.

    From the largest size below 0 (blue) over 0 (white) to the largest above (red), over the whole
    layer. A column is a filter, a row an input channel; of a depthwise convolution, a column is
    one of each channel's filters. A layer with one input channel has its filters in rows of 16.

    Args:
        model: the zoo's, a plain `nnx.Module`, or a list of layers.
        layer: its name, as `jcnn.models.summary` has it; None where the model has only one.
        most: filters, and input channels; with one input channel, `most * 16` filters.

    Returns:
        A PNG.

    Raises:
        ValueError: the model has no such convolution, or its weights are not finite; or `most`
            is below 1.
    """
    if most < 1:
        raise ValueError(f"most: got {most}; accepted: an int >= 1")
    kernels = kernels_of(model)
    if layer is None and len(kernels) == 1:
        (layer,) = kernels
    if layer is None or layer not in kernels:
        accepted = ", ".join(kernels) or "none, for the model has no convolution"
        guess = did_you_mean(layer or "", kernels)
        raise ValueError(f"layer: got {layer!r}; accepted: {accepted}{guess}")
    kernel = kernels[layer]
    if not np.isfinite(kernel).all():
        raise ValueError(
            f"model: got weights that are not finite in layer {layer}; "
            "accepted: a model that has not diverged"
        )
    height, width, channels, filters = kernel.shape
    largest = float(np.abs(kernel).max())
    alone = channels == 1
    rows, columns = (1, min(filters, most * COLUMNS)) if alone else (channels, filters)
    rows, columns = (rows, columns) if alone else (min(rows, most), min(columns, most))
    tiles = np.moveaxis(kernel[:, :, :rows, :columns], (2, 3), (0, 1))
    image = maps_side_by_side(
        diverging(tiles.reshape(-1, height, width), largest),
        COLUMNS if alone else columns,
        max(1, _SIDE // max(height, width)),
    )
    counts = [_count(columns, filters, "filter"), _count(rows, channels, "input channel")]
    title = f"{layer}, kernels {height}{TIMES}{width}: {', '.join(counts)}"
    order = "" if alone else "; a row an input channel, a column a filter"
    alt = f"The kernels of layer {layer}."
    return draw_panels("filters", [Panel(title, image, largest)], CAPTION + order, alt)


def kernels_of(model: nnx.Module | Sequence[Layer]) -> dict[str, npt.NDArray[np.float32]]:
    """Every convolution's kernel `(KH, KW, C, O)`, by its layer's name."""
    kernels = {}
    for path, module in nnx.iter_modules(as_model(model)):
        kernel = kernel_of(module)
        if kernel is not None:
            array = np.asarray(kernel, np.float32)
            swapped = isinstance(module, Conv2DTranspose)  # its kernel is (KH, KW, O, C)
            kernels["/".join(map(str, path))] = array.swapaxes(2, 3) if swapped else array
    return kernels


def _count(shown: int, all_of: int, thing: str) -> str:
    things = thing if all_of == 1 else f"{thing}s"
    return f"{all_of} {things}" if shown == all_of else f"{shown} of {all_of} {things}"
