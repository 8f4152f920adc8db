"""The boxes of a network diagram, their rows, and the lines between boxes that are not neighbours.

The output of a box goes to the next one by a short arrow. Any other line runs above the boxes: up
from its source, along, and down to its target. If the two are in different rows, it starts at the
left edge of the target's row where the source ends the row before, and else passes the left margin.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jcnn.models import LayerRow, Summary

# Of a row of boxes: a chain has 5; a row holds branches that fit, at most 9 boxes.
_COLUMNS, _MOST_COLUMNS = 5, 9

Shape = tuple[int, ...]
Wire = tuple[int, int]


@dataclass(frozen=True)
class Box:
    """One layer, or several.

    Attributes:
        name, kind, shape, params: of the layer, as in a summary.
        inputs: indices of the boxes that it reads.
        then: functions after it that are drawn with it.
    """

    name: str
    kind: str
    shape: Shape
    params: int
    inputs: tuple[int, ...]
    then: tuple[str, ...] = ()


def boxes_of(found: Summary) -> list[Box]:
    """The image and the layers of a summary.

    In a model with branches, a layer without parameters that keeps the shape, such as an
    activation, is part of the box before it.
    """
    boxes = [Box("input", "the image", found.input_shape, 0, ())]
    place = {"input": 0}
    readers = Counter(name for row in found.layers for name in row.inputs)
    branched = _is_branched(found.layers)
    for row in found.layers:
        inputs = tuple(place[name] for name in row.inputs) or (len(boxes) - 1,)
        last = boxes[-1]
        plain = not row.params and row.output_shape == last.shape and len(boxes) > 1
        if branched and plain and inputs == (len(boxes) - 1,) and readers[row.inputs[0]] == 1:
            then = (*last.then, row.type)
            boxes[-1] = Box(last.name, last.kind, last.shape, last.params, last.inputs, then)
        else:
            boxes.append(Box(row.name, row.type, row.output_shape, row.params, inputs))
        place[row.name] = len(boxes) - 1
    return boxes


def _is_branched(layers: Sequence[LayerRow]) -> bool:
    before = "input"
    for row in layers:
        if row.inputs not in ((), (before,)):
            return True
        before = row.name
    return False


def wires_of(boxes: Sequence[Box]) -> list[Wire]:
    """The lines other than those from a box to the next."""
    return [(i, k) for k, box in enumerate(boxes) for i in box.inputs if i != k - 1]


def rows_of(boxes: Sequence[Box]) -> list[range]:
    """The boxes of each row; a row begins where only the box before it is read from later on."""
    wires = wires_of(boxes)
    starts = [
        start
        for start in range(len(boxes))
        if not any(source < start - 1 and target >= start for source, target in wires)
    ]
    spans = list(zip(starts, [*starts[1:], len(boxes)], strict=True))
    longest = max(end - start for start, end in spans)
    columns = min(max(_COLUMNS, longest), _MOST_COLUMNS)
    rows: list[range] = []
    for start, end in spans:
        if rows and end - rows[-1].start <= columns:
            rows[-1] = range(rows[-1].start, end)
        else:
            rows += [range(i, min(i + columns, end)) for i in range(start, end, columns)]
    return rows


def lanes(spans: Iterable[tuple[float, float]]) -> list[int]:
    """A lane for each span, such that spans in one lane do not overlap; short ones are lowest."""
    spans = list(spans)
    taken: list[list[tuple[float, float]]] = []
    found = [0] * len(spans)
    for i in sorted(range(len(spans)), key=lambda i: spans[i][1] - spans[i][0]):
        start, end = spans[i]
        free = (
            lane
            for lane, others in enumerate(taken)
            if all(end < a or start > b for a, b in others)
        )
        found[i] = next(free, len(taken))
        if found[i] == len(taken):
            taken.append([])
        taken[found[i]].append((start, end))
    return found
