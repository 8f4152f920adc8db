"""Round the parameters of a model's graph to float16."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from jcnn.graph import Graph, Node

_LARGEST = float(np.finfo(np.float16).max)  # 65504


def half_graph(graph: Graph) -> Graph:
    """The graph with each variable rounded to the nearest float16; dtypes stay.

    NaN and infinity stay, and so do constants between layers that are no variables.

    Raises:
        ValueError: a variable is beyond float16's range; the message names it and its layer.
    """
    return dataclasses.replace(graph, nodes=tuple(map(_rounded_node, graph.nodes)))


def _rounded_node(node: Node) -> Node:
    arrays = {
        role: _rounded(array, f"{role} of layer {node.name!r}") if role in node.paths else array
        for role, array in node.arrays.items()
    }
    return dataclasses.replace(node, arrays=arrays)


def _rounded(array: jax.Array, name: str) -> jax.Array:
    numbers = np.asarray(array)
    if not jnp.issubdtype(numbers.dtype, jnp.floating):
        return array
    wide = numbers.astype(np.float64)
    beyond = wide[np.isfinite(wide) & (np.abs(wide) > _LARGEST)]
    if beyond.size:
        raise ValueError(
            f"half: {name} has {beyond[0]:g}; accepted: {-_LARGEST:g} to {_LARGEST:g}, the range "
            "of float16"
        )
    return jnp.asarray(wide.astype(np.float16).astype(numbers.dtype))
