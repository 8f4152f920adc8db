"""ONNX's operations over windows and over whole maps."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from jcnn import ops
from jcnn.interop.onnx.call import Call
from jcnn.interop.onnx.constants import axes_of, axis_of
from jcnn.interop.onnx.graph import Builder
from jcnn.interop.onnx.values import NCHW, NHWC, Value, check_size, shown_shape, value_of

Read = Callable[[Call], Value]

# Of a window of pooling, each of which is an operation.
_MOST_CELLS = 4096


def window_padding(
    call: Call, size: tuple[int, int], span: tuple[int, int], stride: tuple[int, ...]
) -> ops.Pads:
    """The padding of a window, in cells."""
    auto = call.text("auto_pad", "NOTSET")
    if auto in ("", "NOTSET"):
        top, left, bottom, right = call.numbers("pads", (0, 0, 0, 0))
        return ops.check_sides("pads", ((top, bottom), (left, right)))
    if auto not in ("VALID", "SAME_UPPER", "SAME_LOWER"):
        raise ValueError(f"auto_pad: got {auto!r}; accepted: NOTSET, VALID, SAME_UPPER, SAME_LOWER")
    padding: ops.Padding = "VALID" if auto == "VALID" else "SAME"
    steps = ops.check_pair("strides", stride)
    rows, columns = ops.resolve_window(size, span, stride=steps, padding=padding).padding
    return (rows[::-1], columns[::-1]) if auto == "SAME_LOWER" else (rows, columns)


def _pool(kind: str) -> Read:
    def read(call: Call) -> Value:
        x = call.map()
        size = call.numbers("kernel_shape", (0, 0))
        stride = call.numbers("strides", (1, 1))
        if call.numbers("dilations", (1, 1)) != (1, 1):
            raise ValueError(f"dilations: got {call.numbers('dilations', (1, 1))}; accepted: 1")
        if len(call.node.outputs) > 1 and call.node.outputs[1]:
            raise ValueError("gives the places of the maxima; accepted: the maxima alone")
        height, width, _ = call.to.shape(x)
        window = ops.check_pair("kernel_shape", size)
        if math.prod(window) > _MOST_CELLS:
            raise ValueError(f"kernel_shape: got {window}; accepted: up to {_MOST_CELLS:,} cells")
        padding = window_padding(call, (height, width), window, stride)
        more = (
            _beyond((height, width), window, stride, padding)
            if call.whole("ceil_mode", 0)
            else (0, 0)
        )
        if kind == "average_pool" and call.whole("count_include_pad", 0) and any(map(any, padding)):
            if any(more):
                raise ValueError("ceil_mode: got 1 with count_include_pad; accepted: one of them")
            x = call.to.add(f"{call.label} padding", "zero_pad", [x], {"padding": padding})
            padding = ((0, 0), (0, 0))
        rows, columns = (
            (before, after + extra) for (before, after), extra in zip(padding, more, strict=True)
        )
        settings = {"window": window, "stride": stride, "padding": (rows, columns)}
        steps = ops.check_pair("strides", stride)
        whole = ops.resolve_window((height, width), window, stride=steps, padding=(rows, columns))
        check_size(*whole.out_size)
        return call.maps(call.to.add(call.label, kind, [x], settings))

    return read


def _beyond(
    size: tuple[int, int], window: tuple[int, int], stride: tuple[int, ...], padding: ops.Pads
) -> tuple[int, ...]:
    """Cells behind the padding for a last window, where their number is rounded up."""
    found = []
    for axis in (0, 1):
        before, after = padding[axis]
        covered = size[axis] + before + after - window[axis]
        last = -(-covered // stride[axis]) * stride[axis]
        if last >= size[axis] + before:  # it would hold nothing but padding
            last -= stride[axis]
        found.append(max(last - covered, 0))
    return tuple(found)


def _global_pool(kind: str) -> Read:
    def read(call: Call) -> Value:
        return call.maps(call.to.add(call.label, kind, [call.map()], {"keepdims": True}))

    return read


# --- means over space -----------------------------------------------------------------------------


def mean_over_space(
    to: Builder, label: str, value: Value, axes: Sequence[int], kind: str = "global_average_pool"
) -> Value:
    """A mean over height and width, which stay with size 1.

    Raises:
        ValueError: the axes are others.
    """
    for layout in (NCHW, NHWC):
        if len(value.axes) == 4 and tuple(axes) == layout[:2]:
            key = to.add(label, kind, [to.arranged(value, layout)], {"keepdims": True})
            return value_of(key, to.shape(key), layout)
    raise ValueError(
        f"axes: got {tuple(axes)} of {shown_shape(value.shape)}; accepted: height and width"
    )


def _reduced(kind: str) -> Callable[[Call], Value]:
    def read(call: Call) -> Value:
        value = call.value()
        rank = len(value.axes)
        axes = sorted({axis_of(axis, rank) for axis in axes_of(call.node, call.known(1)) or ()})
        made = mean_over_space(call.to, call.label, value, axes, kind)
        if call.whole("keepdims", 1):
            return made
        return replace(made, axes=tuple(made.axes[k] for k in range(rank) if k not in axes))

    return read


POOLING: dict[str, Read] = {
    "MaxPool": _pool("max_pool"),
    "AveragePool": _pool("average_pool"),
    "GlobalAveragePool": _global_pool("global_average_pool"),
    "GlobalMaxPool": _global_pool("global_max_pool"),
    "ReduceMean": _reduced("global_average_pool"),
    "ReduceMax": _reduced("global_max_pool"),
}
