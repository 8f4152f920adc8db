"""Draw the activations of every layer for one image: a strip per layer, a heat map per channel."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import numpy.typing as npt
from flax import nnx
from PIL import Image

from jcnn.compile import jit
from jcnn.data.batches import normalise
from jcnn.data.preprocessing import model_input
from jcnn.explore.palette import diverging
from jcnn.graph import GraphModel, graph
from jcnn.layers import Layer, as_model, eval_mode
from jcnn.layers.finite import check_finite, named_arrays
from jcnn.report.figure import TIMES, Picture, as_colours
from jcnn.report.filters import LayerOutput, layer_outputs
from jcnn.report.heat import CAPTION, Panel, draw_panels, maps_side_by_side
from jcnn.suggest import did_you_mean

COLUMNS = 16
"""Maps in a row; twice as many units of a vector."""
_MAP, _UNIT, _LARGEST_MAP = 60, 24, 96


def activation_strips(
    model: nnx.Module | Sequence[Layer],
    image: npt.NDArray[np.uint8],
    *,
    layers: Sequence[str] | None = None,
    most: int = 32,
) -> Picture:
    """Draw the outputs of the layers of a model for one image, in call order.

    Layers have the names of the explorer's page, and its colours. Every layer has its own colour
    scale and legend, from blue (negative) over pale (0) to orange (positive), up to its largest
    magnitude. Channels are in order. Maps of more than 96 pixels are
    reduced by averaging. A layer whose output equals that of the layer before, such as dropout, is
    skipped.

    Args:
        model: a model of the zoo, a plain `nnx.Module`, or a list of layers.
        image: `(H, W, C)` uint8.
        layers: names of the layers to draw, as in the page; an activation has the name of its layer
            followed by the function, such as "conv2d relu". None means all.
        most: largest number of channels, or units of a vector, per layer.

    Returns:
        A PNG.

    Raises:
        ValueError: the model does not accept such an image, has no layer of such a name, or
            gives numbers that are not finite; or `most` is below 1.
    """
    if most < 1:
        raise ValueError(f"most: got {most}; accepted: an int >= 1")
    image = np.asarray(image)
    if image.ndim != 3 or image.dtype != np.uint8:
        raise ValueError(
            f"image: got {image.dtype} of shape {image.shape}; accepted: uint8 (H, W, C)"
        )
    module = as_model(model)
    found = _chosen(_outputs(module, image), layers)
    factor = max(1, _MAP // max(image.shape[:2]))
    picture = maps_side_by_side(as_colours(image)[None], 1, factor)
    panels = [Panel(f"input image, {_by(image.shape)}", picture, None)]
    panels += [_strip(module, layer, most) for layer in found]
    alt = f"The outputs of {len(found)} layers for one image, channel by channel."
    return draw_panels("activations", panels, f"{CAPTION}; each layer has its own scale", alt)


def _outputs(model: nnx.Module, image: npt.NDArray[np.uint8]) -> list[LayerOutput]:
    """The outputs of the nodes of a model's graph; of its layers if the graph is not known."""
    try:
        found = graph(model, image.shape)
    except ValueError:  # if it is the image that does not fit, the next call names the layer
        return layer_outputs(model, image, every=True)
    graphdef, state = nnx.split(eval_mode(GraphModel(found, rngs=nnx.Rngs(0))))

    def forward(state: Any, image: jax.Array) -> dict[str, jax.Array]:
        x = model_input(model, normalise(image[None]))
        module: Any = nnx.merge(graphdef, state)
        values: dict[str, jax.Array] = module.values(x)
        return values

    values = jit(forward)(state, image)
    return [
        LayerOutput(node.name, np.asarray(values[node.name][0], np.float32), None)
        for node in found.nodes
    ]


def _chosen(outputs: list[LayerOutput], names: Sequence[str] | None) -> list[LayerOutput]:
    if names is not None:
        known = {layer.name: layer for layer in outputs}
        for name in names:
            if name not in known:
                guess = did_you_mean(name, known)
                raise ValueError(f"layers: got {name!r}; accepted: {', '.join(known)}{guess}")
        return [layer for layer in outputs if layer.name in names]
    changed = [
        not np.array_equal(before.output, after.output)
        for before, after in itertools.pairwise(outputs)
    ]
    return [layer for layer, new in zip(outputs, [True, *changed], strict=True) if new]


def _strip(model: nnx.Module, layer: LayerOutput, most: int) -> Panel:
    output = layer.output
    if not np.isfinite(output).all():
        check_finite(named_arrays(model))
        raise ValueError(
            f"model: got numbers that are not finite from layer {layer.name}; "
            "accepted: a model that has not diverged"
        )
    if output.ndim not in (1, 3):
        raise ValueError(
            f"layers: got {layer.name} with an output of shape {output.shape}; "
            "accepted: layers whose outputs are (H, W, C) or (D,)"
        )
    largest = float(np.abs(output).max())
    count, things = output.shape[-1], "channels" if output.ndim == 3 else "units"
    maps = np.moveaxis(output, -1, 0)[:most].reshape(min(count, most), *_rows_columns(output))
    reduction = math.ceil(max(maps.shape[1:]) / _LARGEST_MAP)
    if reduction > 1:
        maps = np.stack([np.asarray(Image.fromarray(one).reduce(reduction)) for one in maps])
    columns, side = (COLUMNS, _MAP) if output.ndim == 3 else (2 * COLUMNS, _UNIT)
    factor = max(1, side // max(maps.shape[1:]))
    shown = f"{count:,}" if count <= most else f"{most:,} of {count:,}"
    return Panel(
        f"{layer.name}, {_by(output.shape)}: {shown} {things}",
        maps_side_by_side(diverging(maps, largest), columns, factor),
        largest,
    )


def _rows_columns(output: npt.NDArray[np.float32]) -> tuple[int, int]:
    return output.shape[:2] if output.ndim == 3 else (1, 1)


def _by(shape: Sequence[int]) -> str:
    return TIMES.join(map(str, shape))
