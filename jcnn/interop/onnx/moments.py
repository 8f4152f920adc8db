"""Normalisations that exporters write as means, differences, squares and roots.

A mean of a value is not computed at once. If what is computed of it is a normalisation in the end,
it becomes one layer, however its operations are ordered; otherwise it is a global pooling.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from jcnn.interop.onnx.call import Call, Constant
from jcnn.interop.onnx.constants import axes_of, axis_of, sizes_of
from jcnn.interop.onnx.functions import Expression
from jcnn.interop.onnx.layers import grouped
from jcnn.interop.onnx.pooling import mean_over_space
from jcnn.interop.onnx.values import Images, Sizes, Value, shown_shape

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Moment:
    """A part of a normalisation of `x`, whose mean is m and whose deviation with epsilon is s.

    Attributes:
        kind: "mean" is m, "centred" x - m, "square" (x - m)^2, "variance" s^2 with or without
            epsilon, "root" s, "inverse" scale / s, "scaled" x * scale / s, and "offset"
            m * scale / s + shift.
        label: of the first operation.
        x: the array.
        axes: those of the mean, which are kept with size 1.
        sign: -1 for a negative mean or offset.
    """

    kind: str
    label: str
    x: Value
    axes: tuple[int, ...]
    epsilon: float = 0.0
    sign: int = 1
    scale: Any = 1.0
    shift: Any = 0.0

    def become(self, kind: str) -> "Moment":
        """The same of another kind."""
        return replace(self, kind=kind)

    @property
    def shape(self) -> Sizes:
        """The size of each axis."""
        if self.kind in ("centred", "square", "scaled"):
            return self.x.shape
        return tuple(1 if k in self.axes else size for k, size in enumerate(self.x.shape))


def mean_of(call: Call) -> Moment | None:
    """What a ReduceMean gives; None for one that is surely no part of a normalisation."""
    value = call.value()
    found = axes_of(call.node, call.known(1))
    if not found or not call.whole("keepdims", 1):
        return None
    axes = tuple(sorted({axis_of(axis, len(value.axes)) for axis in found}))
    return Moment("mean", call.label, value, axes)


def settled(moment: Moment, call: Call) -> Value:
    """A mean that is no part of a normalisation, as a layer.

    Raises:
        ValueError: jcnn has no such layer.
    """
    if moment.kind != "mean":
        raise ValueError("computes of a mean what is no normalisation that jcnn has")
    value = mean_over_space(call.to, moment.label, moment.x, moment.axes)
    if moment.sign < 0:
        how = Expression("Mul", name=call.label)
        value = replace(value, node=call.to.by_constant(how, value.node, np.float32(-1)))
    return value


def combined(call: Call, inputs: list[Any]) -> Moment | Value | None:
    """What an operation makes of moments; None if that is no part of a normalisation.

    Args:
        call: the operation; its inputs are not looked at.
        inputs: of the operation.
    """
    first = inputs[0]
    second = inputs[1] if len(inputs) > 1 else None
    kind = call.node.kind
    if kind in ("Identity", "Cast", "Reshape") and isinstance(first, Moment):
        return first if kind != "Reshape" or _keeps_shape(first, second) else None
    if isinstance(first, Moment) and (second is None or isinstance(second, Constant)):
        return _of_one(call, first, None if second is None else second.array)
    if isinstance(first, Constant) and isinstance(second, Moment):
        if kind in ("Add", "Mul"):
            return _of_one(call, second, first.array)
        if kind == "Sub" and second.kind == "offset":  # a number minus the offset
            return replace(second, sign=-second.sign, shift=first.array - second.shift)
        if kind == "Div" and second.kind == "root":
            return replace(second, kind="inverse", scale=first.array)
        return None
    return _of_two(call, first, second)


def _keeps_shape(moment: Moment, target: Any) -> bool:
    """Whether a reshaping gives the shape that is there."""
    if not isinstance(target, Constant):
        return False
    sizes, shape = sizes_of(target.array), moment.shape
    if len(sizes) != len(shape):
        return False
    return all(
        one == -1 if isinstance(have, Images) and one != have else one in (have, -1)
        for one, have in zip(sizes, shape, strict=True)
    )


def _of_one(call: Call, moment: Moment, array: Array | None) -> Moment | None:
    """What an operation makes of a moment, alone or with a known array."""
    kind, number = call.node.kind, None
    if array is not None and array.size == 1 and array.dtype != object:
        number = float(array.reshape(-1)[0])
    match moment.kind, kind:
        case "mean" | "offset", "Neg":
            return replace(moment, sign=-moment.sign, shift=-moment.shift)
        case "centred", "Pow" if number == 2:
            return replace(moment, kind="square")
        case "square", "ReduceMean":
            found = axes_of(call.node, array) or ()
            rank = len(moment.x.axes)
            axes = tuple(sorted({axis_of(axis, rank) for axis in found}))
            same = axes == moment.axes and call.whole("keepdims", 1)
            return replace(moment, kind="variance") if same else None
        case "variance", "Add" if number is not None and not moment.epsilon:
            return replace(moment, epsilon=number)
        case "variance", "Sqrt":
            return replace(moment, kind="root")
        case "variance", "Pow" if number in (0.5, -0.5):
            return replace(moment, kind="root" if number == 0.5 else "inverse")
        case "root", "Reciprocal":
            return replace(moment, kind="inverse")
        case "inverse", "Mul" if array is not None:
            return replace(moment, scale=moment.scale * array)
        case "offset", "Add" | "Sub" if array is not None:
            return replace(moment, shift=moment.shift + (array if kind == "Add" else -array))
    return None


def _of_two(call: Call, first: Any, second: Any) -> Moment | Value | None:
    """What an operation makes of two arrays of the images."""
    kind = call.node.kind
    if kind in ("Add", "Mul") and isinstance(first, Moment) and isinstance(second, Value):
        first, second = second, first
    if isinstance(first, Value) and isinstance(second, Moment) and first == second.x:
        if second.kind == "mean" and (kind, second.sign) in (("Sub", 1), ("Add", -1)):
            return replace(second, kind="centred", sign=1)
        if kind == "Mul" and second.kind == "inverse":
            return second.become("scaled")
        return None
    if not isinstance(first, Moment) or not isinstance(second, Moment):
        return None
    if first.x != second.x or first.axes != second.axes:
        return None
    turned = kind in ("Add", "Mul") and (first.kind, second.kind) in _TURNED
    return _of_moments(call, second, first) if turned else _of_moments(call, first, second)


def _of_moments(call: Call, first: Moment, second: Moment) -> Moment | Value | None:
    kind = call.node.kind
    match kind, first.kind, second.kind:
        case "Mul", "centred", "centred":
            return first.become("square")
        case "Div", "centred", "root":
            return _layer(call, second)
        case "Mul", "centred", "inverse":
            return _layer(call, second)
        case "Mul", "mean", "inverse":
            return replace(second, kind="offset", sign=first.sign)
        case "Add" | "Sub", "scaled", "offset" if _alike(first, second):
            sign = second.sign if kind == "Add" else -second.sign
            shift = second.shift if kind == "Add" else -second.shift
            return _layer(call, replace(second, shift=shift)) if sign < 0 else None
    return None


def _alike(first: Moment, second: Moment) -> bool:
    """Whether two moments have the same factor, with the same epsilon."""
    return first.scale is second.scale and first.epsilon == second.epsilon


_TURNED = (("inverse", "centred"), ("inverse", "mean"), ("offset", "scaled"))


def _layer(call: Call, moment: Moment) -> Value:
    """The layer `(x - m) * scale / s + shift`."""
    value = call.to.settled(moment.x)
    if len(moment.axes) == 1:
        value, _ = call.to.channels(value, moment.axes[0])
        settings = {"epsilon": moment.epsilon}
        value = replace(value, node=call.to.add(call.label, "layer_norm", [value.node], settings))
    else:
        rest = [k for k, axis in enumerate(value.axes) if axis and k not in moment.axes]
        if len(rest) != 2 or rest[0] != 0:
            raise ValueError(f"normalises axes {moment.axes} of {shown_shape(value.shape)}")
        value = grouped(call, value, rest[1], moment.epsilon, {})
    for kind, array in (("Mul", moment.scale), ("Add", moment.shift)):
        array = np.asarray(array, np.float32)
        if np.all(array == (1 if kind == "Mul" else 0)):
            continue
        fitted = call.to.aligned(value, array)
        if not call.to.fused(kind, value.node, fitted, ""):
            how = Expression(kind, name=call.label)
            value = replace(value, node=call.to.by_constant(how, value.node, fitted))
    return value
