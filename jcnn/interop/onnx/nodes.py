"""Writes the nodes of a graph as operations of ONNX, opset 17.

ONNX's operations on maps take `(N, C, H, W)`. Maps are turned once, at the input, and back where a
node's meaning depends on the order of axes, such as flattening.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from jcnn import ops
from jcnn.graph import INPUT, Graph, Node
from jcnn.interop.onnx.wire import Attribute, OnnxNode

OPSET = 17
Array = npt.NDArray[Any]
Shape = tuple[int, ...]

_TO_NCHW, _TO_NHWC = (0, 3, 1, 2), (0, 2, 3, 1)


class Operations:
    """The operations and constants of a program, in the order in which they are added."""

    def __init__(self) -> None:
        self.nodes: list[OnnxNode] = []
        self.arrays: dict[str, Array] = {}
        self._taken: set[str] = set()

    def add(self, kind: str, *inputs: str, name: str = "", **attributes: Attribute) -> str:
        """Add an operation; the name of its output, which is `name` or a new one."""
        output = self._free(name or f"{inputs[0]} {kind}")
        self.nodes.append(OnnxNode(kind, inputs, output, attributes))
        return output

    def constant(self, array: Any, name: str) -> str:
        """Add an array, in C order; its name."""
        name = self._free(name)
        self.arrays[name] = np.ascontiguousarray(array)
        return name

    def shape(self, *sizes: int) -> str:
        """An array of sizes, such as for a reshaping."""
        return self.constant(np.array(sizes, np.int64), "shape " + "x".join(map(str, sizes)))

    def number(self, value: float) -> str:
        """A single float32."""
        return self.constant(np.array(value, np.float32), f"number {value:g}")

    def _free(self, name: str) -> str:
        number, free = 1, name
        while free in self._taken or free == INPUT:
            number += 1
            free = f"{name}#{number}"
        self._taken.add(free)
        return free


def translate(graph: Graph, to: Operations, images: str) -> str:
    """Add the operations of a graph, for images `(N, H, W, C)`; the name of the output.

    Raises:
        ValueError: a node has no operations of ONNX; the message names it.
    """
    start = to.add("Transpose", images, perm=_TO_NCHW) if len(graph.input_shape) == 3 else images
    values = {INPUT: start}
    for node in graph.nodes:
        write = WRITERS.get(node.kind)
        if write is None:
            raise ValueError(
                f"model: {node.name!r} is of kind {node.kind}, which ONNX has no form of"
            )
        shapes = [graph.shape_of(name) for name in node.inputs]
        inputs = [values[name] for name in node.inputs]
        try:
            values[node.name] = write(node, inputs, shapes, to)
        except ValueError as error:
            raise ValueError(f"model: {node.name!r}: {error}") from error
    output = values[graph.output]
    return (
        to.add("Transpose", output, perm=_TO_NHWC)
        if len(graph.shape_of(graph.output)) == 3
        else output
    )


# --- layers ---------------------------------------------------------------------------------------


def _conv(node: Node, inputs: list[str], shapes: list[Shape], to: Operations) -> str:
    kernel = np.asarray(node.arrays["kernel"])
    if node.kind == "depthwise_conv":
        height, width, channels, multiple = kernel.shape
        weight = kernel.transpose(2, 3, 0, 1).reshape(channels * multiple, 1, height, width)
        groups = channels
    else:
        weight, groups = kernel.transpose(3, 2, 0, 1), node.settings["groups"]
    return to.add(
        "Conv",
        *(inputs[0], *_weights(node, weight, to)),
        name=node.name,
        kernel_shape=weight.shape[2:],
        strides=node.settings["stride"],
        dilations=node.settings["dilation"],
        pads=_pads(node.settings["padding"]),
        group=groups,
    )


def _conv_transpose(node: Node, inputs: list[str], shapes: list[Shape], to: Operations) -> str:
    how, kernel = node.settings, np.asarray(node.arrays["kernel"])
    pads, extra = [], []
    # The window of the convolution that maps the result back to the input.
    window = ops.resolve_window(
        (node.shape[0], node.shape[1]),
        (kernel.shape[0], kernel.shape[1]),
        stride=how["stride"],
        padding=how["padding"],
        dilation=how["dilation"],
    )
    for axis in (0, 1):
        covered = (shapes[0][axis] - 1) * window.stride[axis] + window.span[axis]
        before, after = window.padding[axis]
        # What ONNX would give is smaller or larger than what is wanted, by `missing`.
        missing = node.shape[axis] - (covered - before - after)
        pads.append((before, after - min(missing, 0)))
        extra.append(max(missing, 0))
    weight = kernel.transpose(3, 2, 0, 1)
    return to.add(
        "ConvTranspose",
        *(inputs[0], *_weights(node, weight, to)),
        name=node.name,
        kernel_shape=weight.shape[2:],
        strides=window.stride,
        dilations=window.dilation,
        pads=_pads(pads),
        output_padding=extra,
        group=how["groups"],
    )


def _dense(node: Node, inputs: list[str], shapes: list[Shape], to: Operations) -> str:
    kernel = np.asarray(node.arrays["kernel"])
    if len(shapes[0]) == 1:
        return to.add("Gemm", inputs[0], *_weights(node, kernel, to), name=node.name)
    if len(shapes[0]) != 3:
        raise ValueError(f"a dense layer of {shapes[0]}; accepted: (D,) or (H, W, D)")
    weight = kernel.T[:, :, None, None]
    return to.add("Conv", inputs[0], *_weights(node, weight, to), name=node.name)


def _weights(node: Node, kernel: Array, to: Operations) -> list[str]:
    """The names of a layer's kernel and bias."""
    names = [to.constant(kernel, f"{node.name}.kernel")]
    if "bias" in node.arrays:
        names.append(to.constant(node.arrays["bias"], f"{node.name}.bias"))
    return names


