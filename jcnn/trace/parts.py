"""The format-independent layout of a trace: lines of text, and rows of grids."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from jcnn.trace.numbers import Number, show_number

Mark = Literal["", "padding", "chosen", "wrong", "right", "open"]
Kind = Literal["input", "kernel", "product", "output"]
Tone = Literal["title", "text", "wrong", "right"]

TIMES = "\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True)
class Cell:
    """One number as text, with a mark."""

    text: str
    mark: Mark = ""


@dataclass(frozen=True)
class Block:
    """A grid of cells with a title; `names`, if not empty, are its row headings."""

    title: str
    rows: tuple[tuple[Cell, ...], ...]
    kind: Kind = "input"
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """Grids side by side, with operators between them."""

    items: tuple[Block | str, ...]


@dataclass(frozen=True)
class Line:
    """A line of text."""

    text: str
    tone: Tone = "text"


Part = Row | Line


def block(
    title: str,
    grid: Iterable[Iterable[Number | None]],
    kind: Kind = "input",
    *,
    chosen: Sequence[tuple[int, int]] = (),
    padding: str = "0",
    names: tuple[str, ...] = (),
) -> Block:
    """Make a grid of numbers; None is padding, shown as `padding`; `chosen` cells are marked."""
    places = set(chosen)
    rows = tuple(
        tuple(
            Cell(padding, "padding")
            if number is None
            else Cell(show_number(number), "chosen" if (r, c) in places else "")
            for c, number in enumerate(row)
        )
        for r, row in enumerate(grid)
    )
    return Block(title, rows, kind, names)


def column(title: str, numbers: Iterable[Number], kind: Kind = "input") -> Block:
    """Make a grid of one column."""
    return block(title, ((number,) for number in numbers), kind)


def marks_in(parts: Iterable[Part]) -> set[Mark]:
    """The set of all marks in use."""
    return {
        cell.mark
        for part in parts
        if isinstance(part, Row)
        for item in part.items
        if isinstance(item, Block)
        for row in item.rows
        for cell in row
    }
