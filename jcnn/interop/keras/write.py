"""A graph as Keras's layers: the table that the export and the documentation read.

Keras pads by "same" or "valid" alone: other paddings are layers of their own. An activation becomes
a setting of the layer before it where that is its own, so that the file has the layers that a user
of Keras expects.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from jcnn import ops
from jcnn.graph import INPUT, Graph, Node
from jcnn.interop.keras.pools import is_same, write_pool
from jcnn.interop.keras.written import (
    INPUT_LAYER,
    NO_SIDES,
    Layers,
    Shape,
    Weight,
    WrittenLayer,
    in_order,
)

Config = dict[str, Any]


def keras_layers(
    graph: Graph, *, rescaling: Config | None, probabilities: bool
) -> tuple[list[WrittenLayer], list[str]]:
    """The layers of a graph in Keras's order, and what is worth telling.

    Args:
        graph: of a model that gives logits.
        rescaling: settings of a Rescaling layer at the start; None for none.
        probabilities: whether a softmax comes last.

    Raises:
        ValueError: a node has no layer of Keras; the message names it.
    """
    nodes, output = graph.nodes, graph.output
    if probabilities:
        shape, output = graph.shape_of(output), f"{output} softmax"
        last = Node(output, "activation", {"function": "softmax"}, (graph.output,), {}, shape)
        nodes = (*nodes, last)
    graph = Graph(graph.input_shape, nodes, output)
    activations, own = _own_activations(graph)
    to = Layers(graph.input_shape, activations)
    values = {INPUT: INPUT_LAYER}
    if rescaling is not None:
        shape = graph.input_shape
        values[INPUT] = to.add("Rescaling", "rescaling", (INPUT_LAYER,), shape, rescaling)
    calls: dict[Any, str] = {}
    for node in nodes:
        inputs = [values[name] for name in node.inputs]
        try:
            _check_one_call(node, calls)
            values[node.name] = inputs[0] if node.name in own else _write(node, inputs, graph, to)
        except ValueError as error:
            raise ValueError(f"model: {node.name!r}: {error}") from error
    return in_order(to.layers, values[output]), to.notes


def _write(node: Node, inputs: list[str], graph: Graph, to: Layers) -> str:
    if node.kind in ("max_pool", "average_pool"):
        return write_pool(node, inputs[0], graph, to)
    if node.kind not in WRITERS:
        raise ValueError(f"is of kind {node.kind}, which Keras has no layer for")
    return WRITERS[node.kind](node, inputs, [graph.shape_of(name) for name in node.inputs], to)


def _check_one_call(node: Node, calls: dict[Any, str]) -> None:
    """Two nodes with the same variables are calls of one layer, which the files do not have."""
    key = tuple(sorted(node.paths.items()))
    if key and calls.setdefault(key, node.name) != node.name:
        raise ValueError(f"has the parameters of {calls[key]!r}; accepted: one call of a layer")


def _own_activations(graph: Graph) -> tuple[dict[str, str], set[str]]:
    """Activations that are settings of the layer before them: by that layer, and their names."""
    found: dict[str, str] = {}
    own: set[str] = set()
    for node in graph.nodes:
        if node.kind != "activation" or node.inputs[0] == INPUT:
            continue
        before, text = graph[node.inputs[0]], _setting(node)
        alone = graph.readers(before.name) == (node,) and before.name != graph.output
        own_name = node.name.startswith(f"{before.name.split(' ')[0]} ")
        if alone and text and before.kind in _LINEAR and own_name:
            found[before.name] = text
            own.add(node.name)
    return found, own


# --- layers with weights --------------------------------------------------------------------------

_LINEAR = ("conv", "depthwise_conv", "conv_transpose", "dense")
# jcnn's roles and Keras's, in Keras's order.
_KERNEL = {"kernel": "kernel", "bias": "bias"}
_NORM = {"scale": "gamma", "bias": "beta", "mean": "moving_mean", "variance": "moving_variance"}


def _weights(node: Node, roles: Mapping[str, str]) -> list[Weight]:
    return [
        Weight(
            name,
            np.asarray(node.arrays[role], np.float32),
            node.paths.get(role, ""),
            role not in ("mean", "variance"),
        )
        for role, name in roles.items()
        if role in node.arrays
    ]


def _conv(node: Node, inputs: list[str], shapes: list[Shape], to: Layers) -> str:
    weights, how = _weights(node, _KERNEL), node.settings
    kernel = weights[0].array.shape
    before, shape = inputs[0], shapes[0]
    window = ops.resolve_window(
        (shape[0], shape[1]),
        (kernel[0], kernel[1]),
        stride=how["stride"],
        padding=how["padding"],
        dilation=how["dilation"],
    )
    # Keras has no stride together with a dilation.
    both = max(window.stride) > 1 and max(window.dilation) > 1
    padding = "same" if is_same(window) and window.padding != NO_SIDES and not both else "valid"
    if padding == "valid":
        before, shape = to.pad(node.name, before, shape, window.padding)
    rows, columns = node.shape[:2]
    if both:
        rows, columns = (shape[axis] - window.span[axis] + 1 for axis in (0, 1))
    config: Config = {
        "kernel_size": window.kernel,
        "strides": (1, 1) if both else window.stride,
        "padding": padding,
        "dilation_rate": window.dilation,
        **_activation_and_bias(node, to),
    }
    kind = "Conv2D"
    if node.kind == "depthwise_conv":
        kind, config = "DepthwiseConv2D", config | {"depth_multiplier": kernel[3]}
    else:
        config |= {"filters": kernel[3], "groups": how["groups"]}
    shape = (rows, columns, node.shape[2])
    made = to.add(kind, node.name, (before,), shape, config, weights)
    return to.every(node.name, made, shape, window.stride) if both else made


def _activation_and_bias(node: Node, to: Layers) -> Config:
    activation = to.activations.get(node.name, "linear")
    return {"activation": activation, "use_bias": "bias" in node.arrays}


def _conv_transpose(node: Node, inputs: list[str], shapes: list[Shape], to: Layers) -> str:
    weights, how = _weights(node, _KERNEL), node.settings
    if how["groups"] != 1:
        raise ValueError(f"groups: got {how['groups']}; accepted by Keras: 1")
    kernel = weights[0].array.shape
    # The window of the convolution that maps the result back to the input.
    window = ops.resolve_window(
        (node.shape[0], node.shape[1]),
        (kernel[0], kernel[1]),
        stride=how["stride"],
        padding=how["padding"],
        dilation=how["dilation"],
    )
    if max(window.stride) > 1 and max(window.dilation) > 1:
        raise ValueError(
            f"dilation: got {window.dilation} with a stride of {window.stride}; accepted by Keras: "
            "one of both"
        )
    config: Config = {
        "filters": node.shape[2],
        "kernel_size": window.kernel,
        "strides": window.stride,
        "padding": "valid",
        "dilation_rate": window.dilation,
        **_activation_and_bias(node, to),
    }
    wide = [shapes[0][axis] * window.stride[axis] for axis in (0, 1)]
    if wide == list(node.shape[:2]) and is_same(window):
        config["padding"] = "same"
        return to.add("Conv2DTranspose", node.name, inputs, node.shape, config, weights)
    sides = []
    for axis in (0, 1):
        # Keras fills the gaps behind the last windows, too.
        wide[axis] += max(window.span[axis] - window.stride[axis], 0)
        before = window.padding[axis][0]
        sides.append((before, wide[axis] - before - node.shape[axis]))
    if min(map(min, sides)) < 0:
        raise ValueError(
            f"output_padding: got {how['output_padding']} with padding {how['padding']}; accepted "
            "for Keras: no cells beyond the last windows"
        )
    shape = (wide[0], wide[1], node.shape[2])
    made = to.add("Conv2DTranspose", node.name, inputs, shape, config, weights)
    return to.crop(node.name, made, shape, (sides[0], sides[1]))[0]


def _dense(node: Node, inputs: list[str], shapes: list[Shape], to: Layers) -> str:
    config = {"units": node.shape[-1], **_activation_and_bias(node, to)}
    return to.add("Dense", node.name, inputs, node.shape, config, _weights(node, _KERNEL))


def _norm(kind: str, *settings: str) -> Callable[..., str]:
    def write(node: Node, inputs: list[str], shapes: list[Shape], to: Layers) -> str:
        has = {"center": "bias" in node.arrays, "scale": "scale" in node.arrays}
        own = {name: node.settings[name] for name in ("epsilon", *settings)}
        config = {"axis": -1, **own, **has}
        return to.add(kind, node.name, inputs, node.shape, config, _weights(node, _NORM))

    return write


# --- layers without -------------------------------------------------------------------------------


def _plain(kind: str, **names: str) -> Callable[..., str]:
    """A layer with settings of the node; `names` are Keras's names for them."""

    def write(node: Node, inputs: list[str], shapes: list[Shape], to: Layers) -> str:
        config = {name: node.settings[own] for own, name in names.items()}
        return to.add(kind, node.name, inputs, node.shape, config)

    return write


