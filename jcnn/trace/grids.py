"""Parse grids of numbers from text: ";" or a newline ends a row, "|" or an empty line a channel."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

from jcnn.trace.numbers import Number, exact, parse_decimal, parse_number

Grid = tuple[tuple[Number, ...], ...]
Stack = tuple[Grid, ...]  # one grid per channel, all of the same size

MOST_NUMBERS = 65_536

Figure = TypeVar("Figure")


@dataclass(frozen=True)
class Printed:
    """A printed number.

    Attributes:
        text: as printed.
        value: its value.
        tolerance: largest accepted distance to the computed number: half a unit of the last
            printed decimal, 0 for an integer.
    """

    text: str
    value: Number
    tolerance: Number


PrintedStack = tuple[tuple[tuple[Printed | None, ...], ...], ...]  # None is not compared


def parse_stack(text: str) -> Stack:
    """Parse text such as "0 1; 1 0", or "1 2; 3 4 | 5 6; 7 8" for two channels.

    Args:
        text: numbers separated by spaces or a comma, rows by ";" or newlines, channels by "|" or
            an empty line.

    Returns:
        One grid per channel.

    Raises:
        ValueError: the text is empty, ragged, too large, or not numeric. The message does not
            name the argument.
    """
    return _parse(text, parse_number)


def parse_printed(text: str) -> PrintedStack:
    """Parse printed numbers from text as for `parse_stack`; "?" and "." are not compared.

    Raises:
        ValueError: as for `parse_stack`.
    """
    return _parse(text, _printed)


def shape_of(stack: Stack) -> tuple[int, int, int]:
    """`(H, W, C)` of a stack."""
    return len(stack[0]), len(stack[0][0]), len(stack)


def by_size(grid: Grid) -> str:
    """The size of a grid, such as "5x3"."""
    return f"{len(grid)}x{len(grid[0])}"


def _printed(text: str) -> Printed | None:
    if text in ("?", "."):
        return None
    number = parse_decimal(text)
    exponent = number.as_tuple().exponent
    decimals = -exponent if isinstance(exponent, int) and exponent < 0 else 0
    tolerance = Fraction(1, 2 * 10**decimals) if decimals else 0
    return Printed(text, exact(number), tolerance)


def _parse(
    text: str, figure: Callable[[str], Figure]
) -> tuple[tuple[tuple[Figure, ...], ...], ...]:
    if not text.strip():
        raise ValueError("empty; accepted: numbers such as '0 1; 1 0'")
    channels = re.split(r"\||\n[^\S\n]*(?:\n[^\S\n]*)+", text.strip())
    stack = []
    left = MOST_NUMBERS
    for number, channel in enumerate(channels):
        where = f"channel {number}, " if len(channels) > 1 else ""
        grid = _grid(channel, where, figure, left)
        left -= len(grid) * len(grid[0])
        stack.append(grid)
        if (len(grid), len(grid[0])) != (len(stack[0]), len(stack[0][0])):
            raise ValueError(
                f"channel {number} is {len(grid)}x{len(grid[0])}; "
                f"accepted: {len(stack[0])}x{len(stack[0][0])}, as channel 0"
            )
    return tuple(stack)


def _grid(
    text: str, where: str, figure: Callable[[str], Figure], limit: int
) -> tuple[tuple[Figure, ...], ...]:
    lines = re.split(r";[^\S\n]*\n|;|\n", text.strip().removesuffix(";"))
    rows: list[tuple[Figure, ...]] = []
    for number, line in enumerate(lines):
        words = re.split(r"\s*,\s*|\s+", line.strip())
        if "" in words:
            raise ValueError(f"{where}row {number} has an empty place; accepted: numbers only")
        if rows and len(words) != len(rows[0]):
            raise ValueError(
                f"{where}row {number} has {len(words)} numbers; "
                f"accepted: {len(rows[0])}, as in row 0"
            )
        limit -= len(words)
        if limit < 0:
            raise ValueError(f"too large; accepted: up to {MOST_NUMBERS:,} numbers")
        try:
            rows.append(tuple(figure(word) for word in words))
        except ValueError as error:
            raise ValueError(f"{where}row {number}: {error}") from None
    return tuple(rows)
