"""A layer of the page, and the conversion of a graph's node to such layers."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from jcnn import ops
from jcnn.data import Preprocessing
from jcnn.graph import Node

Floats = npt.NDArray[np.float32]
Shape = tuple[int, ...]

STANDARDISE = "standardise"  # name of the layer for a preprocessing

# The functions of `forward.js`.
FUNCTIONS = (
    *("relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "gelu_tanh", "silu", "mish"),
    *("sigmoid", "hard_sigmoid", "hard_swish", "tanh", "softplus", "softmax"),
)


@dataclass(frozen=True)
class Layer:
    """One column of the page.

    Attributes:
        name: of the graph's node, followed by the operation where a node has several layers.
        kind: that of a node where the page shows it as such, or "softmax" (of the logits).
        settings: depend on the kind; paddings in cells, JSON types only.
        arrays: parameters, float32.
        in_shape: `(H, W, C)` or `(D,)` of the input, of the first where there are several.
        out_shape: `(H, W, C)` or `(D,)` of the output.
        inputs: what it reads: 0 is the image, i + 1 the output of layer i.
    """

    name: str
    kind: str
    settings: dict[str, Any]
    arrays: dict[str, Floats]
    in_shape: Shape
    out_shape: Shape
    inputs: tuple[int, ...] = ()


def layers_of(
    node: Node, in_shapes: Sequence[Shape], inputs: Sequence[int], count: int
) -> list[Layer]:
    """Convert a node to layers; the last one has the node's output.

    Args:
        node: of the graph.
        in_shapes: of its inputs.
        inputs: its inputs, as in `Layer`.
        count: of the layers before it.

    Raises:
        ValueError: the page cannot show such a node.
    """
    if node.kind in _JOIN:
        layers = [_JOIN[node.kind](node, in_shapes)]
    elif node.kind in _CONVERT:
        layers = _CONVERT[node.kind](node, in_shapes[0])
    else:
        accepted = ", ".join([*_CONVERT, *_JOIN])
        raise ValueError(
            f"layer {node.name!r}: got kind {node.kind!r}; accepted in a page so far: {accepted}"
        )
    return [
        dataclasses.replace(layer, inputs=(count + i,) if i else tuple(inputs))
        for i, layer in enumerate(layers)
    ]


def _conv(node: Node, in_shape: Shape) -> list[Layer]:
    settings = {key: node.settings[key] for key in ("stride", "padding", "dilation", "groups")}
    return [Layer(node.name, "conv", settings, _arrays(node), in_shape, node.shape)]


def _depthwise_conv(node: Node, in_shape: Shape) -> list[Layer]:
    """As the convolution of C groups, whose kernel is `(KH, KW, 1, C * M)`."""
    settings = {key: node.settings[key] for key in ("stride", "padding", "dilation")}
    settings["groups"] = in_shape[2]
    arrays = _arrays(node)
    kernel = arrays["kernel"]
    arrays["kernel"] = kernel.reshape(*kernel.shape[:2], 1, -1)
    return [Layer(node.name, "conv", settings, arrays, in_shape, node.shape)]


def _conv_transpose(node: Node, in_shape: Shape) -> list[Layer]:
    """With the cells that the padding removes, before the output and after it."""
    arrays = _arrays(node)
    given = node.settings
    window = ops.resolve_window(
        (node.shape[0], node.shape[1]),
        (arrays["kernel"].shape[0], arrays["kernel"].shape[1]),
        stride=given["stride"],
        padding=given["padding"],
        dilation=given["dilation"],
    )
    settings = {
        "stride": window.stride,
        "padding": window.padding,
        "dilation": window.dilation,
        "groups": given["groups"],
    }
    return [Layer(node.name, "conv_transpose", settings, arrays, in_shape, node.shape)]


def _dense(node: Node, in_shape: Shape) -> list[Layer]:
    arrays = _arrays(node)
    if len(in_shape) == 1:
        return [Layer(node.name, "dense", {}, arrays, in_shape, node.shape)]
    arrays["kernel"] = arrays["kernel"][None, None]  # of every pixel: a 1 x 1 convolution
    none = ((0, 0), (0, 0))
    settings = {"stride": (1, 1), "padding": none, "dilation": (1, 1), "groups": 1}
    return [Layer(node.name, "conv", settings, arrays, in_shape, node.shape)]


def _batch_norm(node: Node, in_shape: Shape) -> list[Layer]:
    channels = in_shape[-1]
    given = _arrays(node)
    arrays = {
        "scale": given.get("scale", np.ones(channels, np.float32)),
        "offset": given.get("bias", np.zeros(channels, np.float32)),
        "mean": given["mean"],
        "variance": given["variance"],
    }
    settings = {"epsilon": node.settings["epsilon"]}
    return [Layer(node.name, "batch_norm", settings, arrays, in_shape, node.shape)]


def _example_norm(node: Node, in_shape: Shape) -> list[Layer]:
    arrays = {{"bias": "offset"}.get(role, role): array for role, array in _arrays(node).items()}
    return [Layer(node.name, node.kind, dict(node.settings), arrays, in_shape, node.shape)]


def _activation(node: Node, in_shape: Shape) -> list[Layer]:
    function = node.settings["function"]
    if function not in FUNCTIONS:
        accepted = ", ".join(FUNCTIONS)
        raise ValueError(f"layer {node.name!r}: got {function!r}; accepted in a page: {accepted}")
    return [Layer(node.name, "activation", dict(node.settings), {}, in_shape, node.shape)]


def _plain(node: Node, in_shape: Shape) -> list[Layer]:
    return [Layer(node.name, node.kind, dict(node.settings), {}, in_shape, node.shape)]


def _upsample(node: Node, in_shape: Shape) -> list[Layer]:
    settings = {**node.settings, "size": ops.check_pair("size", node.settings["size"])}
    return [Layer(node.name, "upsample", settings, {}, in_shape, node.shape)]


def _reshape(node: Node, in_shape: Shape) -> list[Layer]:
    """Of a vector to the channels of one cell."""
    if len(in_shape) != 1 or node.shape != (1, 1, *in_shape):
        raise ValueError(
            f"layer {node.name!r}: reshapes {in_shape} to {node.shape}; accepted in a page: "
            "(C,) to (1, 1, C)"
        )
    return [Layer(node.name, "reshape", {}, {}, in_shape, node.shape)]


def _over_space(kind: str) -> Callable[[Node, Shape], list[Layer]]:
    """A pooling whose window is the whole map, and a flatten where it leaves a vector."""

    def convert(node: Node, in_shape: Shape) -> list[Layer]:
        size = in_shape[:2]
        settings = {"window": size, "stride": size, "padding": ((0, 0), (0, 0))}
        shape = (1, 1, in_shape[2])
        if node.shape == shape:
            return [Layer(node.name, kind, settings, {}, in_shape, shape)]
        return [
            Layer(node.name, kind, settings, {}, in_shape, shape),
            Layer(f"{node.name} flatten", "flatten", {}, {}, shape, node.shape),
        ]

    return convert


_CONVERT: dict[str, Callable[[Node, Shape], list[Layer]]] = {
    "conv": _conv,
    "depthwise_conv": _depthwise_conv,
    "conv_transpose": _conv_transpose,
    "dense": _dense,
    "max_pool": _plain,
    "average_pool": _plain,
    "global_max_pool": _over_space("max_pool"),
    "global_average_pool": _over_space("average_pool"),
    "batch_norm": _batch_norm,
    "layer_norm": _example_norm,
    "group_norm": _example_norm,
    "activation": _activation,
    "flatten": _plain,
    "reshape": _reshape,
    "zero_pad": _plain,
    "crop": _plain,
    "upsample": _upsample,
    "dropout": _plain,
    "spatial_dropout": _plain,
    "stochastic_depth": _plain,
}


def _arithmetic(node: Node, in_shapes: Sequence[Shape]) -> Layer:
    """Of two inputs, or of one and a constant, each with an axis for every axis of the output."""
    arrays = _arrays(node)
    rank = len(node.shape)
    for constant in arrays.values():  # it may have a batch axis, of size 1
        shape = constant.shape[-rank:] if constant.ndim else ()
        arrays = {"constant": constant.reshape((1,) * (rank - len(shape)) + shape)}
    if any(len(shape) != rank for shape in in_shapes):
        shapes = ", ".join(map(str, in_shapes))
        raise ValueError(
            f"layer {node.name!r}: its inputs are {shapes}; accepted in a page: as many axes each"
        )
    settings = {"ins": list(in_shapes)}
    return Layer(node.name, node.kind, settings, arrays, in_shapes[0], node.shape)


def _concatenate(node: Node, in_shapes: Sequence[Shape]) -> Layer:
    axis = node.settings["axis"]
    if axis not in (-1, len(node.shape) - 1):
        raise ValueError(
            f"layer {node.name!r}: concatenates along axis {axis}; accepted in a page: -1, the "
            "channels"
        )
    settings = {"ins": list(in_shapes)}
    return Layer(node.name, "concatenate", settings, {}, in_shapes[0], node.shape)


_JOIN: dict[str, Callable[[Node, Sequence[Shape]], Layer]] = {
    "add": _arithmetic,
    "multiply": _arithmetic,
    "divide": _arithmetic,
    "concatenate": _concatenate,
}


def standardise(preprocessing: Preprocessing, shape: Shape) -> list[Layer]:
    """The layer for the mean and deviation of a preprocessing, which needs none for 0 and 1.

    Raises:
        ValueError: the channels are in another order.
    """
    if preprocessing.channels == "bgr":
        raise ValueError("preprocessing: channels: got 'bgr'; accepted in a page: grey, rgb")
    mean = np.asarray(preprocessing.mean, np.float32)
    deviation = np.asarray(preprocessing.deviation, np.float32)
    if not mean.any() and (deviation == 1).all():
        return []
    arrays = {
        "scale": np.ones_like(mean),
        "offset": np.zeros_like(mean),
        "mean": mean,
        "variance": deviation**2,
    }
    return [Layer(STANDARDISE, "batch_norm", {"epsilon": 0.0}, arrays, shape, shape, (0,))]


def softmax(shape: Shape, source: int) -> Layer:
    """The softmax that ends a page whose model gives logits, the output `source` of the page."""
    return Layer("softmax", "softmax", {}, {}, shape, shape, (source,))


def after(layer: Layer, x: Floats) -> Floats:
    """The output of a layer that only reshapes, or of a softmax, for one example."""
    if layer.kind == "softmax":
        return np.asarray(ops.softmax(jnp.asarray(x)), np.float32)
    assert math.prod(layer.in_shape) == math.prod(layer.out_shape)
    return x.reshape(layer.out_shape)


def _arrays(node: Node) -> dict[str, Floats]:
    return {role: np.asarray(array, np.float32) for role, array in node.arrays.items()}