def _batch_norm(node: Node, inputs: list[str], shapes: list[Shape], to: Operations) -> str:
    channels = shapes[0][-1]
    roles = {"scale": 1.0, "bias": 0.0, "mean": 0.0, "variance": 1.0}
    arrays = [
        to.constant(
            node.arrays.get(role, np.full(channels, absent, np.float32)), f"{node.name}.{role}"
        )
        for role, absent in roles.items()
    ]
    epsilon = float(node.settings["epsilon"])
    return to.add("BatchNormalization", inputs[0], *arrays, name=node.name, epsilon=epsilon)


def _layer_norm(node: Node, inputs: list[str], shapes: list[Shape], to: Operations) -> str:
    maps, channels = len(shapes[0]) == 3, shapes[0][-1]
    x = to.add("Transpose", inputs[0], perm=_TO_NHWC) if maps else inputs[0]
    scale = node.arrays.get("scale", np.ones(channels, np.float32))
    arrays = [to.constant(scale, f"{node.name}.scale")]
    if "bias" in node.arrays:
        arrays.append(to.constant(node.arrays["bias"], f"{node.name}.bias"))
    how: dict[str, Attribute] = {"axis": -1, "epsilon": float(node.settings["epsilon"])}
    y = to.add("LayerNormalization", x, *arrays, name=node.name, **how)
    return to.add("Transpose", y, perm=_TO_NCHW) if maps else y


