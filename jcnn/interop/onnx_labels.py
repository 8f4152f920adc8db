"""Names for the layers of an ONNX file."""

import re

from jcnn.interop.onnx_decode import OnnxOperation

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
