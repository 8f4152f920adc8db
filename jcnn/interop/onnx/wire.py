"""Writes ONNX files: the few messages of onnx.proto that a network needs, in protobuf's encoding.

The package `onnx` takes 31 MB to do this. Numbers are the fields of onnx.proto (IR version 8).

Reference: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto and
https://protobuf.dev/programming-guides/encoding.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Attribute = int | float | str | Sequence[int] | npt.NDArray[Any]

_TYPES = {"float32": 1, "uint8": 2, "int64": 7, "bool": 9}
_IR_VERSION = 8


@dataclass(frozen=True)
class OnnxNode:
    """One operation: names of its inputs and its output, and its attributes."""

    kind: str
    inputs: tuple[str, ...]
    output: str
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


@dataclass(frozen=True)
class Tensor:
    """An input or output: its name, dtype and shape; a str is a size without a number."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


def encode_model(
    name: str,
    nodes: Iterable[OnnxNode],
    arrays: Mapping[str, npt.NDArray[Any]],
    input_tensor: Tensor,
    output: Tensor,
    *,
    opset: int,
    version: str,
    metadata: Mapping[str, str],
) -> bytes:
    """The bytes of an ONNX file.

    Args:
        name: of the graph.
        nodes: in the order of computation.
        arrays: constants by name.
        input_tensor, output: of the graph.
        opset: version of the operations.
        version: of jcnn.
        metadata: texts by name.
    """
    graph = b"".join(
        [
            *(_message(1, _node(node, number)) for number, node in enumerate(nodes)),
            _text(2, name),
            *(_message(5, _array(array, key)) for key, array in arrays.items()),
            _message(11, _tensor(input_tensor)),
            _message(12, _tensor(output)),
        ]
    )
    return b"".join(
        [
            _integer(1, _IR_VERSION),
            _text(2, "jcnn"),
            _text(3, version),
            _message(7, graph),
            _message(8, _text(1, "") + _integer(2, opset)),
            *(_message(14, _text(1, key) + _text(2, text)) for key, text in metadata.items()),
        ]
    )


# --- messages -------------------------------------------------------------------------------------


def _node(node: OnnxNode, number: int) -> bytes:
    return b"".join(
        [
            *(_text(1, one) for one in node.inputs),
            _text(2, node.output),
            _text(3, f"{node.kind}_{number}"),
            _text(4, node.kind),
            *(_message(5, _attribute(key, value)) for key, value in node.attributes.items()),
        ]
    )


def _attribute(name: str, value: Attribute) -> bytes:
    head = _text(1, name)
    if isinstance(value, np.ndarray):
        return head + _message(5, _array(value, "")) + _integer(20, 4)
    if isinstance(value, str):
        return head + _text(4, value) + _integer(20, 3)
    if isinstance(value, float):
        return head + _key(2, 5) + struct.pack("<f", value) + _integer(20, 1)
    if isinstance(value, int):
        return head + _integer(3, value) + _integer(20, 2)
    return head + b"".join(_integer(8, one) for one in value) + _integer(20, 7)


def _array(array: npt.NDArray[Any], name: str) -> bytes:
    little = array.astype(array.dtype.newbyteorder("<"))
    return b"".join(
        [
            *(_integer(1, size) for size in array.shape),
            _integer(2, _TYPES[array.dtype.name]),
            *([_text(8, name)] if name else []),
            _message(9, np.ascontiguousarray(little).tobytes()),
        ]
    )


def _tensor(tensor: Tensor) -> bytes:
    sizes = b"".join(
        _message(1, _text(2, size) if isinstance(size, str) else _integer(1, size))
        for size in tensor.shape
    )
    kind = _integer(1, _TYPES[tensor.dtype]) + _message(2, sizes)
    return _text(1, tensor.name) + _message(2, _message(1, kind))


# --- protobuf -------------------------------------------------------------------------------------


def _message(number: int, content: bytes) -> bytes:
    return _key(number, 2) + _varint(len(content)) + content


def _text(number: int, text: str) -> bytes:
    return _message(number, text.encode())


def _integer(number: int, value: int) -> bytes:
    return _key(number, 0) + _varint(value % 2**64)


def _key(number: int, kind: int) -> bytes:
    return _varint(number << 3 | kind)


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)
