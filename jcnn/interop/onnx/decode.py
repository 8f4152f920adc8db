"""Reads the messages of ONNX files from protobuf's encoding; every length is checked.

Arrays stay views of the file until they are asked for. Numbers are the fields of onnx.proto.

Reference: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

import math
import mmap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import numpy.typing as npt

from jcnn.interop.onnx.protobuf import fields, float32, numbers, signed, text, view
from jcnn.system.formats import check_file

Array = npt.NDArray[Any]

_MAX_NODES, _MAX_AXES = 20_000, 16
_LARGEST = 2**40

DTYPES: dict[int, Any] = {
    1: np.float32,
    2: np.uint8,
    3: np.int8,
    4: np.uint16,
    5: np.int16,
    6: np.int32,
    7: np.int64,
    9: np.bool_,
    10: np.float16,
    11: np.float64,
    12: np.uint32,
    13: np.uint64,
    16: ml_dtypes.bfloat16,
}
# The field with the numbers of a dtype, where they are not raw, and their form: of fixed width, or
# None. Other dtypes are in field 5; 16-bit floats are there as bits.
_LISTED: dict[int, tuple[int, str | None]] = {
    1: (4, "<f"),
    11: (10, "<d"),
    7: (7, None),
    12: (11, None),
    13: (11, None),
}


@dataclass(frozen=True)
class OnnxTensor:
    """A constant array, still in its file.

    Attributes:
        data_type: number of its dtype in onnx.proto.
        parts: `(field, content)` of the fields with its numbers.
        outside: where its numbers are, by key, if they are in another file.
        folder: of the ONNX file.
    """

    name: str
    shape: tuple[int, ...]
    data_type: int
    parts: tuple[tuple[int, Any], ...]
    outside: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Its dtype.

        Raises:
            ValueError: it is none of NumPy's.
        """
        if self.data_type not in DTYPES:
            raise ValueError(f"the array {self.name!r} is of data type {self.data_type}")
        found: np.dtype[Any] = np.dtype(DTYPES[self.data_type])
        return found

    def array(self) -> Array:
        """Its numbers, read-only and perhaps in the file.

        Raises:
            ValueError: they are missing, or more or fewer than the shape says.
        """
        dtype = self.dtype.newbyteorder("<")
        if self.outside:
            return _outside(self, dtype)
        raw = [content for number, content in self.parts if number == 9]
        if raw:
            return self._shaped(np.frombuffer(self._whole(raw[-1], dtype), dtype))
        number, form = _LISTED.get(self.data_type, (5, None))
        listed = np.array(numbers(self.parts, number, form), np.float64 if form else np.int64)
        if listed.size != self.size:
            raise ValueError(f"the array {self.name!r} has {listed.size} numbers, not {self.size}")
        if self.data_type in (10, 16):
            return self._shaped(listed.astype(np.uint16).view(dtype))
        return self._shaped(listed.astype(dtype))

    def check(self) -> None:
        """Raise as `array` does, without reading the numbers of large arrays."""
        dtype = self.dtype.newbyteorder("<")
        if self.outside:
            _place(self, dtype)
            return
        raw = [content for number, content in self.parts if number == 9]
        if raw:
            self._whole(raw[-1], dtype)
        else:
            self.array()

    def _whole(self, content: memoryview, dtype: np.dtype[Any]) -> memoryview:
        if len(content) != self.size * dtype.itemsize:
            raise ValueError(
                f"the array {self.name!r} has {len(content):,} bytes, "
                f"not {self.size * dtype.itemsize:,}"
            )
        return content

    def _shaped(self, array: Array) -> Array:
        return array.reshape(self.shape)


@dataclass(frozen=True)
class OnnxOperation:
    """A node of the file: names of its inputs and outputs ("" for none), and its attributes."""

    name: str
    kind: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


class OnnxInput(NamedTuple):
    """An input or output: number of its dtype, and its sizes, None for one without a number."""

    name: str
    data_type: int
    sizes: tuple[int | None, ...] | None


