"""Interprets the pickles of PyTorch's checkpoints: plain values and tensors, nothing else.

A pickle is a program for a stack machine. Python's own machine imports and calls whatever the
program names. This one has the opcodes of pickle protocol 2 that `torch.save` writes; a name is
looked up in a table of accepted names and never imported.
"""

import pickletools
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

# One byte of a pickle may make an object of 64 bytes. A tensor takes about 150 bytes.
MAX_PICKLE_BYTES = 8 * 2**20

_OPCODE_NAMES = {opcode.code: opcode.name for opcode in pickletools.opcodes}  # for messages
_PREFIX = "torch."
# The storage classes, and the dtype of one element in little-endian order.
_DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "bool",
}


@dataclass(frozen=True)
class Storage:
    """A block of numbers that lies elsewhere in the file.

    Attributes:
        key: the name that the file gives it.
        dtype: of the numbers, as NumPy writes it in little-endian order, or "bfloat16".
        elements: how many numbers.
    """

    key: str
    dtype: str
    elements: int


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor of a pickle: elements of a storage, not checked against it.

    Attributes:
        storage: holds the elements.
        offset: of the first element, in elements.
        size: one int >= 0 for each axis.
        stride: in elements, one int >= 0 for each axis.
    """

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(frozen=True)
class Unpickled:
    """The result of one pickle.

    Attributes:
        value: dicts, lists, tuples, str, int, float, bool, None and `Tensor`.
        end: the offset after the pickle.
        storages: all that the pickle names, by key.
    """

    value: object
    end: int
    storages: dict[str, Storage]


@dataclass(frozen=True)
class _StorageClass:
    dtype: str


class _NotATensorError(ValueError):
    """The pickle contains what no tensor needs."""


class _DamagedError(ValueError):
    """The pickle is no valid program."""


def interpret(data: bytes, where: str, start: int = 0) -> Unpickled:
    """Interpret the pickle that begins at `start`.

    Memory is at most about 100 times the size of the pickle, so limit that size.

    Args:
        data: holds the pickle; bytes after its end are not read.
        where: the name of the file, for messages.
        start: the offset of the pickle.

    Raises:
        ValueError: the pickle contains an opcode or a name that is not accepted, or is damaged.
            The message is one line that names the file.
    """
    machine = _Machine(data, start)
    try:
        value = machine.run()
    except _NotATensorError as error:
        raise ValueError(
            f"{where}: contains {error}, which is not a tensor; accepted: a state_dict"
        ) from None
    except _DamagedError as error:
        raise ValueError(f"{where}: damaged pickle at byte {machine.at} ({error})") from None
    return Unpickled(value, machine.at, machine.storages)


# What a name in a pickle stands for: these functions, or the dtype of a storage class.
def _ordered_dict(arguments: tuple[object, ...]) -> object:
    if arguments:
        raise _DamagedError("OrderedDict with arguments")
    return {}


def _tensor(arguments: tuple[object, ...]) -> object:
    """`_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks[, metadata])`."""
    if len(arguments) not in (6, 7):
        raise _DamagedError(f"a tensor of {len(arguments)} arguments")
    storage, offset, size, stride = arguments[:4]
    if not isinstance(storage, Storage):
        raise _DamagedError("a tensor without a storage")
    sizes, strides = _counts(size, "size"), _counts(stride, "stride")
    if len(sizes) != len(strides):
        raise _DamagedError(f"a tensor of {len(sizes)} sizes and {len(strides)} strides")
    return Tensor(storage, _count(offset, "offset"), sizes, strides)


def _parameter(arguments: tuple[object, ...]) -> object:
    """`_rebuild_parameter(data, requires_grad, hooks)`."""
    if len(arguments) != 3 or not isinstance(arguments[0], Tensor):
        raise _DamagedError("a parameter without a tensor")
    return arguments[0]


_Function = Callable[[tuple[object, ...]], object]
_FUNCTIONS: dict[str, _Function] = {
    "collections.OrderedDict": _ordered_dict,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
}


class _Mark:
    """The object that the opcode MARK pushes."""


_MARK = _Mark()


class _Machine:
    """The stack, the memo and the position of one pickle."""

    def __init__(self, data: bytes, start: int) -> None:
        self.at = start
        self.storages: dict[str, Storage] = {}
        self._data = data
        self._stack: list[object] = []
        self._memo: dict[int, object] = {}

    def run(self) -> object:
        while True:
            opcode = self._take(1)
            if opcode == b".":
                value = self._pop()
                if self._stack:
                    raise _DamagedError("values are left over")
                return value
            operation = _OPERATIONS.get(opcode)
            if operation is None:
                name = _OPCODE_NAMES.get(opcode.decode("latin-1"))
                if name is None:
                    raise _DamagedError(f"no opcode {opcode!r}")
                raise _NotATensorError(f"the pickle opcode {name}")
            operation(self)

    def _take(self, count: int) -> bytes:
        taken = self._data[self.at : self.at + count]
        if len(taken) != count:
            raise _DamagedError("it ends too early")
        self.at += count
        return taken

    def _line(self) -> str:
        end = self._data.find(b"\n", self.at, self.at + 1000)
        if end < 0:
            raise _DamagedError("a name without an end")
        line, self.at = self._data[self.at : end], end + 1
        return line.decode("utf-8", "replace")

    def _pop(self) -> object:
        if not self._stack:
            raise _DamagedError("the stack is empty")
        value = self._stack.pop()
        if isinstance(value, _Mark):
            raise _DamagedError("a mark in place of a value")
        return value

    def _pop_to_mark(self) -> list[object]:
        values: list[object] = []
        while self._stack:
            value = self._stack.pop()
            if isinstance(value, _Mark):
                values.reverse()
                return values
            values.append(value)
        raise _DamagedError("no mark")

    def push(self, value: object) -> None:
        self._stack.append(value)

    def protocol(self) -> None:
        version = self._take(1)[0]
        if version != 2:
            raise _NotATensorError(f"pickle protocol {version}, not 2")

    def number(self, layout: str) -> None:
        self.push(struct.unpack(layout, self._take(struct.calcsize(layout)))[0])

    def long(self) -> None:
        self.push(int.from_bytes(self._take(self._take(1)[0]), "little", signed=True))

    def text(self) -> None:
        raw = self._take(int.from_bytes(self._take(4), "little"))
        try:
            self.push(raw.decode("utf-8"))
        except UnicodeDecodeError:
            raise _DamagedError("text that is not UTF-8") from None

    def tuple_of(self, count: int) -> None:
        values = [self._pop() for _ in range(count)]
        self.push(tuple(reversed(values)))

    def tuple_to_mark(self) -> None:
        self.push(tuple(self._pop_to_mark()))

    def extend(self, values: list[object]) -> None:
        target = self._top()
        if not isinstance(target, list):
            raise _DamagedError("no list to append to")
        target.extend(values)

    def append(self) -> None:
        self.extend([self._pop()])

    def appends(self) -> None:
        self.extend(self._pop_to_mark())

    def set_items(self, pairs: list[object]) -> None:
        target = self._top()
        if not isinstance(target, dict) or len(pairs) % 2:
            raise _DamagedError("no dict to put pairs into")
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            # The hash of a nested tuple may exhaust the C stack; many larger ints have one hash.
            if not isinstance(key, str) and (type(key) is not int or abs(key) >= 2**60):
                raise _NotATensorError(f"a dict key of type {type(key).__name__}")
            target[key] = value

    def set_item(self) -> None:
        value, key = self._pop(), self._pop()
        self.set_items([key, value])

    def set_items_to_mark(self) -> None:
        self.set_items(self._pop_to_mark())

    def put(self, width: int) -> None:
        self._memo[int.from_bytes(self._take(width), "little")] = self._top()

    def get(self, width: int) -> None:
        place = int.from_bytes(self._take(width), "little")
        if place not in self._memo:
            raise _DamagedError(f"nothing is stored at {place}")
        self.push(self._memo[place])

    def name(self) -> None:
        name = f"{self._line()}.{self._line()}"
        dtype = _DTYPES.get(name.removeprefix(_PREFIX)) if name.startswith(_PREFIX) else None
        if dtype is not None:
            self.push(_StorageClass(dtype))
        elif name in _FUNCTIONS:
            self.push(_FUNCTIONS[name])
        else:
            raise _NotATensorError(name if name.isprintable() else repr(name))

    def call(self) -> None:
        arguments, function = self._pop(), self._pop()
        if not isinstance(arguments, tuple) or not callable(function):
            raise _DamagedError("a call without function or arguments")
        self.push(function(arguments))

    def build(self) -> None:
        """A state_dict has an attribute `_metadata`, which is not needed."""
        state = self._pop()
        if not isinstance(state, dict) or not isinstance(self._top(), dict):
            raise _NotATensorError("attributes of an object")

    def storage(self) -> None:
        """The persistent id `("storage", class, key, device, elements[, view])`."""
        given = self._pop()
        if not isinstance(given, tuple) or len(given) not in (5, 6) or given[0] != "storage":
            raise _DamagedError("an id that is not of a storage")
        _, kind, key, _, elements = given[:5]
        if not isinstance(kind, _StorageClass) or not isinstance(key, str):
            raise _DamagedError("a storage without class or key")
        if given[5:] not in ((), (None,)):
            raise _NotATensorError("a view of a storage")
        found = Storage(key, kind.dtype, _count(elements, "storage"))
        if self.storages.setdefault(key, found) != found:
            raise _DamagedError(f"two sizes or types of storage {key[:80]!r}")
        self.push(found)

    def _top(self) -> object:
        value = self._pop()
        self.push(value)
        return value


def _count(value: object, what: str) -> int:
    if type(value) is not int or value < 0:
        _bad(what)
    return value


def _counts(value: object, what: str) -> tuple[int, ...]:
    if not isinstance(value, tuple):
        _bad(what)
    return tuple(_count(item, what) for item in value)


def _bad(what: str) -> NoReturn:
    raise _DamagedError(f"a {what} that is not a whole number >= 0")


_OPERATIONS: dict[bytes, Callable[[_Machine], None]] = {
    b"\x80": _Machine.protocol,
    b"c": _Machine.name,
    b"R": _Machine.call,
    b"b": _Machine.build,
    b"Q": _Machine.storage,
    b"(": lambda m: m.push(_MARK),
    b"}": lambda m: m.push({}),
    b"]": lambda m: m.push([]),
    b")": lambda m: m.push(()),
    b"N": lambda m: m.push(None),
    b"\x88": lambda m: m.push(True),
    b"\x89": lambda m: m.push(False),
    b"K": lambda m: m.number("<B"),
    b"M": lambda m: m.number("<H"),
    b"J": lambda m: m.number("<i"),
    b"G": lambda m: m.number(">d"),
    b"\x8a": _Machine.long,
    b"X": _Machine.text,
    b"\x85": lambda m: m.tuple_of(1),
    b"\x86": lambda m: m.tuple_of(2),
    b"\x87": lambda m: m.tuple_of(3),
    b"t": _Machine.tuple_to_mark,
    b"a": _Machine.append,
    b"e": _Machine.appends,
    b"s": _Machine.set_item,
    b"u": _Machine.set_items_to_mark,
    b"q": lambda m: m.put(1),
    b"r": lambda m: m.put(4),
    b"h": lambda m: m.get(1),
    b"j": lambda m: m.get(4),
}
