"""A layer of the page: a column with its settings and parameters."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from jcnn import ops
from jcnn.explore._functions import apply_function


@dataclass(frozen=True)
class Layer:
    """One operation of a network.

    Attributes:
        name: path in the model, followed by the operation if it is part of a module: "conv2d",
            "conv2d relu".
        kind: "conv", "max_pool", "average_pool", "flatten", "dense", "activation", "dropout",
            "batch_norm", or "softmax" (of the logits).
        settings: depend on the kind; paddings in cells, JSON types only.
        arrays: parameters, float32.
        in_shape: `(H, W, C)` or `(D,)` of the input.
        out_shape: `(H, W, C)` or `(D,)` of the output.
        call: the call (`jcnn.layers.calls.Call.name`) that ends with this layer, or None.
    """

    name: str
    kind: str
    settings: dict[str, Any]
    arrays: dict[str, npt.NDArray[np.float32]]
    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]
    call: str | None = None


def run(layer: Layer, x: jax.Array) -> jax.Array:
    """Apply a layer to `x (N, *in_shape)` from its settings and arrays alone."""
    arrays = {name: jnp.asarray(array) for name, array in layer.arrays.items()}
    settings = layer.settings
    match layer.kind:
        case "conv":
            return ops.conv2d(x, arrays["kernel"], arrays.get("bias"), **settings, method="lax")
        case "dense":
            return ops.dense(x, arrays["kernel"], arrays.get("bias"))
        case "max_pool":
            return ops.max_pool2d(x, **settings)
        case "average_pool":
            return ops.avg_pool2d(x, **settings)
        case "flatten":
            return ops.flatten(x)
        case "dropout":
            return x
        case "activation":
            return apply_function(settings, x)
        case "batch_norm":
            deviation = jnp.sqrt(arrays["variance"] + settings["epsilon"])
            return (x - arrays["mean"]) / deviation * arrays["scale"] + arrays["offset"]
        case "softmax":
            return ops.softmax(x)
        case kind:
            raise AssertionError(f"no layer is a {kind!r}")