def _group_norm(node: Node, inputs: list[str], shapes: list[Shape], to: Operations) -> str:
    """Instance normalisation of the groups, then scale and bias of the channels."""
    if len(shapes[0]) != 3:
        raise ValueError(f"group normalisation of {shapes[0]}; accepted: (H, W, C)")
    height, width, channels = shapes[0]
    groups = node.settings["groups"]
    grouped = to.add("Reshape", inputs[0], to.shape(0, groups, -1))
    ones = to.constant(np.ones(groups, np.float32), f"{node.name}.ones")
    zeros = to.constant(np.zeros(groups, np.float32), f"{node.name}.zeros")
    epsilon = float(node.settings["epsilon"])
    y = to.add("InstanceNormalization", grouped, ones, zeros, epsilon=epsilon)
    y = to.add("Reshape", y, to.shape(0, channels, height, width))
    for kind, role in (("Mul", "scale"), ("Add", "bias")):
        if role in node.arrays:
            array = np.asarray(node.arrays[role]).reshape(channels, 1, 1)
            y = to.add(kind, y, to.constant(array, f"{node.name}.{role}"))
    return y


def _pool(node: Node, inputs: list[str], shapes: list[Shape], to: Operations) -> str:
    kind = "MaxPool" if node.kind == "max_pool" else "AveragePool"
    how: dict[str, Attribute] = {
        "kernel_shape": node.settings["window"],
        "strides": node.settings["stride"],
        "pads": _pads(node.settings["padding"]),
    }
    return to.add(kind, inputs[0], name=node.name, **how)


def _global_pool(node: Node, inputs: list[str], shapes: list[Shape], to: Operations) -> str:
    kind = "GlobalMaxPool" if node.kind == "global_max_pool" else "GlobalAveragePool"
    if node.settings["keepdims"]:
        return to.add(kind, inputs[0], name=node.name)
    return to.add("Flatten", to.add(kind, inputs[0], name=node.name))


def _same(node: Node, inputs: list[str], shapes: list[Shape], to: Operations) -> str:
    """Layers that do nothing in eval mode."""
    return inputs[0]


# --- shapes ---------------------------------------------------------------------------------------


def _flatten(node: Node, inputs: list[str], shapes: list[Shape], to: Operations) -> str:
    x = inputs[0]
    if len(shapes[0]) == 3 and max(shapes[0][:2]) > 1:  # else both orders are the same
        x = to.add("Transpose", x, perm=_TO_NHWC)
    return to.add("Flatten", x, name=node.name)


def _reshape(node: Node, inputs: list[str], shapes: list[Shape], to: Operations) -> str:
    x = to.add("Transpose", inputs[0], perm=_TO_NHWC) if len(shapes[0]) == 3 else inputs[0]
    y = to.add("Reshape", x, to.shape(-1, *node.settings["shape"]), name=node.name)
    return to.add("Transpose", y, perm=_TO_NCHW) if len(node.shape) == 3 else y


def _zero_pad(node: Node, inputs: list[str], shapes: list[Shape], to: Operations) -> str:
    (top, bottom), (left, right) = node.settings["padding"]
    return to.add("Pad", inputs[0], to.shape(0, 0, top, left, 0, 0, bottom, right), name=node.name)


def _crop(node: Node, inputs: list[str], shapes: list[Shape], to: Operations) -> str:
    (top, _), (left, _) = node.settings["cropping"]
    stop = to.shape(top + node.shape[0], left + node.shape[1])
    return to.add("Slice", inputs[0], to.shape(top, left), stop, to.shape(2, 3), name=node.name)


def _upsample(node: Node, inputs: list[str], shapes: list[Shape], to: Operations) -> str:
    sides = (node.shape[axis] / shapes[0][axis] for axis in (0, 1))
    scales = to.constant(np.array([1, 1, *sides], np.float32), f"{node.name}.scales")
    how: dict[str, Attribute] = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    if node.settings["interpolation"] == "nearest":
        how = {
            "mode": "nearest",
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
        }
    return to.add("Resize", inputs[0], "", scales, name=node.name, **how)


def _concatenate(node: Node, inputs: list[str], shapes: list[Shape], to: Operations) -> str:
    axis = node.settings["axis"] % (len(shapes[0]) + 1)
    if len(shapes[0]) == 3:
        axis = _TO_NCHW.index(axis)
    return to.add("Concat", *inputs, name=node.name, axis=axis)


