"""ONNX's operations on each number: activations, and sums and products of two arrays."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from jcnn.interop.onnx.call import Call, Constant, is_short, stepped
from jcnn.interop.onnx.constants import axis_of
from jcnn.interop.onnx.functions import Expression
from jcnn.interop.onnx.values import Value, shown_shape, value_of

Read = Callable[[Call], Value]


def _function(**defaults: float) -> Read:
    def read(call: Call) -> Value:
        numbers = [call.number(name, default) for name, default in defaults.items()]
        return _step(call, [call.value()], numbers)

    return read


def _step(call: Call, operands: list[Any], numbers: list[float] | None = None) -> Value:
    settled = [
        one
        if not isinstance(one, Value) or (is_short(one) and not one.ending)
        else call.to.settled(one)
        for one in operands
    ]
    return stepped(call.node.kind, call.label, settled, numbers or ())


def _gelu(call: Call) -> Value:
    return _step(call, [call.value()], [float(call.text("approximate", "none") == "tanh")])


def _clip(call: Call) -> Value:
    limits = []
    for number, (name, none) in enumerate((("min", -math.inf), ("max", math.inf)), 1):
        given = call.known(number)
        if given is not None and given.size != 1:
            raise ValueError(f"{name}: got {given.size} numbers; accepted: one")
        limits.append(call.number(name, none) if given is None else float(given.reshape(-1)[0]))
    return _step(call, [call.value()], limits)


def _prelu(call: Call) -> Value:
    slope = call.floats(1)
    if slope.size < 1 or np.any(slope != slope.reshape(-1)[0]):
        raise ValueError(f"has {slope.size} slopes; accepted: one")
    return _step(call, [call.value()], [float(slope.reshape(-1)[0])])


def _arithmetic(call: Call) -> Value:
    first, second = (
        call.inputs[number] if number < len(call.inputs) else None for number in (0, 1)
    )
    if isinstance(first, Value) and isinstance(second, Value):
        return _of_two(call, first, second)
    value = call.value(0 if isinstance(first, Value) else 1)
    constant = call.constant(1 if isinstance(first, Value) else 0)
    if constant is None:
        raise ValueError("has one input; accepted: two")
    if constant.array.dtype == object:
        raise ValueError("computes with the number of images")
    array = call.as_float32(constant.array)
    kind = call.node.kind
    if array.ndim > len(value.axes):
        raise ValueError(f"of {shown_shape(value.shape)} and an array of {array.shape}")
    place = 0 if isinstance(first, Value) else 1
    plain = value.expression is None and value.ending is None and not value.shared
    plain = plain and (place == 0 or kind in ("Add", "Mul"))
    if plain and call.to.fused(kind, value.node, call.to.aligned(value, array), constant.name):
        return value
    if array.size == 1:
        number = float(array.reshape(-1)[0])
        return _step(call, [value, number] if place == 0 else [number, value])
    if kind == "Pow":
        raise ValueError(f"of an array of {array.shape}; accepted: one number")
    value = call.to.settled(value)
    how = Expression(kind, name=call.label)
    fitted = call.to.aligned(value, array)
    if place == 1:
        return replace(value, node=call.to.to_constant(how, fitted, value.node))
    key = call.to.by_constant(how, value.node, fitted, stored=constant.stored)
    return replace(value, node=key)


def _of_two(call: Call, first: Value, second: Value) -> Value:
    kind = call.node.kind
    same = (first.node, first.factors, first.axes) == (second.node, second.factors, second.axes)
    if same and is_short(first, second) and not first.ending and not second.ending:
        return stepped(kind, call.label, [first, second])
    first, second = call.to.settled(first), call.to.settled(second)
    how = Expression(kind, name=call.label)
    if kind == "Pow":
        raise ValueError("of two arrays of the images; accepted: one number as the exponent")
    alike = (first.factors, first.axes) == (second.factors, second.axes)
    if alike and call.to.shape(first.node) == call.to.shape(second.node):
        return replace(first, node=call.to.between(how, first.node, second.node))
    layout = call.to.layout(first, second)
    nodes = [call.to.arranged(one, layout) for one in (first, second)]
    key = call.to.between(how, nodes[0], nodes[1])
    return value_of(key, call.to.shape(key), layout)


def _sum(call: Call) -> Value:
    add = replace(call, node=replace(call.node, kind="Add"))
    total: Any = call.inputs[0]
    for number in range(1, len(call.inputs)):
        total = _arithmetic(replace(add, inputs=(total, call.inputs[number])))
    if not isinstance(total, Value):
        raise ValueError("is of constants")
    return total


def _extreme(call: Call) -> Value:
    """A maximum or minimum of the images and one number."""
    numbers = [one for one in call.inputs if isinstance(one, Constant)]
    values = [one for one in call.inputs if isinstance(one, Value)]
    if len(values) != 1 or len(numbers) != 1 or numbers[0].array.size != 1:
        raise ValueError("of two arrays; accepted: one array and one number")
    return _step(call, [values[0], float(numbers[0].array.reshape(-1)[0])])


def _softmax(call: Call) -> Value:
    value = call.value()
    rank = len(value.axes)
    axis = axis_of(call.whole("axis", -1 if call.opset >= 13 else 1), rank)
    if call.opset < 13 and any(value.axes[axis + 1 :]):  # then it was over all axes from this one
        raise ValueError(f"axis: got {axis} of {shown_shape(value.shape)}; accepted: the last one")
    value, _ = call.to.channels(value, axis)
    return replace(value, ending=(call.node.kind, call.label))


ELEMENTWISE: dict[str, Read] = {
    **dict.fromkeys(("Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "HardSwish"), _function()),
    **dict.fromkeys(("Mish", "Erf", "Exp", "Log", "Sqrt", "Abs", "Neg"), _function()),
    "Reciprocal": _function(),
    "LeakyRelu": _function(alpha=0.01),
    "Elu": _function(alpha=1.0),
    "Celu": _function(alpha=1.0),
    "Selu": _function(alpha=1.6732632423543772, gamma=1.0507009873554805),
    "HardSigmoid": _function(alpha=0.2, beta=0.5),
    "Swish": _function(alpha=1.0),
    "Gelu": _gelu,
    "Clip": _clip,
    "PRelu": _prelu,
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "Pow"), _arithmetic),
    "Sum": _sum,
    "Max": _extreme,
    "Min": _extreme,
    "Softmax": _softmax,
    "LogSoftmax": _softmax,
}
