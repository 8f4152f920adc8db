"""ONNX's operations that move, cut, enlarge or join arrays."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from jcnn.interop.onnx.call import Call
from jcnn.interop.onnx.constants import axes_of, axis_of, ints, sizes_of, slices_of
from jcnn.interop.onnx.values import (
    BATCH,
    Images,
    Value,
    check_size,
    copied,
    reshaped,
    shown_shape,
    transposed,
    value_of,
)

Array = npt.NDArray[Any]


def _same(call: Call) -> Value:
    return call.value()


def _cast(call: Call) -> Value:
    kind = call.whole("to", 1)
    if kind not in (1, 10, 11, 16):
        raise ValueError(f"to: got the data type {kind}; accepted: floating-point numbers")
    if kind != 1:
        call.to.notes["some numbers are 16 or 64 bits wide in the file, and float32 here"] = None
    return call.value()


def _transpose(call: Call) -> Value:
    value = call.value()
    order = call.node.attributes.get("perm")
    return transposed(value, range(len(value.axes))[::-1] if order is None else list(order))


def _reshape(call: Call) -> Value:
    value = call.value()
    if call.constant(1) is not None:
        sizes = sizes_of(call.known(1))
    else:  # before opset 5
        sizes = list(call.node.attributes.get("shape") or ())
    if not call.whole("allowzero", 0):
        shape = value.shape
        if any(size == 0 and number >= len(shape) for number, size in enumerate(sizes)):
            raise ValueError(f"shape: got {sizes} for {shown_shape(shape)}")
        sizes = [shape[number] if size == 0 else size for number, size in enumerate(sizes)]
    known = any(isinstance(size, Images) for size in sizes)
    if sizes and not known and sizes[0] == call.fixed and BATCH in value.axes[0]:
        sizes[0] = Images()
    return replace(reshaped(value, sizes), label=call.label)


def _flatten(call: Call) -> Value:
    value = call.value()
    axis = call.whole("axis", 1)
    axis = axis if axis == len(value.axes) else axis_of(axis, len(value.axes))
    halves: list[Any] = []
    for part in (value.shape[:axis], value.shape[axis:]):
        size: Any = 1
        for one in part:
            size = one * size if isinstance(one, Images) else size * one
        halves.append(size)
    return replace(reshaped(value, halves), label=call.label)


def _squeeze(call: Call) -> Value:
    value = call.value()
    found = axes_of(call.node, call.known(1))
    if found is None:
        found = tuple(number for number, axis in enumerate(value.axes) if not axis)
    gone = {axis_of(axis, len(value.axes)) for axis in found}
    if any(value.axes[axis] for axis in gone):
        raise ValueError(f"axes: got {sorted(gone)} of {shown_shape(value.shape)}")
    kept = tuple(axis for number, axis in enumerate(value.axes) if number not in gone)
    return replace(value, axes=kept)


def _unsqueeze(call: Call) -> Value:
    value = call.value()
    found = axes_of(call.node, call.known(1)) or ()
    rank = len(value.axes) + len(found)
    axes = list(value.axes)
    for axis in sorted(axis_of(one, rank) for one in found):
        axes.insert(axis, ())
    return replace(value, axes=tuple(axes))


def _tile(call: Call) -> Value:
    counts = ints(call.known(1))
    value = call.value()
    if len(counts) != len(value.axes):
        raise ValueError(f"repeats: got {counts} for {len(value.axes)} axes")
    return copied(value, counts)


def _expand(call: Call) -> Value:
    value = call.value()
    sizes = sizes_of(call.known(1))
    if len(sizes) != len(value.axes):
        raise ValueError(f"shape: got {sizes} for {len(value.axes)} axes")
    pairs = list(zip(value.shape, sizes, strict=True))
    counts = [size if have == 1 and isinstance(size, int) else 1 for have, size in pairs]
    if any(
        count == 1 and size not in (1, have)
        for count, (have, size) in zip(counts, pairs, strict=True)
    ):
        raise ValueError(f"shape: got {shown_shape(sizes)} for {shown_shape(value.shape)}")
    return copied(value, counts)


def _concat(call: Call) -> Value:
    values = [call.to.settled(call.value(number)) for number in range(len(call.inputs))]
    if len(values) == 1:
        return values[0]
    layout = call.to.layout(*values)
    axis = axis_of(call.whole("axis", 1), len(values[0].axes))
    if axis not in layout:
        raise ValueError(f"axis: got {axis}, along which the images are")
    nodes = [call.to.arranged(value, layout) for value in values]
    settings = {"axis": list(layout).index(axis) - len(layout)}
    key = call.to.add(call.label, "concatenate", nodes, settings)
    return value_of(key, call.to.shape(key), layout)


def _map(call: Call) -> tuple[str, tuple[int, ...]]:
    """The node of an input with four axes, and where its height, width and channels are."""
    value = call.to.settled(call.value())
    if len(value.axes) != 4:
        raise ValueError(f"of {shown_shape(value.shape)}; accepted: (N, C, H, W)")
    layout = tuple(call.to.layout(value))
    return call.to.arranged(value, layout), layout


def _pad(call: Call) -> Value:
    if call.text("mode", "constant") != "constant":
        raise ValueError(f"mode: got {call.text('mode', '')!r}; accepted: 'constant'")
    fill = call.known(2)
    if call.number("value", 0.0) or (fill is not None and np.any(fill)):
        raise ValueError("pads with other numbers than 0")
    rank = len(call.value().axes)
    listed = call.known(1)
    pads = ints(listed) if listed is not None else tuple(call.node.attributes.get("pads") or ())
    axes = range(rank) if call.known(3) is None else ints(call.known(3))
    if len(pads) != 2 * len(axes):
        raise ValueError(f"pads: got {pads}")
    sides = {
        axis_of(axis, rank): (pads[place], pads[place + len(axes)])
        for place, axis in enumerate(axes)
        if pads[place] or pads[place + len(axes)]
    }
    if not sides:
        return call.value()
    node, layout = _map(call)
    if any(axis not in layout[:2] for axis in sides):
        raise ValueError(f"pads: got {pads}; accepted: rows and columns")
    rows, columns = (sides.get(axis, (0, 0)) for axis in layout[:2])
    if min(*rows, *columns) < 0:
        cut = tuple(tuple(max(-one, 0) for one in side) for side in (rows, columns))
        node = call.to.add(f"{call.label} crop", "crop", [node], {"cropping": cut})
    grown = tuple(tuple(max(one, 0) for one in side) for side in (rows, columns))
    key = call.to.add(call.label, "zero_pad", [node], {"padding": grown})
    return value_of(key, call.to.shape(key), layout)


def _slice(call: Call) -> Value:
    value = call.value()
    rank = len(value.axes)
    given = [call.known(number) for number in range(1, len(call.inputs))]
    cuts = {}
    for axis, (start, stop, step) in slices_of(call.node, rank, given).items():
        size = value.shape[axis]
        if isinstance(size, Images):
            if start != 0 or stop < 2**31 - 1 or step != 1:
                raise ValueError("takes some of the images")
            continue
        first, last, by = slice(start, stop, step).indices(size)
        if by != 1 or last <= first:
            raise ValueError(f"steps: got {step} from {start} to {stop} of {size}; accepted: 1")
        if (first, last) != (0, size):
            cuts[axis] = (first, size - last)
    if not cuts:
        return value
    node, layout = _map(call)
    if any(axis not in layout[:2] for axis in cuts):
        raise ValueError("takes some of the channels; accepted: rows and columns")
    sides = tuple(cuts.get(axis, (0, 0)) for axis in layout[:2])
    key = call.to.add(call.label, "crop", [node], {"cropping": sides})
    return value_of(key, call.to.shape(key), layout)


# --- resizing -------------------------------------------------------------------------------------


def _resize(call: Call) -> Value:
    """An enlargement by whole factors; Upsample before opset 10."""
    node, layout = _map(call)
    shape, value = call.to.shape(node), call.value()
    old = call.node.kind == "Upsample" or call.opset < 11
    scales = call.known(1 if old else 2)
    if scales is None or not scales.size:
        scales = np.array(call.node.attributes.get("scales") or (), np.float32)
    factors: dict[int, float]
    if scales.size:
        axes = _resized(call, len(scales))
        factors = dict(zip(axes, (float(one) for one in scales), strict=True))
    else:
        sizes = sizes_of(call.known(3))
        axes = _resized(call, len(sizes))
        factors = {}
        for axis, size in zip(axes, sizes, strict=True):
            have = value.shape[axis]
            if isinstance(have, Images):
                continue  # all of them
            factors[axis] = (size.count if isinstance(size, Images) else size) / have
    if any(factors.get(axis, 1) != 1 for axis in (0, layout[2])):
        raise ValueError(f"scales: got {factors}; accepted: of rows and columns")
    rows, columns = (factors.get(axis, 1.0) for axis in layout[:2])
    if min(rows, columns) < 1 or rows % 1 or columns % 1:
        raise ValueError(f"scales: got {rows:g} and {columns:g}; accepted: whole factors from 1")
    if rows == columns == 1:
        return value
    whole = (int(rows), int(columns))
    check_size(*whole, *shape)
    settings = {"size": whole, "interpolation": _interpolation(call, shape[:2], whole, old)}
    key = call.to.add(call.label, "upsample", [node], settings)
    return value_of(key, call.to.shape(key), layout)


def _resized(call: Call, count: int) -> tuple[int, ...]:
    axes = call.node.attributes.get("axes")
    found = tuple(range(4)) if axes is None else tuple(axis_of(int(axis), 4) for axis in axes)
    if len(found) != count:
        raise ValueError(f"scales: got {count} for {len(found)} axes")
    return found


def _interpolation(call: Call, shape: tuple[int, ...], size: tuple[int, int], old: bool) -> str:
    mode = call.text("mode", "nearest")
    places = call.text("coordinate_transformation_mode", "asymmetric" if old else "half_pixel")
    said = f"mode: got {mode!r} with {places!r}"
    if mode == "nearest":
        rounding = call.text("nearest_mode", "floor" if old else "round_prefer_floor")
        for cells, factor in zip(shape, size, strict=True):
            at = _places(places, cells, factor)
            near = None if at is None else _ROUNDED.get(rounding, _none)(at)
            if near is None or np.any(
                np.clip(near, 0, cells - 1) != np.arange(cells * factor) // factor
            ):
                raise ValueError(f"{said} and {rounding!r}; accepted: each pixel repeated")
        return "nearest"
    if mode == "linear" and places in ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric"):
        return "bilinear"
    raise ValueError(f"{said}; accepted: 'nearest', or 'linear' with 'half_pixel'")


def _places(mode: str, cells: int, factor: int) -> Array | None:
    """Where the input is read for each output, on one axis."""
    out = np.arange(cells * factor)
    match mode:
        case "half_pixel" | "pytorch_half_pixel" | "half_pixel_symmetric":
            return (out + 0.5) / factor - 0.5
        case "asymmetric" | "tf_half_pixel_for_nn":
            return (out + (0.5 if mode.startswith("tf") else 0)) / factor
        case "align_corners":
            return out * (cells - 1) / max(cells * factor - 1, 1)
    return None


def _none(at: Array) -> None:
    return None


_ROUNDED: dict[str, Callable[[Array], Array | None]] = {
    "floor": np.floor,
    "ceil": np.ceil,
    "round_prefer_floor": lambda at: np.ceil(at - 0.5),
    "round_prefer_ceil": lambda at: np.floor(at + 0.5),
}


# --- the tables ---------------------------------------------------------------------------------

# Operations that only say how the axes of a value are named, cut and joined.
VIEWS = (
    "Identity",
    "Cast",
    "Transpose",
    "Reshape",
    "Flatten",
    "Squeeze",
    "Unsqueeze",
    "Tile",
    "Expand",
)

SHAPES: dict[str, Callable[[Call], Value]] = {
    "Identity": _same,
    "Cast": _cast,
    "Transpose": _transpose,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Tile": _tile,
    "Expand": _expand,
    "Concat": _concat,
    "Pad": _pad,
    "Slice": _slice,
    "Resize": _resize,
    "Upsample": _resize,
}
