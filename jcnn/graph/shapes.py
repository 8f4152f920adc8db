"""The shape of a node's output, from its settings and the shapes of its inputs."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from jcnn import ops
from jcnn.graph.build import KINDS
from jcnn.graph.node import Node
from jcnn.graph.patterns import FUNCTIONS
from jcnn.layers import eval_mode

Shape = tuple[int, ...]


def shaped(node: Node, inputs: Sequence[Shape]) -> Node:
    """A node with the shape of its output.

    The layers of which deep models have hundreds are computed by formulas, others by tracing.

    Args:
        node: its `shape` ends in the number of channels, for a transposed convolution.
        inputs: shapes of its inputs, without the batch axis.

    Raises:
        ValueError, TypeError: the layer does not accept such inputs.
    """
    formula = _FORMULAS.get(node.kind)
    known = formula is not None and all(_dtype(a) == jnp.float32 for a in node.arrays.values())
    found = formula(node, inputs) if formula is not None and known else None
    return replace(node, shape=_traced(node, inputs) if found is None else found)


def _dtype(array: Any) -> Any:
    """The dtype that an array has in JAX."""
    return jax.dtypes.canonicalize_dtype(array.dtype)


def _traced(node: Node, inputs: Sequence[Shape]) -> Shape:
    def output(arrays: dict[str, jax.Array], *images: jax.Array) -> jax.Array:
        made = KINDS[node.kind](replace(node, arrays=arrays), list(inputs), nnx.Rngs(0))
        layer: Any = eval_mode(made)
        result: jax.Array = layer(*images)
        return result

    images = [jax.ShapeDtypeStruct((1, *shape), jnp.float32) for shape in inputs]
    # The numbers of the arrays are not looked at, and not copied.
    arrays = {role: jax.ShapeDtypeStruct(a.shape, _dtype(a)) for role, a in node.arrays.items()}
    shape: Shape = jax.eval_shape(output, arrays, *images).shape[1:]
    return shape


def _conv(node: Node, inputs: Sequence[Shape]) -> Shape | None:
    """None for what the layer refuses, with its own words."""
    how, kernel = node.settings, node.arrays["kernel"].shape
    if len(inputs) != 1 or len(inputs[0]) != 3 or len(kernel) != 4:
        return None
    height, width, channels = inputs[0]
    depthwise = node.kind == "depthwise_conv"
    groups = channels if depthwise else how["groups"]
    filters = kernel[2] * kernel[3] if depthwise else kernel[3]
    wanted = channels if depthwise else kernel[2] * groups
    if channels != wanted or filters % groups or (depthwise and kernel[2] != channels):
        return None
    window = ops.resolve_window(
        (height, width),
        (kernel[0], kernel[1]),
        stride=how["stride"],
        padding=how["padding"],
        dilation=how["dilation"],
    )
    return (*window.out_size, filters)


def _pool(node: Node, inputs: Sequence[Shape]) -> Shape | None:
    if len(inputs) != 1 or len(inputs[0]) != 3:
        return None
    how, (height, width, channels) = node.settings, inputs[0]
    window = ops.resolve_window(
        (height, width), how["window"], stride=how["stride"], padding=how["padding"]
    )
    return (*window.out_size, channels)


def _batch_norm(node: Node, inputs: Sequence[Shape]) -> Shape | None:
    how = node.settings
    fits = all(array.shape == inputs[0][-1:] for array in node.arrays.values())
    usual = 0 <= how["epsilon"] < 1 and 0 <= how["momentum"] <= 1
    return inputs[0] if fits and usual and len(inputs) == 1 else None


def _activation(node: Node, inputs: Sequence[Shape]) -> Shape | None:
    plain = len(inputs) == 1 and node.settings.keys() == {"function"}
    return inputs[0] if plain and node.settings["function"] in FUNCTIONS else None


def _add(node: Node, inputs: Sequence[Shape]) -> Shape | None:
    plain = len(inputs) == 2 and inputs[0] == inputs[1] and not node.arrays
    return inputs[0] if plain else None


_FORMULAS: dict[str, Callable[[Node, Sequence[Shape]], Shape | None]] = {
    "conv": _conv,
    "depthwise_conv": _conv,
    "max_pool": _pool,
    "average_pool": _pool,
    "batch_norm": _batch_norm,
    "activation": _activation,
    "add": _add,
}
