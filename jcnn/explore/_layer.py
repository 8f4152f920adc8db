"""A layer of the page, and the conversion of a graph's node to such layers."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from jcnn import ops
from jcnn.graph import Node

Floats = npt.NDArray[np.float32]
Shape = tuple[int, ...]

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
        kind: "conv", "max_pool", "average_pool", "flatten", "dense", "activation", "dropout",
            "batch_norm", or "softmax" (of the logits).
        settings: depend on the kind; paddings in cells, JSON types only.
        arrays: parameters, float32.
        in_shape: `(H, W, C)` or `(D,)` of the input.
        out_shape: `(H, W, C)` or `(D,)` of the output.
    """

    name: str
    kind: str
    settings: dict[str, Any]
    arrays: dict[str, Floats]
    in_shape: Shape
    out_shape: Shape


def layers_of(node: Node, in_shape: Shape) -> list[Layer]:
    """Convert a node to layers; the last one has the node's output.

    Raises:
        ValueError: the page cannot show such a node.
    """
    if node.kind not in _CONVERT:
        accepted = ", ".join(_CONVERT)
        raise ValueError(
            f"layer {node.name!r}: got kind {node.kind!r}; accepted in a page so far: {accepted}"
        )
    return _CONVERT[node.kind](node, in_shape)


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


def _activation(node: Node, in_shape: Shape) -> list[Layer]:
    function = node.settings["function"]
    if function not in FUNCTIONS:
        accepted = ", ".join(FUNCTIONS)
        raise ValueError(f"layer {node.name!r}: got {function!r}; accepted in a page: {accepted}")
    return [Layer(node.name, "activation", dict(node.settings), {}, in_shape, node.shape)]


def _plain(node: Node, in_shape: Shape) -> list[Layer]:
    return [Layer(node.name, node.kind, dict(node.settings), {}, in_shape, node.shape)]


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
    "dense": _dense,
    "max_pool": _plain,
    "average_pool": _plain,
    "global_max_pool": _over_space("max_pool"),
    "global_average_pool": _over_space("average_pool"),
    "batch_norm": _batch_norm,
    "activation": _activation,
    "flatten": _plain,
    "dropout": _plain,
}


def softmax(shape: Shape) -> Layer:
    """The softmax that ends a page whose model gives logits."""
    return Layer("softmax", "softmax", {}, {}, shape, shape)


def after(layer: Layer, x: Floats) -> Floats:
    """The output of a layer that only reshapes, or of a softmax, for one example."""
    if layer.kind == "softmax":
        return np.asarray(ops.softmax(jnp.asarray(x)), np.float32)
    assert math.prod(layer.in_shape) == math.prod(layer.out_shape)
    return x.reshape(layer.out_shape)


def _arrays(node: Node) -> dict[str, Floats]:
    return {role: np.asarray(array, np.float32) for role, array in node.arrays.items()}
