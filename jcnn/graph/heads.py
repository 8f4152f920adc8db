"""Give a graph another number of classes."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from jcnn.graph.build import GraphModel
from jcnn.graph.node import INPUT, Graph, Node
from jcnn.layers import eval_mode

# What may stand between the last layer with a kernel and the output.
_AFTER = ("activation", "dropout", "flatten", "global_average_pool", "global_max_pool")


def with_classes(graph: Graph, classes: int) -> Graph:
    """The graph with a last layer for another number of classes, whose arrays are zeros.

    Args:
        graph: ends in a dense layer or a convolution, and functions of each channel after it.
        classes: number of logits.

    Raises:
        ValueError: it ends in something else; the message names the node.
    """
    head = _head(graph)
    arrays = {
        role: jnp.zeros((*array.shape[:-1], classes), array.dtype)
        for role, array in head.arrays.items()
    }
    new = replace(head, arrays=arrays, shape=(*head.shape[:-1], classes))
    nodes = tuple(new if node is head else node for node in graph.nodes)
    model: Any = eval_mode(GraphModel(replace(graph, nodes=nodes), rngs=nnx.Rngs(0)))
    images = jax.ShapeDtypeStruct((1, *graph.input_shape), jnp.float32)
    shapes = jax.eval_shape(model.values, images)
    made = replace(
        graph, nodes=tuple(replace(node, shape=shapes[node.name].shape[1:]) for node in nodes)
    )
    if made.shape_of(made.output) != (classes,):
        raise ValueError(f"{head.name!r}: with {classes} channels the model does not give logits")
    return made


def _head(graph: Graph) -> Node:
    """The last layer with a kernel."""
    name, readers = graph.output, 0
    while name != INPUT:
        node = graph[name]
        if len(graph.readers(name)) != readers:
            raise ValueError(f"{name!r}: its output is read by other layers, too")
        if "kernel" in node.arrays:
            shared = any(
                node.paths and one.paths == node.paths for one in graph.nodes if one is not node
            )
            if node.kind not in ("dense", "conv") or node.settings.get("groups", 1) > 1 or shared:
                break
            return node
        if node.kind not in _AFTER:
            break
        name, readers = node.inputs[0], 1
    raise ValueError(f"{name!r}: accepted as the last layer: a dense layer or a convolution")
