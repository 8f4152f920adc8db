"""Names for the layers of an ONNX file."""

import re
from collections.abc import Mapping
from dataclasses import replace

from jcnn.graph import INPUT, Node
from jcnn.interop.onnx.decode import OnnxOperation

_ROLES = ("weight", "kernel", "bias", "scale", "mean", "running_mean", "gamma", "beta")


def label_of_array(name: str) -> str:
    """The layer of an array such as "stage1.0.conv.weight"; "" if its name does not say."""
    start, _, role = name.rpartition(".")
    if role not in _ROLES or "::" in start:
        return ""
    return _printable(start if "/" in start else start.replace(".", "/"))


def label_of(node: OnnxOperation, producer: str) -> str:
    """A name for the layer of a node."""
    if producer.startswith("jcnn"):
        return _printable(node.outputs[0])
    for name in node.inputs[1:]:
        if label := label_of_array(name):
            return label
    name = (node.name or node.outputs[0]).strip("/")
    name = re.sub(rf"/{re.escape(node.kind)}(_\d+)?$", "", name) or name
    name = re.sub(r"/(BiasAdd|Conv2D|MatMul|depthwise)$", "", name)  # TensorFlow's
    # PyTorch writes "layer1/layer1.0/layer1.0.conv1".
    parts = name.split("/")
    kept = [
        part[len(before) + 1 :] if part.startswith(f"{before}.") else part
        for before, part in zip(["", *parts[:-1]], parts, strict=True)
    ]
    return _printable("/".join(kept))


def _printable(name: str) -> str:
    name = name[-120:]
    return name if name.isprintable() else repr(name)[1:-1]


def named(
    nodes: Mapping[str, Node], labels: Mapping[str, str], output: str
) -> tuple[tuple[Node, ...], str]:
    """The nodes that the output needs, with their names, and the name of the output.

    Args:
        nodes: by key, in the order of computation; their inputs are keys.
        labels: a name for each, which others may have, too.
        output: key of the last node.
    """
    needed = {output}
    for key in reversed(list(nodes)):
        if key in needed:
            needed.update(nodes[key].inputs)
    blocks = {label.rpartition("/")[0] for label in labels.values()}
    names, taken = {INPUT: INPUT}, {INPUT}
    made = []
    for key, node in nodes.items():
        if key not in needed:
            continue
        label = labels[key] or node.kind
        # What a block computes at its end has only the name of the block.
        label = f"{label} {node.kind}" if label in blocks else label
        names[key] = _free(label, node.kind, taken)
        taken.add(names[key])
        inputs = tuple(names[one] for one in node.inputs)
        paths = {role: f"{names[key]}/{role}" for role in node.paths}
        made.append(replace(node, name=names[key], inputs=inputs, paths=paths))
    return tuple(made), names[output]


def _free(label: str, kind: str, taken: set[str]) -> str:
    free, number = label, 1
    if free in taken and kind not in label:
        free = label = f"{label} {kind}"
    while free in taken:
        number += 1
        free = f"{label}#{number}"
    return free
