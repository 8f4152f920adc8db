"""Receptive fields of the nodes of a graph, with branches."""

from collections.abc import Sequence
from typing import NamedTuple

from jcnn import ops
from jcnn.graph.node import INPUT, Graph, Node

# Kinds whose units depend on the units of their inputs at the same position.
_POINTWISE = (
    *("activation", "add", "multiply", "divide", "batch_norm", "layer_norm"),
    *("dropout", "spatial_dropout", "stochastic_depth"),
)
# Kinds whose units depend on all positions.
_OVER_SPACE = ("flatten", "global_average_pool", "global_max_pool", "group_norm")


class _Cells(NamedTuple):
    """On one axis, unit `o` depends on the input cells `start + o * jump, ...`, `size` of them."""

    size: int
    jump: int
    start: int

    def all_of(self, units: int) -> "_Cells":
        """What the first `units` units depend on together."""
        return _Cells(self.size + (units - 1) * self.jump, 0, self.start)


_Field = tuple[_Cells, _Cells]


def receptive_fields(graph: Graph) -> dict[str, ops.ReceptiveField | None]:
    """The receptive field of one unit of each node, by the node's name.

    Where branches meet, it is the smallest rectangle that holds the fields of all of them. Cells in
    the padding count, and a `jump` of 0 says that all units depend on the same cells.

    Args:
        graph: of any model.

    Returns:
        The fields; None where units of one node have different ones: after an upsampling or a
        transposed convolution, and where branches of different jumps meet, unless one of them
        depends on everything that the other does.

    Reference: as for `jcnn.ops.receptive_field`.
    """
    fields: dict[str, _Field | None] = {INPUT: (_Cells(1, 1, 0), _Cells(1, 1, 0))}
    for node in graph.nodes:
        fields[node.name] = _field(node, [(graph.shape_of(x), fields[x]) for x in node.inputs])
    return {node.name: _pairs(fields[node.name]) for node in graph.nodes}


def _field(node: Node, inputs: Sequence[tuple[tuple[int, ...], _Field | None]]) -> _Field | None:
    known = [(shape, field) for shape, field in inputs if field is not None]
    if len(known) < len(inputs):
        return None
    shape, field = known[0]
    rows, columns = field
    match node.kind:
        case "conv" | "depthwise_conv" | "max_pool" | "average_pool":
            window = _window(node, shape)
            rows, columns = (
                _Cells(
                    cells.size + (window.span[axis] - 1) * cells.jump,
                    cells.jump * window.stride[axis],
                    cells.start - window.padding[axis][0] * cells.jump,
                )
                for axis, cells in enumerate(field)
            )
            return rows, columns
        case "zero_pad" | "crop":
            inwards = 1 if node.kind == "crop" else -1
            sides = node.settings["cropping" if node.kind == "crop" else "padding"]
            rows, columns = (
                cells._replace(start=cells.start + inwards * before * cells.jump)
                for cells, (before, _) in zip(field, sides, strict=True)
            )
            return rows, columns
        case "reshape":
            over_all = _over_space(field, shape)
            return over_all if rows.jump == columns.jump == 0 or len(shape) == 1 else None
        case "concatenate" if node.settings["axis"] != -1:
            return None
    if node.kind in _OVER_SPACE:
        return _over_space(field, shape)
    if node.kind in (*_POINTWISE, "dense", "concatenate"):
        return _together(known, node.shape)
    return None


def _window(node: Node, shape: tuple[int, ...]) -> ops.Window:
    how = node.settings
    kernel = how["window"] if "window" in how else node.arrays["kernel"].shape[:2]
    return ops.resolve_window(
        (shape[0], shape[1]),
        (kernel[0], kernel[1]),
        stride=how["stride"],
        padding=how["padding"],
        dilation=how.get("dilation", 1),
    )


def _over_space(field: _Field, shape: tuple[int, ...]) -> _Field:
    rows, columns = field
    height, width = _positions(shape)
    return rows.all_of(height), columns.all_of(width)


def _together(
    inputs: Sequence[tuple[tuple[int, ...], _Field]], shape: tuple[int, ...]
) -> _Field | None:
    """The field of a unit that depends on the units of all inputs at its position."""
    axes = []
    for axis in (0, 1):
        units = _positions(shape)[axis]
        # An axis of size 1 is repeated.
        each = [
            field[axis].all_of(1) if _positions(of)[axis] < units else field[axis]
            for of, field in inputs
        ]
        union = _union(each, units)
        if union is None:
            return None
        axes.append(union)
    return axes[0], axes[1]


def _union(fields: Sequence[_Cells], units: int) -> _Cells | None:
    jumps = {cells.jump for cells in fields}
    if len(jumps) == 1:
        start = min(cells.start for cells in fields)
        end = max(cells.start + cells.size for cells in fields)
        return _Cells(end - start, jumps.pop(), start)
    # One of them may hold all the others for every unit, as the gate of a squeeze-and-excitation.
    whole = _union([cells.all_of(units) for cells in fields], units)
    return whole if units == 1 or whole in fields else None


def _positions(shape: tuple[int, ...]) -> tuple[int, int]:
    return (shape[0], shape[1]) if len(shape) == 3 else (1, 1)


def _pairs(field: _Field | None) -> ops.ReceptiveField | None:
    if field is None:
        return None
    rows, columns = field
    return ops.ReceptiveField(
        (rows.size, columns.size), (rows.jump, columns.jump), (rows.start, columns.start)
    )
