"""The stages of a page's network: a convolution with what follows it number by number."""

import math
from collections import Counter
from dataclasses import dataclass

from jcnn.explore._network import Network

# As in `stages.js`: layers that work number by number, and those whose output is the same numbers.
_SAME_NUMBERS = ("flatten", "reshape", "dropout", "spatial_dropout", "stochastic_depth")
_FOLLOWERS = (
    *("activation", "batch_norm", "layer_norm", "group_norm", "add", "multiply", "divide"),
    *("softmax", *_SAME_NUMBERS),
)


@dataclass
class Stage:
    """Layers that share a column of the page.

    Attributes:
        layers: their indices, in order.
        shown: the index of the one whose output is drawn.
    """

    layers: list[int]
    shown: int


def stages(found: Network) -> list[Stage]:
    """The stages in order, without that of the image; each layer belongs to one."""
    readers = Counter(one for layer in found.layers for one in layer.inputs)
    ends: dict[int, Stage] = {}  # by the output with which the stage ends
    made: list[Stage] = []
    for i, layer in enumerate(found.layers):
        latest = max(layer.inputs)
        before = ends.get(latest)
        if before and readers[latest] == 1 and _follows(found, i, before):
            before.layers.append(i)
            del ends[latest]
            if layer.kind not in _SAME_NUMBERS:
                before.shown = i
        else:
            before = Stage([i], i)
            made.append(before)
        ends[i + 1] = before
    return made


def _follows(found: Network, i: int, stage: Stage) -> bool:
    layer, drawn = found.layers[i], found.layers[stage.shown]
    if layer.kind in _SAME_NUMBERS:
        return math.prod(layer.out_shape) == math.prod(drawn.out_shape)
    return layer.kind in _FOLLOWERS and layer.out_shape == drawn.out_shape