def _upsample(node: Node, inputs: list[str], shapes: list[Shape], to: Layers) -> str:
    size = ops.check_pair("size", node.settings["size"])
    config = {"size": size, "interpolation": node.settings["interpolation"]}
    return to.add("UpSampling2D", node.name, inputs, node.shape, config)


def _left_out(node: Node, inputs: list[str], shapes: list[Shape], to: Layers) -> str:
    to.notes.append(f"{node.name}: left out, since Keras has no layer for stochastic depth")
    return inputs[0]


def _merge(kind: str) -> Callable[..., str]:
    def write(node: Node, inputs: list[str], shapes: list[Shape], to: Layers) -> str:
        if "constant" in node.arrays:
            return _with_constant(node, inputs, to)
        if not kind:
            raise ValueError("a quotient of two layers, which Keras has no layer for")
        if any(len(shape) != len(shapes[0]) for shape in shapes):
            raise ValueError(f"{node.kind} of {shapes}; accepted: as many axes")
        return to.add(kind, node.name, inputs, node.shape, {})

    return write


def _with_constant(node: Node, inputs: list[str], to: Layers) -> str:
    """A constant, one number or one for each channel; a trained factor is a convolution of 1x1."""
    constant = np.asarray(node.arrays["constant"], np.float32)
    channels, path = node.shape[-1], node.paths.get("constant", "")
    path = "" if path.endswith("/fixed") else path  # of a GraphModel, which does not train it
    if constant.size not in (1, channels) or constant.shape[-1:] not in ((), (constant.size,)):
        raise ValueError(
            f"{node.kind} with an array of {constant.shape}; accepted: one number, or one for each "
            "channel"
        )
    if path and node.kind == "multiply" and len(node.shape) == 3 and constant.size == channels:
        config: Config = {"kernel_size": (1, 1), "strides": (1, 1), "padding": "valid"}
        config |= {"depth_multiplier": 1, "dilation_rate": (1, 1)}
        config |= {"activation": "linear", "use_bias": False}
        kernel = Weight("kernel", constant.reshape(1, 1, channels, 1), path)
        return to.add("DepthwiseConv2D", node.name, inputs, node.shape, config, (kernel,))
    if path:
        to.notes.append(f"{node.name}: {path} is a constant in the file, which is not trained")
    given = (1 / constant.astype(float) if node.kind == "divide" else constant).reshape(-1).tolist()
    value = given[0] if len(given) == 1 else given
    config = {"scale": value, "offset": 0.0}
    if node.kind == "add":
        config = {"scale": 1.0, "offset": value}
    return to.add("Rescaling", node.name, inputs, node.shape, config)