@dataclass(frozen=True)
class OnnxModel:
    """The content of a file.

    Attributes:
        producer: name and version of the program that wrote it.
        opset: version of ONNX's operations.
        inputs: without those that are constants.
        metadata: texts by name.
    """

    producer: str
    opset: int
    nodes: tuple[OnnxOperation, ...]
    constants: Mapping[str, OnnxTensor]
    inputs: tuple[OnnxInput, ...]
    outputs: tuple[OnnxInput, ...]
    metadata: Mapping[str, str]


def decode_onnx(path: Path) -> OnnxModel:
    """Read a file's messages; its arrays are not read yet.

    Raises:
        ValueError: the file is damaged, or has a part that jcnn never reads.
    """
    check_file(path, "an ONNX model")
    with path.open("rb") as stream:
        if stream.seek(0, 2) == 0:
            raise ValueError("is empty")
        content = memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
    return _model(content, path.parent)


# --- messages -------------------------------------------------------------------------------------


def _model(content: memoryview, folder: Path) -> OnnxModel:
    opsets: dict[str, int] = {}
    producer, metadata = ["", ""], {}
    graph: memoryview | None = None
    for number, value in fields(content):
        if number in (2, 3):
            producer[number - 2] = text(value)
        elif number == 7:
            if graph is not None:
                raise ValueError("has two graphs")
            graph = view(value)
        elif number == 8:
            entry = dict(fields(value))
            opsets[text(entry.get(1, b""))] = signed(entry.get(2, 0))
        elif number == 14:
            entry = dict(fields(value))
            metadata[text(entry.get(1, b""))] = text(entry.get(2, b""))
    if graph is None:
        raise ValueError("has no graph")
    opset = opsets.get("", opsets.get("ai.onnx", 1))
    return _graph(graph, folder, " ".join(producer).strip(), opset, metadata)


def _graph(
    content: memoryview, folder: Path, producer: str, opset: int, metadata: dict[str, str]
) -> OnnxModel:
    nodes: list[OnnxOperation] = []
    constants: dict[str, OnnxTensor] = {}
    inputs: list[OnnxInput] = []
    outputs: list[OnnxInput] = []
    for number, value in fields(content):
        if number == 1:
            nodes.append(_node(value, folder))
            if len(nodes) > _MAX_NODES:
                raise ValueError(f"has more than {_MAX_NODES:,} nodes")
        elif number == 5:
            tensor = _tensor(value, folder)
            if tensor.name in constants:
                raise ValueError(f"has two arrays {tensor.name!r}")
            constants[tensor.name] = tensor
        elif number in (11, 12):
            (inputs if number == 11 else outputs).append(_input(value))
        elif number == 15:
            raise ValueError("has sparse arrays; accepted: dense ones")
    given = tuple(one for one in inputs if one.name not in constants)
    return OnnxModel(producer, opset, tuple(nodes), constants, given, tuple(outputs), metadata)


def _node(content: Any, folder: Path) -> OnnxOperation:
    inputs: list[str] = []
    outputs: list[str] = []
    attributes: dict[str, Any] = {}
    texts = {3: "", 4: "", 7: ""}
    for number, value in fields(content):
        if number == 1:
            inputs.append(text(value))
        elif number == 2:
            outputs.append(text(value))
        elif number == 5:
            name, found = _attribute(value, folder)
            attributes[name] = found
        elif number in texts:
            texts[number] = text(value)
    return OnnxOperation(texts[3], texts[4], texts[7], tuple(inputs), tuple(outputs), attributes)


def _attribute(content: Any, folder: Path) -> tuple[str, Any]:
    """Its name, and an int, float, text, tensor, or list; None for what no layer has."""
    found = list(fields(content))
    single = dict(found)
    name = text(single.get(1, b""))
    # Files before 2017 have no type: it is that of the field that is there.
    kind = single.get(20) or next(
        (kind for kind, number in _KINDS.items() if number in single and kind < 6), 0
    )
    match kind:
        case 1:
            return name, float32(single.get(2, 0.0))
        case 2:
            return name, signed(single.get(3, 0))
        case 3:
            return name, text(single.get(4, b""))
        case 4 if 5 in single:
            return name, _tensor(single[5], folder)
        case 6 | 7:
            return name, numbers(found, _KINDS[kind], "<f" if kind == 6 else None)
        case 8:
            return name, [text(value) for number, value in found if number == 9]
    return name, None


