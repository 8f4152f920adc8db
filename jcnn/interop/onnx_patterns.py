"""Layers that exporters write as several operations, put together again."""

from collections import Counter
from dataclasses import replace

from jcnn.interop.onnx_decode import OnnxModel, OnnxOperation, OnnxTensor

# Of the operation that stands for `(x - mean) / sqrt(variance + epsilon)` over `axes`.
DOMAIN, STANDARDISE = "jcnn", "Standardise"


def with_standardising(model: OnnxModel) -> tuple[OnnxOperation, ...]:
    """The nodes of a model; a written-out standardisation is one node."""
    made_by = {name: node for node in model.nodes for name in node.outputs}
    readers = Counter(name for node in model.nodes for name in node.inputs)
    readers.update(output.name for output in model.outputs)
    changed: dict[int, OnnxOperation] = {}
    gone: set[int] = set()
    for node in model.nodes:
        found = _standardising(model, node, made_by) if node.kind == "Div" else None
        if found is None:
            continue
        x, axes, epsilon, parts = found
        inside = Counter(name for part in (*parts, node) for name in part.inputs)
        if all(readers[name] == inside[name] for part in parts for name in part.outputs):
            attributes = {"axes": axes, "epsilon": epsilon}
            changed[id(node)] = replace(
                node, kind=STANDARDISE, domain=DOMAIN, inputs=(x,), attributes=attributes
            )
            gone.update(id(part) for part in parts)
    return tuple(changed.get(id(node), node) for node in model.nodes if id(node) not in gone)


def _standardising(
    model: OnnxModel, node: OnnxOperation, made_by: dict[str, OnnxOperation]
) -> tuple[str, list[int], float, list[OnnxOperation]] | None:
    """The input, axes and epsilon of what ends in this division, and its other operations."""
    centred, root = (made_by.get(name) for name in node.inputs)
    added = _before(root, "Sqrt", made_by)
    variance = _before(added, "Add", made_by)
    squares = _before(variance, "ReduceMean", made_by)
    mean = made_by.get(centred.inputs[1]) if centred and centred.kind == "Sub" else None
    if not centred or not root or not added or not variance or not squares or not mean:
        return None
    x = centred.inputs[0]
    itself = centred.outputs[0]
    power = squares.kind == "Pow" and squares.inputs[0] == itself
    squared = power and _number(model, squares.inputs[1], made_by) == 2
    squared = squared or (squares.kind == "Mul" and squares.inputs == (itself, itself))
    epsilon = _number(model, added.inputs[1], made_by)
    axes = [_axes(model, one, made_by) for one in (mean, variance)]
    if mean.kind != "ReduceMean" or mean.inputs[0] != x or not squared or epsilon is None:
        return None
    if axes[0] is None or axes[0] != axes[1]:
        return None
    return x, axes[0], epsilon, [mean, centred, squares, variance, added, root]


def _before(
    node: OnnxOperation | None, kind: str, made_by: dict[str, OnnxOperation]
) -> OnnxOperation | None:
    """What gives the first input of a node, if the node is of this kind."""
    return made_by.get(node.inputs[0]) if node and node.kind == kind and node.inputs else None


def _tensor(model: OnnxModel, name: str, made_by: dict[str, OnnxOperation]) -> OnnxTensor | None:
    node = made_by.get(name)
    found = node.attributes.get("value") if node and node.kind == "Constant" else None
    tensor = found if isinstance(found, OnnxTensor) else model.constants.get(name)
    return tensor if tensor is not None and tensor.size <= 8 else None


def _number(model: OnnxModel, name: str, made_by: dict[str, OnnxOperation]) -> float | None:
    tensor = _tensor(model, name, made_by)
    return float(tensor.array().reshape(-1)[0]) if tensor is not None and tensor.size == 1 else None


def _axes(
    model: OnnxModel, node: OnnxOperation, made_by: dict[str, OnnxOperation]
) -> list[int] | None:
    if not node.attributes.get("keepdims", 1):
        return None
    if len(node.inputs) > 1:
        tensor = _tensor(model, node.inputs[1], made_by)
        return None if tensor is None else [int(axis) for axis in tensor.array().reshape(-1)]
    found = node.attributes.get("axes")
    return list(found) if isinstance(found, list) else None
