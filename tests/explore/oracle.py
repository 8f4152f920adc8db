"""The arithmetic of the network in NumPy float64, from the content of a page alone."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.ops.conv import oracle

Array = npt.NDArray[np.float64]

FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "relu": lambda x: np.where(x > 0, x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "gelu": lambda x: x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2,
    "gelu_tanh": lambda x: x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2,
    "silu": lambda x: x / (1 + np.exp(-x)),
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "hard_swish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "mish": lambda x: x * np.tanh(np.logaddexp(x, 0)),
    "softplus": lambda x: np.logaddexp(x, 0),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "selu": lambda x: (
        1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0)))
    ),
    "softmax": oracle.softmax,
}


def run(layer: Mapping[str, Any], *xs: Array) -> Array:
    """Apply one layer `{"kind", "arrays", ...}` of a page to its inputs, each `(1, ...)`."""
    arrays = {name: oracle.float64(array) for name, array in layer["arrays"].items()}
    kind = layer["kind"]
    if kind in JOINED:
        return JOINED[kind](*xs, *arrays.values())
    (x,) = xs
    if kind in RESIZED:
        return np.asarray(RESIZED[kind](layer, x))
    if kind in ("layer_norm", "group_norm"):
        return _example_norm(layer, arrays, x)
    if kind == "conv_transpose":
        return _conv_transpose(layer, arrays, x)
    if kind == "conv":
        return oracle.conv2d(
            x,
            arrays["kernel"],
            arrays.get("bias"),
            stride=tuple(layer["stride"]),
            padding=_pads(layer),
            dilation=tuple(layer["dilation"]),
            groups=layer["groups"],
        )
    if kind in ("max_pool", "average_pool"):
        pool = oracle.max_pool2d if kind == "max_pool" else oracle.avg_pool2d
        return pool(x, tuple(layer["window"]), stride=tuple(layer["stride"]), padding=_pads(layer))
    if kind == "dense":
        return oracle.dense(x, arrays["kernel"], arrays.get("bias"))
    if kind == "batch_norm":
        centred = (x - arrays["mean"]) / np.sqrt(arrays["variance"] + layer["epsilon"])
        return np.asarray(centred * arrays.get("scale", 1) + arrays.get("offset", 0))
    if kind == "activation":
        if layer["function"] == "leaky_relu":
            return np.where(x > 0, x, x * layer["slope"])
        return FUNCTIONS[layer["function"]](x)
    if kind == "softmax":
        return oracle.softmax(x)
    if kind == "reshape":
        return x.reshape(1, 1, 1, -1)
    assert kind in ("flatten", "dropout", "spatial_dropout", "stochastic_depth")
    return x.reshape(1, -1) if kind == "flatten" else x


JOINED: dict[str, Callable[..., Array]] = {
    "add": lambda a, b: a + b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "concatenate": lambda *arrays: np.concatenate(arrays, -1),
}

RESIZED: dict[str, Callable[[Mapping[str, Any], Array], Array]] = {
    "zero_pad": lambda layer, x: np.pad(x, ((0, 0), *layer["padding"], (0, 0))),
    "crop": lambda layer, x: x[
        :,
        layer["cropping"][0][0] : x.shape[1] - layer["cropping"][0][1],
        layer["cropping"][1][0] : x.shape[2] - layer["cropping"][1][1],
    ],
    "upsample": lambda layer, x: _upsample(layer, x),
}


def _upsample(layer: Mapping[str, Any], x: Array) -> Array:
    for axis, factor in zip((1, 2), layer["size"], strict=True):
        if layer["interpolation"] == "nearest":
            x = np.repeat(x, factor, axis)
            continue
        size = x.shape[axis]
        # np.interp repeats the first and the last number beyond them.
        at = (np.arange(size * factor) + 0.5) / factor - 0.5
        lines = np.moveaxis(x, axis, -1)
        wide = [np.interp(at, np.arange(size), line) for line in lines.reshape(-1, size)]
        x = np.moveaxis(np.reshape(wide, (*lines.shape[:-1], -1)), -1, axis)
    return x


def _example_norm(layer: Mapping[str, Any], arrays: Mapping[str, Array], x: Array) -> Array:
    if layer["kind"] == "layer_norm":
        parts, axes = x, (-1,)
    else:
        parts = x.reshape(*x.shape[:-1], layer["groups"], -1)
        axes = (*range(1, x.ndim - 1), x.ndim)
    mean, variance = parts.mean(axes, keepdims=True), parts.var(axes, keepdims=True)
    normal = ((parts - mean) / np.sqrt(variance + layer["epsilon"])).reshape(x.shape)
    return np.asarray(normal * arrays.get("scale", 1) + arrays.get("offset", 0))


def _conv_transpose(layer: Mapping[str, Any], arrays: Mapping[str, Array], x: Array) -> Array:
    out = np.zeros((1, *layer["out"]))
    bias = arrays.get("bias", np.zeros(out.shape[3]))
    y, *_ = oracle.conv_transpose2d(
        *(x, arrays["kernel"], bias, out),
        stride=tuple(layer["stride"]),
        padding=_pads(layer),
        dilation=tuple(layer["dilation"]),
        groups=layer["groups"],
    )
    return y


def run_all(layers: Sequence[Mapping[str, Any]], x: Array) -> list[Array]:
    """The output of every layer, without the batch axis."""
    outputs = [x]
    for i, layer in enumerate(layers):
        outputs.append(run(layer, *(outputs[one] for one in layer.get("inputs", [i]))))
    return [y[0] for y in outputs[1:]]


def _pads(layer: Mapping[str, Any]) -> tuple[tuple[int, int], tuple[int, int]]:
    (top, bottom), (left, right) = layer["padding"]
    return (top, bottom), (left, right)
