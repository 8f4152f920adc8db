"""Draw the kernels of one convolution layer, with rows of input channels, columns of filters."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from flax import nnx

from jcnn.explore.palette import diverging
from jcnn.layers import Conv2DTranspose, Layer, as_model
from jcnn.layers.finite import check_finite
from jcnn.report.figure import TIMES, Picture
from jcnn.report.filters import kernel_of
from jcnn.report.heat import CAPTION, Panel, draw_panels, maps_side_by_side
from jcnn.suggest import did_you_mean

COLUMNS = 16
"""Filters in a row if the layer has one input channel."""
_SIDE = 48


def filter_sheet(
    model: nnx.Module | Sequence[Layer], layer: str | None = None, *, most: int = 16
) -> Picture:
    """Draw the kernels of a convolution, with a square for each weight.

    The colours go from blue (negative) over pale (0) to orange (positive), up to the largest
    magnitude in the layer. A column is a filter, a row an input channel; in a depthwise
    convolution, column m has filter m of each channel. With one input channel, filters stand in
    rows of 16.

    Args:
        model: a model of the zoo, a plain `nnx.Module`, or a list of layers.
        layer: its name in `jcnn.models.summary`; None if the model has only one convolution.
        most: largest number of filters and of input channels; with one input channel, up to
            `most * 16` filters.

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
    check_finite([(layer, "kernel", kernel)])
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
    """The kernel `(KH, KW, C, O)` of every convolution, by layer name."""
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
