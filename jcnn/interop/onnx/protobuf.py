"""Protobuf's encoding, read with every length checked.

Reference: https://protobuf.dev/programming-guides/encoding.
"""

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

_MAX_FIELDS = 1_000_000


def fields(content: Any) -> Iterator[tuple[int, Any]]:
    """The fields of a message: an int, the 4 or 8 bytes of a number, or a view of the content."""
    content = view(content)
    at, end, count = 0, len(content), 0
    while at < end:
        count += 1
        if count > _MAX_FIELDS:
            raise ValueError(f"is damaged: more than {_MAX_FIELDS:,} fields in a message")
        key, at = _varint(content, at)
        number, kind = key >> 3, key & 7
        if not 1 <= number < 2**29:
            raise ValueError("is damaged: a field without a number")
        if kind == 0:
            value, at = _varint(content, at)
            yield number, value
            continue
        if kind == 2:
            size, at = _varint(content, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"is damaged: a field of the unknown type {kind}")
        if size > end - at:
            raise ValueError("is damaged: a field ends behind its message")
        yield number, content[at : at + size]
        at += size


def _varint(content: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(content) or shift > 63:
            raise ValueError("is damaged: a number has no end")
        byte = content[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value & (2**64 - 1), at


def numbers(found: Any, wanted: int, form: str | None) -> list[Any]:
    """A repeated number, each in a field of its own or many in one; `form` is a fixed width's."""
    made: list[Any] = []
    for number, value in found:
        if number != wanted:
            continue
        if isinstance(value, int) and form is None:
            made.append(signed(value))
            continue
        value = view(value)
        if form is not None:
            if len(value) % struct.calcsize(form):
                raise ValueError("is damaged: a list of numbers is cut off")
            made.extend(np.frombuffer(value, form).tolist())
        else:
            at = 0
            while at < len(value):
                one, at = _varint(value, at)
                made.append(signed(one))
    return made


def signed(value: Any) -> int:
    """A field that is an integer, with its sign."""
    if not isinstance(value, int):
        raise ValueError("is damaged: a number has another type")
    return value - 2**64 if value >= 2**63 else value


def float32(value: Any) -> float:
    """A field that is a number."""
    if isinstance(value, float):
        return value
    if not isinstance(value, memoryview) or len(value) != 4:
        raise ValueError("is damaged: a number has another type")
    return float(struct.unpack("<f", value)[0])


def view(value: Any) -> memoryview:
    """A field that is a message, or bytes."""
    if isinstance(value, bytes):
        return memoryview(value)
    if not isinstance(value, memoryview):
        raise ValueError("is damaged: a part has another type")
    return value


def text(value: Any) -> str:
    """A field that is a text."""
    try:
        return str(view(value), "utf-8")
    except UnicodeDecodeError:
        raise ValueError("is damaged: a name is not UTF-8") from None
