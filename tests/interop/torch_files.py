"""A writer of PyTorch's checkpoints, with Python's own pickler; PyTorch is not needed."""

import collections
import io
import pickle
import struct
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

DTYPES: dict[str, Any] = {
    "FloatStorage": np.float32,
    "DoubleStorage": np.float64,
    "HalfStorage": np.float16,
    "BFloat16Storage": ml_dtypes.bfloat16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "CharStorage": np.int8,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
}


def stand_in(module: str, name: str) -> type:
    """A class that pickles as a name of another package, such as torch.FloatStorage."""
    return type(name, (), {"__module__": module, "__qualname__": name})


CLASSES = {name: stand_in("torch", name) for name in DTYPES}
REBUILD = stand_in("torch._utils", "_rebuild_tensor_v2")
PARAMETER = stand_in("torch._utils", "_rebuild_parameter")


@dataclass(eq=False)
class FakeStorage:
    """Numbers, and what the pickle says about them where that differs."""

    key: str
    numbers: npt.NDArray[Any]
    elements: int | None = None
    kind: str = ""

    @property
    def persistent(self) -> tuple[object, ...]:
        """The id that the pickle has in place of the storage."""
        kind = self.kind or next(k for k, v in DTYPES.items() if self.numbers.dtype == v)
        elements = self.numbers.size if self.elements is None else self.elements
        return ("storage", CLASSES[kind], self.key, "cuda:0", elements)


@dataclass(eq=False)
class FakeTensor:
    """Pickles as a tensor of PyTorch."""

    storage: FakeStorage
    size: tuple[Any, ...]
    stride: tuple[Any, ...]
    offset: int = 0
    more: tuple[object, ...] = (False, collections.OrderedDict())

    def __reduce__(self) -> tuple[Any, ...]:
        return REBUILD, (self.storage, self.offset, self.size, self.stride, *self.more)


@dataclass(eq=False)
class FakeParameter:
    """Pickles as a parameter of PyTorch."""

    tensor: FakeTensor
    hooks: object = field(default_factory=collections.OrderedDict)

    def __reduce__(self) -> tuple[Any, ...]:
        return PARAMETER, (self.tensor, True, self.hooks)


class _Pickler(pickle._Pickler):  # the one in Python: it pickles classes as the names they claim
    def __init__(self, stream: io.BytesIO, legacy: bool) -> None:
        super().__init__(stream, protocol=2)
        self.legacy = legacy

    def persistent_id(self, obj: object) -> object:
        """What pickle calls to ask whether an object lies outside the pickle."""
        if isinstance(obj, FakeStorage):
            return (*obj.persistent, None) if self.legacy else obj.persistent
        return None


def pickled(content: object, legacy: bool = False) -> bytes:
    stream = io.BytesIO()
    with _torch_modules():
        _Pickler(stream, legacy).dump(content)
    return stream.getvalue()


def dense(numbers: npt.NDArray[Any], key: str = "0") -> FakeTensor:
    """A contiguous tensor with a storage of its own."""
    stride = tuple(step // numbers.itemsize for step in numbers.copy().strides)
    return FakeTensor(FakeStorage(key, numbers.ravel()), numbers.shape, stride)


def storages_of(content: object) -> list[FakeStorage]:
    found: dict[str, FakeStorage] = {}

    def visit(value: object) -> None:
        if isinstance(value, FakeParameter):
            visit(value.tensor)
        elif isinstance(value, FakeTensor):
            found[value.storage.key] = value.storage
        elif isinstance(value, dict):
            for item in value.values():
                visit(item)
        elif isinstance(value, list | tuple):
            for item in value:
                visit(item)

    visit(content)
    return list(found.values())


def members_of(content: object) -> dict[str, bytes]:
    """The members of the archive, in PyTorch's order."""
    members = {"data.pkl": pickled(content), "byteorder": b"little"}
    for storage in storages_of(content):
        members[f"data/{storage.key}"] = storage.numbers.tobytes()
    return members | {"version": b"3\n", ".data/serialization_id": b"123"}


def write_zip(
    path: Path, members: dict[str, bytes], folder: str = "archive/", method: int = 0
) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, raw in members.items():
            archive.writestr(folder + name, raw)
    return path


def save(path: Path, content: object) -> Path:
    """As `torch.save(content, path)` since PyTorch 1.6."""
    return write_zip(path, members_of(content))


def save_legacy(path: Path, content: object) -> Path:
    """As `torch.save(content, path)` before PyTorch 1.6."""
    about = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}
    parts = [pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, about)]
    storages = storages_of(content)
    parts += [pickled(content, legacy=True), pickle.dumps([s.key for s in storages], 2)]
    for storage in storages:
        parts += [struct.pack("<q", storage.numbers.size), storage.numbers.tobytes()]
    path.write_bytes(b"".join(parts))
    return path


@contextmanager
def _torch_modules() -> Iterator[None]:
    """Modules with the stand-ins, since the pickler looks up each name."""
    torch, utils = ModuleType("torch"), ModuleType("torch._utils")
    vars(torch).update(CLASSES, _utils=utils)
    vars(utils).update(_rebuild_tensor_v2=REBUILD, _rebuild_parameter=PARAMETER)
    names = {"torch": torch, "torch._utils": utils}
    before = {name: sys.modules.get(name) for name in names}
    sys.modules.update(names)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