# --- activations ----------------------------------------------------------------------------------

# jcnn's name and Keras's.
_FUNCTIONS = {
    **{name: name for name in ("relu", "relu6", "sigmoid", "tanh", "softplus", "selu", "mish")},
    **{name: name for name in ("elu", "hard_sigmoid", "gelu", "silu", "softmax", "leaky_relu")},
    "hard_swish": "hard_silu",
}
# What jcnn's and Keras's functions have where no number is given.
_USUAL = {"slope": 0.2, "alpha": 1.0}


def _setting(node: Node) -> str:
    """The text for a layer's `activation`; "" if there is none."""
    how = dict(node.settings)
    function = how.pop("function")
    usual = all(math.isclose(value, _USUAL[name], rel_tol=1e-6) for name, value in how.items())
    return _FUNCTIONS.get(function, "") if usual else ""


def _activation(node: Node, inputs: list[str], shapes: list[Shape], to: Layers) -> str:
    how = _USUAL | dict(node.settings)
    function = how["function"]
    if function == "gelu_tanh":
        return _gelu_tanh(node, inputs[0], to)
    own: dict[str, tuple[str, Config]] = {
        "relu": ("ReLU", {}),
        "relu6": ("ReLU", {"max_value": 6.0}),
        "leaky_relu": ("LeakyReLU", {"negative_slope": how["slope"]}),
        "elu": ("ELU", {"alpha": how["alpha"]}),
        "softmax": ("Softmax", {"axis": -1}),
    }
    if function not in _FUNCTIONS:
        raise ValueError(f"the function {function} has no form in Keras")
    kind, config = own.get(function, ("Activation", {"activation": _FUNCTIONS[function]}))
    return to.add(kind, node.name, inputs, node.shape, config)


