"""Format a trace as Markdown: one table per row of grids."""

import re
from collections.abc import Iterator, Sequence

from jcnn.trace.parts import Block, Cell, Mark, Part, Row, marks_in

_MARKS: dict[Mark, str] = {
    "": "{}",
    "padding": "({})",
    "chosen": "**[{}]**",
    "wrong": "**!{}**",
    "right": "{}",
    "open": "{}",
}
_LEGEND: dict[Mark, str] = {
    "padding": "( ) padding",
    "chosen": "[ ] the maximum",
    "wrong": "! wrong",
}


def to_markdown(parts: Sequence[Part]) -> str:
    """Format as Markdown; "(0)" is padding, "[8]" a maximum, "!22" a wrong number."""
    paragraphs = [_part(part) for part in parts]
    if legend := [words for mark, words in _LEGEND.items() if mark in marks_in(parts)]:
        paragraphs.append(_escaped(", ".join(legend)))
    return "\n\n".join(paragraphs) + "\n"


def _part(part: Part) -> str:
    if isinstance(part, Row):
        return "\n".join(_table(part))
    text = _escaped(part.text)
    return f"**{text}**" if part.tone in ("title", "wrong") else text


def _table(row: Row) -> Iterator[str]:
    """One table with the columns of all grids, since Markdown has no tables side by side."""
    height = max(len(item.rows) for item in row.items if isinstance(item, Block))
    columns = [column for item in row.items for column in _columns(item, height)]
    yield _line([column[0] for column in columns])
    yield _line(["--:"] * len(columns))
    for number in range(height):
        yield _line([column[1 + number] for column in columns])


def _columns(item: Block | str, height: int) -> Iterator[list[str]]:
    """The columns of a grid or an operator: a heading and `height` cells each."""
    if isinstance(item, str):
        yield ["", *(_escaped(item) if row == (height - 1) // 2 else "" for row in range(height))]
        return
    if item.names:
        yield ["", *map(_escaped, item.names), *[""] * (height - len(item.names))]
    for place in range(len(item.rows[0])):
        cells = [_cell(row[place]) for row in item.rows]
        title = _escaped(item.title) if place == 0 else ""
        yield [title, *cells, *[""] * (height - len(cells))]


def _cell(cell: Cell) -> str:
    return _MARKS[cell.mark].format(_escaped(cell.text))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_|<>~$&])", r"\\\1", text)
