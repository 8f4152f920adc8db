"""A model as a directed graph of layers and functions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax

INPUT = "input"


@dataclass(frozen=True)
class Node:
    """One layer, or one function between layers.

    Attributes:
        name: path of the layer in the model, such as "conv1" or "stage1/0/conv2"; a function has
            the name of its layer or of its input, then its kind: "conv1 relu", "stage1/0 add".
        kind: what it computes: "conv", "dense", "activation", "add", ...
        settings: depend on the kind; JSON types only, paddings in cells.
        inputs: names of the nodes whose outputs it reads, or "input" for the images.
        arrays: its parameters and statistics by role, such as "kernel" and "bias".
        paths: for each array that is a variable of the model, its path there, such as
            "conv1/kernel". Two nodes with the same paths share a layer.
        shape: of its output, without the batch axis.
        layer: path of the innermost module whose call it is part of; "" for the model itself.
        function: of a function that rounds as another library's: that function. None means that of
            `jcnn.ops`.
        call: which call of this module it is part of, from 1.
        dtype: of its output.
    """

    name: str
    kind: str
    settings: Mapping[str, Any]
    inputs: tuple[str, ...]
    arrays: Mapping[str, jax.Array]
    shape: tuple[int, ...]
    paths: Mapping[str, str] = field(default_factory=dict)
    layer: str = ""
    function: Callable[[jax.Array], jax.Array] | None = None
    call: int = 1
    dtype: str = "float32"


@dataclass(frozen=True)
class Graph:
    """A model in eval mode as nodes in the order of their computation.

    Attributes:
        input_shape: `(H, W, C)` of one image.
        nodes: every node comes after its inputs.
        output: name of the node with the model's output.
    """

    input_shape: tuple[int, ...]
    nodes: tuple[Node, ...]
    output: str

    def __getitem__(self, name: str) -> Node:
        """The node with this name."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)

    def shape_of(self, name: str) -> tuple[int, ...]:
        """The shape of a node's output, or of the images for "input", without the batch axis."""
        return self.input_shape if name == INPUT else self[name].shape

    def readers(self, name: str) -> tuple[Node, ...]:
        """The nodes that read the output of a node."""
        return tuple(node for node in self.nodes if name in node.inputs)
