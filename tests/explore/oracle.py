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


def run(layer: Mapping[str, Any], x: Array) -> Array:
    """Apply one layer `{"kind", "arrays", ...}` of a page to `x (1, ...)`."""
    arrays = {name: oracle.float64(array) for name, array in layer["arrays"].items()}
    kind = layer["kind"]
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
        return np.asarray(centred * arrays["scale"] + arrays["offset"])
    if kind == "activation":
        if layer["function"] == "leaky_relu":
            return np.where(x > 0, x, x * layer["slope"])
        return FUNCTIONS[layer["function"]](x)
    if kind == "softmax":
        return oracle.softmax(x)
    assert kind in ("flatten", "dropout")
    return x.reshape(1, -1) if kind == "flatten" else x


def run_all(layers: Sequence[Mapping[str, Any]], x: Array) -> list[Array]:
    """The output of every layer, without the batch axis."""
    outputs = []
    for layer in layers:
        x = run(layer, x)
        outputs.append(x[0])
    return outputs


def _pads(layer: Mapping[str, Any]) -> tuple[tuple[int, int], tuple[int, int]]:
    (top, bottom), (left, right) = layer["padding"]
    return (top, bottom), (left, right)
