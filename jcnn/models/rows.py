"""The rows of a summary: one for each layer, and for each function between layers."""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from jcnn import ops
from jcnn.graph import INPUT, Graph, Node, receptive_fields
from jcnn.layers import (
    Call,
    Conv2DTranspose,
    Sequential,
    UpSampling2D,
    modules_by_path,
    recorded_calls,
)


@dataclass(frozen=True)
class LayerRow:
    """One layer of a summary, or one function between layers, for one example.

    Attributes:
        name: path in the model; a function has the name of its layer or of its input, then its
            own, such as "layer1/0 add".
        type: class of the layer, or name of the function, such as "add" or "relu".
        output_shape: without the batch axis.
        params: number of its parameters.
        multiply_adds: products of an input and a weight.
        activation_bytes: memory of its output in the output's dtype.
        receptive_field: rows and columns of the input on which one unit depends; None after the
            feature maps, and where units have different ones: see
            `jcnn.graph.receptive_fields`.
        inputs: names of the rows whose outputs it reads, or "input"; empty if the model has no
            graph.
    """

    name: str
    type: str
    output_shape: tuple[int, ...]
    params: int
    multiply_adds: int
    activation_bytes: int
    receptive_field: tuple[int, int] | None
    inputs: tuple[str, ...] = ()


def rows_of_graph(module: nnx.Module, graph: Graph) -> Iterator[LayerRow]:
    """A row for each call of an innermost module, and for each function outside of these."""
    modules = modules_by_path(module)
    fields = receptive_fields(graph)
    trained = {"/".join(map(str, path)) for path, _ in nnx.to_flat_state(_params(module))}
    counted: set[object] = set()
    names = {INPUT: INPUT}
    taken = {INPUT}
    for layer, nodes in _calls(graph):
        last = nodes[-1]
        if layer:
            name, kind = layer if last.call == 1 else f"{layer}#{last.call}", modules[layer]
            params = 0 if id(kind) in counted else count_params(kind)
            type_ = type(kind).__name__
            counted.add(id(kind))
        else:
            name = last.name
            own = {path: last.arrays[role] for role, path in last.paths.items() if path in trained}
            params = sum(int(array.size) for path, array in own.items() if path not in counted)
            type_ = str(last.settings.get("function", last.kind))
            counted.update(own)
        name = next(one for one in _numbered(name) if one not in taken)
        taken.add(name)
        names.update({node.name: name for node in nodes})
        inputs = (names[one] for node in nodes for one in node.inputs)
        field = fields[last.name]
        yield LayerRow(
            name=name,
            type=type_,
            output_shape=last.shape,
            params=params,
            multiply_adds=sum(_products(node, graph) for node in nodes),
            activation_bytes=_bytes(last.shape, last.dtype),
            receptive_field=field.size if field is not None and len(last.shape) == 3 else None,
            inputs=tuple(dict.fromkeys(one for one in inputs if one != name)),
        )


def rows_of_calls(module: nnx.Module, input_shape: Sequence[int]) -> Iterator[LayerRow]:
    """A row for each innermost call of a module; for a model without a graph."""
    with recorded_calls(module) as calls:
        jax.eval_shape(module, jax.ShapeDtypeStruct((1, *input_shape), jnp.float32))
    parents = {parent for call in calls for parent in _parents(call.name)}
    leaves = [call for call in calls if call.name not in parents]
    fields = _fields_of_chain(leaves) if isinstance(module, Sequential) else [None] * len(leaves)
    seen: set[int] = set()
    for call, field in zip(leaves, fields, strict=True):
        yield LayerRow(
            name=call.name,
            type=type(call.module).__name__,
            output_shape=tuple(call.output.shape[1:]),
            params=0 if id(call.module) in seen else count_params(call.module),
            multiply_adds=_products_of_call(call),
            activation_bytes=_bytes(call.output.shape, call.output.dtype),
            receptive_field=field,
        )
        seen.add(id(call.module))


def count_params(model: nnx.Module) -> int:
    """Number of parameters of a model (its `nnx.Param` variables)."""
    return sum(int(leaf.size) for leaf in jax.tree.leaves(_params(model)))


def _params(model: nnx.Module) -> Any:
    return nnx.state(model, nnx.Param)


def _calls(graph: Graph) -> Iterator[tuple[str, list[Node]]]:
    """The nodes of each call of an innermost module, by its path; others by themselves, by ""."""
    blocks = {parent for node in graph.nodes for parent in _parents(node.layer)}

    def key(node: Node) -> tuple[str, object]:
        inside = node.layer and node.layer not in blocks
        return (node.layer, node.call) if inside else ("", node.name)

    for (layer, _), nodes in itertools.groupby(graph.nodes, key):
        yield layer, list(nodes)


def _parents(path: str) -> Iterable[str]:
    """The paths above a path: "a" and "a/b" for "a/b/c"."""
    return itertools.accumulate(path.split("/")[:-1], "{}/{}".format)


def _numbered(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}#{number}" for number in itertools.count(2))


def _bytes(shape: Sequence[int], dtype: Any) -> int:
    return int(jax.ShapeDtypeStruct(shape, dtype).size * jnp.dtype(dtype).itemsize)


def _products(node: Node, graph: Graph) -> int:
    """Products of an input and a weight."""
    kernel = node.arrays["kernel"].shape if "kernel" in node.arrays else ()
    match node.kind:
        case "conv" | "dense":
            return ops.multiply_adds(node.shape, kernel)
        case "depthwise_conv":
            return ops.multiply_adds(node.shape, (*kernel[:2], 1, node.shape[-1]))
        case "conv_transpose":
            return ops.multiply_adds(graph.shape_of(node.inputs[0]), kernel)
        case "flax_conv_transpose":  # each input is multiplied by the whole kernel of its channel
            height, width, _ = graph.shape_of(node.inputs[0])
            return height * width * math.prod(kernel)
    return 0


def _products_of_call(call: Call) -> int:
    own = getattr(call.module, "multiply_adds", None)
    if own is not None:
        return int(own(call.input.shape, call.output.shape))
    kernel = getattr(call.module, "kernel", None)
    return 0 if kernel is None else ops.multiply_adds(call.output.shape, kernel.shape)


def _fields_of_chain(calls: Sequence[Call]) -> list[tuple[int, int] | None]:
    fields: list[tuple[int, int] | None] = []
    windows: list[ops.Window] = []
    upsampled = False
    for call in calls:
        upsampled = upsampled or isinstance(call.module, Conv2DTranspose | UpSampling2D)
        window = getattr(call.module, "window", None)
        if window is not None:
            windows.append(window(call.input.shape[1:3]))
        has_field = len(call.output.shape) == 4 and not upsampled
        fields.append(ops.receptive_field(windows).size if has_field else None)
    return fields
