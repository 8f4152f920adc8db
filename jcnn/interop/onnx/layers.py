"""What ONNX's operations are in jcnn: the table that the import and the documentation read."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from jcnn import ops
from jcnn.interop.onnx.call import Call
from jcnn.interop.onnx.constants import axis_of
from jcnn.interop.onnx.elementwise import ELEMENTWISE
from jcnn.interop.onnx.pooling import POOLING, window_padding
from jcnn.interop.onnx.shapes import SHAPES
from jcnn.interop.onnx.values import (
    BATCH,
    Value,
    groups_of,
    reshaped,
    shown_shape,
    value_of,
)

Array = npt.NDArray[Any]
Read = Callable[[Call], Value]

# --- convolutions ---------------------------------------------------------------------------------


def _conv(call: Call) -> Value:
    weight = _kernel(call)
    x = call.map()
    height, width, channels = call.to.shape(x)
    filters, depth, *size = weight.shape
    groups = call.whole("group", 1)
    if groups < 1 or depth * groups != channels or filters % groups:
        raise ValueError(f"has a kernel of {weight.shape} in {groups} groups for {channels} maps")
    stride, dilation = call.numbers("strides", (1, 1)), call.numbers("dilations", (1, 1))
    span = ((size[0] - 1) * dilation[0] + 1, (size[1] - 1) * dilation[1] + 1)
    settings: dict[str, Any] = {
        "stride": stride,
        "padding": window_padding(call, (height, width), span, stride),
        "dilation": dilation,
        "method": "auto",
    }
    arrays = _with_bias(call, filters)
    if groups == channels > 1:
        kernel = weight.reshape(channels, filters // channels, *size).transpose(2, 3, 0, 1)
        kind = "depthwise_conv"
    else:
        kernel, kind = weight.transpose(2, 3, 1, 0), "conv"
        settings["groups"] = groups
    return call.maps(
        call.to.add(call.label, kind, [x], settings, {"kernel": kernel, **arrays}, channels=filters)
    )


def _conv_transpose(call: Call) -> Value:
    weight = _kernel(call)
    x = call.map()
    height, width, channels = call.to.shape(x)
    groups = call.whole("group", 1)
    if groups < 1 or weight.shape[0] != channels or channels % groups:
        raise ValueError(f"has a kernel of {weight.shape} in {groups} groups for {channels} maps")
    filters = weight.shape[1] * groups
    stride, dilation = call.numbers("strides", (1, 1)), call.numbers("dilations", (1, 1))
    extra = call.numbers("output_padding", (0, 0))
    auto = call.text("auto_pad", "NOTSET")
    wanted = call.node.attributes.get("output_shape")
    if wanted is None and auto.startswith("SAME"):
        wanted = (height * stride[0], width * stride[1])
    pads = call.numbers("pads", (0, 0, 0, 0))
    sides, more = [], []
    for axis in (0, 1):
        before, after, free = pads[axis], pads[axis + 2], extra[axis]
        if wanted is not None:
            covered = ((height, width)[axis] - 1) * stride[axis] + free
            covered += (weight.shape[2 + axis] - 1) * dilation[axis] + 1
            total = covered - int(wanted[axis])
            less, larger = max(total, 0) // 2, max(total, 0) - max(total, 0) // 2
            before, after = (less, larger) if auto == "SAME_UPPER" else (larger, less)
            free += max(-total, 0)
        sides.append((before, after))
        more.append(free)
    settings = {
        "stride": stride,
        "padding": ops.check_sides("pads", (sides[0], sides[1])),
        "output_padding": tuple(more),
        "dilation": dilation,
        "groups": groups,
    }
    arrays = {"kernel": weight.transpose(2, 3, 1, 0), **_with_bias(call, filters)}
    return call.maps(
        call.to.add(call.label, "conv_transpose", [x], settings, arrays, channels=filters)
    )


def _kernel(call: Call) -> Array:
    weight = call.floats(1)
    if weight.ndim != 4:
        raise ValueError(f"has a kernel of {weight.shape}; accepted: four axes, for images")
    size = call.node.attributes.get("kernel_shape")
    if size is not None and tuple(size) != weight.shape[2:]:
        raise ValueError(f"kernel_shape: got {tuple(size)} with a kernel of {weight.shape}")
    return weight


def _with_bias(call: Call, filters: int) -> dict[str, Array]:
    return {} if call.constant(2) is None else {"bias": call.floats(2, (filters,))}


# --- matrix products ------------------------------------------------------------------------------


def _gemm(call: Call) -> Value:
    if call.whole("transA", 0):
        raise ValueError("transA: got 1; accepted: 0")
    kernel = call.floats(1)
    kernel = kernel.T if call.whole("transB", 0) else kernel
    if call.number("alpha", 1.0) != 1:
        kernel = kernel * np.float32(call.number("alpha", 1.0))
    bias = None
    if call.constant(2) is not None:
        bias = call.floats(2)
        if call.number("beta", 1.0) != 1:
            bias = bias * np.float32(call.number("beta", 1.0))
    if len(call.value().axes) != 2:
        raise ValueError(f"of {shown_shape(call.value().shape)}; accepted: (N, D)")
    return _product(call, kernel, bias)


def _product(call: Call, kernel: Array, bias: Array | None) -> Value:
    """A dense layer of the last axis."""
    if kernel.ndim != 2:
        raise ValueError(f"has a kernel of {kernel.shape}; accepted: (D, K)")
    value = call.value()
    if value.shape[-1] != kernel.shape[0]:
        raise ValueError(f"of {shown_shape(value.shape)} and a kernel of {kernel.shape}")
    value, factors = call.to.channels(value, len(value.axes) - 1)
    if value.axes[0] == (BATCH,) and not any(value.axes[1:-1]):  # one vector for each image
        value = replace(value, node=call.to.vector(value))
    units = kernel.shape[1]
    # Rows in the order of the node's axis.
    sizes = [value.factors[one] for one in factors]
    rows = kernel.reshape(*sizes, units).transpose(*np.argsort(factors).astype(int), len(factors))
    arrays = {"kernel": rows.reshape(kernel.shape)}
    if bias is not None:
        if bias.size not in (1, units) or bias.shape[-1:] not in ((units,), (1,), ()):
            raise ValueError(f"has a bias of {bias.shape}; expected ({units},)")
        arrays["bias"] = np.broadcast_to(bias.reshape(-1), (units,))
    key = call.to.add(call.label, "dense", [value.node], arrays=arrays)
    rest = tuple(size for one, size in enumerate(value.factors) if one not in factors)
    made = value_of(key, (*rest, units))
    last = made.axes[-1]
    # The factors before those of the last axis keep their places.
    return replace(value, node=key, factors=made.factors, axes=(*value.axes[:-1], last))


def _matmul(call: Call) -> Value:
    return _product(call, call.floats(1), None)


# --- normalisation --------------------------------------------------------------------------------


def _batch_norm(call: Call) -> Value:
    if call.whole("training_mode", 0) or (len(call.node.outputs) > 1 and call.node.outputs[1]):
        raise ValueError("is in training mode; accepted: a model in eval mode")
    value, factors = call.to.channels(call.value(), 1)
    count = math.prod(value.factors[one] for one in factors)
    order = np.argsort(factors).astype(int)
    sizes = [value.factors[one] for one in factors]
    arrays = {
        role: call.floats(number, (count,)).reshape(sizes).transpose(order).reshape(-1)
        for number, role in enumerate(("scale", "bias", "mean", "variance"), 1)
    }
    settings = {
        "epsilon": call.number("epsilon", 1e-5),
        "momentum": call.number("momentum", 0.9),
    }
    key = call.to.add(call.label, "batch_norm", [value.node], settings, arrays)
    return replace(value, node=key)


def _layer_norm(call: Call) -> Value:
    value = call.value()
    axis = axis_of(call.whole("axis", -1), len(value.axes))
    if any(value.axes[axis + 1 :]):
        raise ValueError(f"axis: got {axis} of {shown_shape(value.shape)}; accepted: the last one")
    value, factors = call.to.channels(value, axis)
    if tuple(factors) != tuple(sorted(factors)):
        raise ValueError("works on pixels and channels in another order than jcnn's")
    shape = (math.prod(value.factors[one] for one in factors),)
    arrays = {}
    for number, role in ((1, "scale"), (2, "bias")):
        if call.constant(number) is not None:
            arrays[role] = call.floats(number).reshape(-1)
            if arrays[role].shape != shape:
                raise ValueError(f"{role}: has shape {arrays[role].shape}; expected {shape}")
    settings = {"epsilon": call.number("epsilon", 1e-5)}
    return replace(
        value, node=call.to.add(call.label, "layer_norm", [value.node], settings, arrays)
    )


def _instance_norm(call: Call) -> Value:
    """Each group of channels by itself: the groups are axis 1 of the value."""
    value = call.value()
    count = value.shape[1]
    assert isinstance(count, int)
    arrays = {
        role: call.floats(number, (count,))
        for number, role in ((1, "scale"), (2, "bias"))
        if call.constant(number) is not None
    }
    return grouped(call, value, 1, call.number("epsilon", 1e-5), arrays)


def _group_norm(call: Call) -> Value:
    value, groups = call.value(), call.whole("num_groups", 1)
    channels = value.shape[1]
    assert isinstance(channels, int)
    arrays = {}
    for number, role in ((1, "scale"), (2, "bias")):
        array = call.floats(number)
        if array.shape == (groups,) and channels % groups == 0:  # opset 18
            array = np.repeat(array, channels // groups)
        if array.shape != (channels,):
            raise ValueError(f"{role}: has shape {array.shape}; expected ({channels},)")
        arrays[role] = array
    if groups < 1 or channels % groups:
        raise ValueError(f"num_groups: got {groups} of {channels} channels")
    # The channels as groups and what is in each.
    split = reshaped(value, (value.shape[0], groups, channels // groups, *value.shape[2:]))
    made = grouped(call, split, 1, call.number("epsilon", 1e-5), arrays)
    return reshaped(made, value.shape)


def grouped(call: Call, value: Value, axis: int, epsilon: float, arrays: dict[str, Array]) -> Value:
    """Each group of channels normalised by itself; an axis of the value has the groups.

    Args:
        call: the operation.
        value, axis: the array and its axis.
        epsilon: of the layer.
        arrays: "scale" and "bias" of the groups or channels.
    """
    value = call.to.settled(value)
    shape = call.to.shape(value.node)
    starts, groups = value.axes[axis], value.shape[axis]
    assert isinstance(groups, int)
    last = groups_of(value, shape)[-1]
    # The channels, or the first factors of them, which are the groups.
    if len(shape) != 3 or starts != last[: len(starts)] or shape[-1] % groups:
        raise ValueError(f"normalises {shown_shape(value.shape)}; accepted: groups of channels")
    neutral = {"scale": 1.0, "bias": 0.0}
    # Scale and bias of the channels follow as operations of their own.
    plain = all(np.all(array == neutral[role]) for role, array in arrays.items())
    kept = {
        role: np.repeat(array, shape[-1] // len(array))
        for role, array in arrays.items()
        if not plain
    }
    settings = {"epsilon": epsilon, "groups": groups}
    return replace(value, node=call.to.add(call.label, "group_norm", [value.node], settings, kept))


# --- dropout, and the table ------------------------------------------------------------------


def _dropout(call: Call) -> Value:
    ratio, training = call.known(1), call.known(2)
    if training is not None and np.any(training):
        raise ValueError("is in training mode; accepted: a model in eval mode")
    rate = call.number("ratio", 0.5) if ratio is None else float(ratio.reshape(-1)[0])
    value = call.to.settled(call.value())
    if not 0 < rate < 1:
        return value
    key = call.to.add(call.label, "dropout", [value.node], {"rate": round(rate, 6)})
    return replace(value, node=key)


READERS: dict[str, Read] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "GroupNormalization": _group_norm,
    "InstanceNormalization": _instance_norm,
    **POOLING,
    "Dropout": _dropout,
    **ELEMENTWISE,
    **SHAPES,
}