def _gelu_tanh(node: Node, x: str, to: Layers) -> str:
    """The product of x and sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3).

    Keras's files can only name the exact form of GELU.
    """
    name, shape, factor = node.name, node.shape, 2 * math.sqrt(2 / math.pi)
    square = to.add("Multiply", f"{name} square", (x, x), shape, {})
    how = {"scale": factor * 0.044715, "offset": factor}
    slope = to.add("Rescaling", f"{name} slope", (square,), shape, how)
    inner = to.add("Multiply", f"{name} inner", (x, slope), shape, {})
    gate = to.add("Activation", f"{name} gate", (inner,), shape, {"activation": "sigmoid"})
    return to.add("Multiply", name, (x, gate), shape, {})


WRITERS: dict[str, Callable[[Node, list[str], list[Shape], Layers], str]] = {
    "conv": _conv,
    "depthwise_conv": _conv,
    "conv_transpose": _conv_transpose,
    "dense": _dense,
    "batch_norm": _norm("BatchNormalization", "momentum"),
    "layer_norm": _norm("LayerNormalization"),
    "group_norm": _norm("GroupNormalization", "groups"),
    "global_average_pool": _plain("GlobalAveragePooling2D", keepdims="keepdims"),
    "global_max_pool": _plain("GlobalMaxPooling2D", keepdims="keepdims"),
    "activation": _activation,
    "flatten": _plain("Flatten"),
    "reshape": _plain("Reshape", shape="target_shape"),
    "zero_pad": _plain("ZeroPadding2D", padding="padding"),
    "crop": _plain("Cropping2D", cropping="cropping"),
    "upsample": _upsample,
    "concatenate": _plain("Concatenate", axis="axis"),
    "add": _merge("Add"),
    "multiply": _merge("Multiply"),
    "divide": _merge(""),
    "dropout": _plain("Dropout", rate="rate"),
    "spatial_dropout": _plain("SpatialDropout2D", rate="rate"),
    "stochastic_depth": _left_out,
}