# The field of each type of attribute.
_KINDS = {1: 2, 2: 3, 3: 4, 4: 5, 6: 7, 7: 8}


def _tensor(content: Any, folder: Path) -> OnnxTensor:
    parts: list[tuple[int, Any]] = []
    outside: dict[str, str] = {}
    name, kind, location = "", 0, 0
    found = list(fields(content))
    for number, value in found:
        if number == 2:
            kind = signed(value)
        elif number == 8:
            name = text(value)
        elif number in (4, 5, 7, 9, 10, 11):
            parts.append((number, view(value) if number == 9 else value))
        elif number == 13:
            entry = dict(fields(value))
            outside[text(entry.get(1, b""))] = text(entry.get(2, b""))
        elif number == 14:
            location = signed(value)
    shape = tuple(numbers(found, 1, None))
    if len(shape) > _MAX_AXES or any(size < 0 for size in shape) or math.prod(shape) > _LARGEST:
        raise ValueError(f"the array {name!r} has shape {str(shape)[:80]}")
    return OnnxTensor(name, shape, kind, tuple(parts), outside if location == 1 else {}, folder)


def _input(content: Any) -> OnnxInput:
    name, kind = "", 0
    sizes: tuple[int | None, ...] | None = None
    for number, value in fields(content):
        if number == 1:
            name = text(value)
        elif number == 2:
            tensor = dict(fields(dict(fields(value)).get(1, memoryview(b""))))
            kind = signed(tensor.get(1, 0))
            if 2 in tensor:
                dims = [dict(fields(dim)) for one, dim in fields(tensor[2]) if one == 1]
                sizes = tuple(signed(dim[1]) if 1 in dim else None for dim in dims)
    # Some exporters write a free size as 0 or -1.
    free = None if sizes is None else tuple(s if s is not None and s > 0 else None for s in sizes)
    return OnnxInput(name, kind, free)


def _place(tensor: OnnxTensor, dtype: np.dtype[Any]) -> tuple[Path, int, int]:
    """The file that has an array's numbers, where they start, and how many bytes.

    Raises:
        ValueError: there is no such place.
    """
    location = tensor.outside.get("location", "")
    where = f"the array {tensor.name!r}: its file {location[:80]!r}"
    parts = PurePosixPath(location).parts
    plain = location and "\\" not in location and ":" not in location and "\0" not in location
    if not plain or location.startswith("/") or ".." in parts or tensor.folder is None:
        raise ValueError(f"{where}: accepted: a name inside the model's folder")
    path = tensor.folder
    for part in parts:
        path /= part
        if path.is_symlink():
            raise ValueError(f"{where} is a link; accepted: a file")
    if not path.is_file():
        raise ValueError(f"{where} is missing")
    offset, length = (tensor.outside.get(key) for key in ("offset", "length"))
    size = tensor.size * dtype.itemsize
    given = [one for one in (offset, length) if one is not None]
    if any(not (one.isascii() and one.isdigit() and len(one) < 19) for one in given):
        raise ValueError(f"{where}: offset {offset!r} and length {length!r}")
    start = int(offset or 0)
    if int(size if length is None else length) != size or start + size > path.stat().st_size:
        raise ValueError(f"{where} has not the {size:,} bytes from {start:,} on")
    return path, start, size


def _outside(tensor: OnnxTensor, dtype: np.dtype[Any]) -> Array:
    """The numbers of an array in another file."""
    path, start, size = _place(tensor, dtype)
    with path.open("rb") as stream:
        stream.seek(start)
        content = stream.read(size)
    return tensor._shaped(np.frombuffer(tensor._whole(memoryview(content), dtype), dtype))