def _arithmetic(kind: str) -> Callable[..., str]:
    def write(node: Node, inputs: list[str], shapes: list[Shape], to: Operations) -> str:
        if any(len(shape) != len(shapes[0]) for shape in shapes):
            raise ValueError(f"{node.kind} of {shapes}; accepted: as many axes")
        if "constant" in node.arrays:
            constant = np.asarray(node.arrays["constant"])
            if len(shapes[0]) == 3:
                constant = constant.reshape((1,) * (4 - constant.ndim) + constant.shape)
                constant = constant.transpose(_TO_NCHW)
            inputs = [*inputs, to.constant(constant, f"{node.name}.constant")]
        return to.add(kind, *inputs, name=node.name)

    return write


def _pads(padding: Any) -> Shape:
    (top, bottom), (left, right) = padding
    return (top, left, bottom, right)


# --- activations ----------------------------------------------------------------------------------


def _activation(node: Node, inputs: list[str], shapes: list[Shape], to: Operations) -> str:
    how = dict(node.settings)
    function, x = how.pop("function"), inputs[0]
    match function:
        case "relu" | "sigmoid" | "tanh" | "softplus" | "selu":
            kind = {"relu": "Relu", "selu": "Selu"}.get(function, function.capitalize())
            return to.add(kind, x, name=node.name)
        case "relu6":
            return to.add("Clip", x, to.number(0), to.number(6), name=node.name)
        case "leaky_relu":
            return to.add("LeakyRelu", x, name=node.name, alpha=float(how.get("slope", 0.2)))
        case "elu":
            return to.add("Elu", x, name=node.name, alpha=float(how.get("alpha", 1.0)))
        case "hard_sigmoid":
            return to.add("HardSigmoid", x, name=node.name, alpha=1 / 6, beta=0.5)
        case "hard_swish":
            slope = to.add("HardSigmoid", x, alpha=1 / 6, beta=0.5)
            return to.add("Mul", x, slope, name=node.name)
        case "silu":
            return to.add("Mul", x, to.add("Sigmoid", x), name=node.name)
        case "mish":
            return to.add("Mul", x, to.add("Tanh", to.add("Softplus", x)), name=node.name)
        case "gelu":
            part = to.add("Erf", to.add("Mul", x, to.number(1 / math.sqrt(2))))
            return _half_of(x, part, node, to)
        case "gelu_tanh":
            cube = to.add("Mul", to.add("Mul", to.add("Mul", x, x), x), to.number(0.044715))
            inner = to.add("Mul", to.add("Add", x, cube), to.number(math.sqrt(2 / math.pi)))
            return _half_of(x, to.add("Tanh", inner), node, to)
        case "softmax":
            axis = 1 if len(shapes[0]) == 3 else -1
            return to.add("Softmax", x, name=node.name, axis=axis)
    raise ValueError(f"the function {function} has no form in ONNX")


def _half_of(x: str, part: str, node: Node, to: Operations) -> str:
    """`x * (1 + part) / 2`."""
    half = to.add("Mul", x, to.number(0.5))
    return to.add("Mul", half, to.add("Add", part, to.number(1)), name=node.name)


WRITERS: dict[str, Callable[[Node, list[str], list[Shape], Operations], str]] = {
    "conv": _conv,
    "depthwise_conv": _conv,
    "conv_transpose": _conv_transpose,
    "dense": _dense,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "group_norm": _group_norm,
    "max_pool": _pool,
    "average_pool": _pool,
    "global_average_pool": _global_pool,
    "global_max_pool": _global_pool,
    "activation": _activation,
    "flatten": _flatten,
    "reshape": _reshape,
    "zero_pad": _zero_pad,
    "crop": _crop,
    "upsample": _upsample,
    "concatenate": _concatenate,
    "add": _arithmetic("Add"),
    "multiply": _arithmetic("Mul"),
    "divide": _arithmetic("Div"),
    **dict.fromkeys(("dropout", "spatial_dropout", "stochastic_depth"), _same),
}
