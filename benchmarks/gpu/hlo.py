"""Reads the copies and transposes in the text of a compiled program."""

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

_SIZES = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "f32": 4, "s32": 4, "u32": 4}
_MOVE = re.compile(r"= (\w+)\[([\d,]*)\]\S* (copy|transpose)\(")


class Move(NamedTuple):
    """One copy or transpose: what it is, such as "copy f32[8,4]", its numbers and its bytes."""

    text: str
    numbers: int
    size: int


def moves(hlo: str) -> Iterator[Move]:
    """Every copy and transpose of a program, including those in the bodies of fusions.

    Args:
        hlo: text of `compiled.as_text()`.
    """
    for dtype, dims, kind in _MOVE.findall(hlo):
        numbers = math.prod(int(dim) for dim in dims.split(",") if dim)
        yield Move(f"{kind} {dtype}[{dims}]", numbers, numbers * _SIZES.get(dtype, 4))
