"""Format a trace as coloured text for the width of a terminal.

Marks are characters as well as colours, so that they show without colour too: "(0)" is padding,
"[8]" a maximum, "!22" a wrong number.
"""

from collections.abc import Iterable, Iterator, Sequence

from rich.text import Text

from jcnn.trace.parts import Block, Cell, Mark, Part, Row, marks_in

_GAP = 3
_MARKS: dict[Mark, tuple[str, str, str]] = {  # before, after, style
    "": ("", "", ""),
    "padding": ("(", ")", "dim"),
    "chosen": ("[", "]", "bold green"),
    "wrong": ("!", "", "bold red"),
    "right": ("", "", "green"),
    "open": ("", "", "dim"),
}
_KINDS = {"input": "", "kernel": "cyan", "product": "yellow", "output": "bold"}
_TONES = {"title": "bold", "text": "", "wrong": "bold red", "right": "green"}
_LEGEND: dict[Mark, str] = {
    "padding": "( ) padding",
    "chosen": "[ ] the maximum",
    "wrong": "! wrong",
}


def lay_out(parts: Sequence[Part], width: int) -> list[Text]:
    """Lay out a trace in lines of at most `width` columns; a number is never broken.

    Args:
        parts: the trace.
        width: columns of the terminal.
    """
    lines: list[Text] = []
    before: Part | None = None
    for part in parts:
        apart = isinstance(part, Row) or part.tone == "title"
        if lines and lines[-1].plain and (apart or isinstance(before, Row)):
            lines.append(Text())
        if isinstance(part, Row):
            lines += _row(part, width)
        else:
            lines += _wrapped(part.text, _TONES[part.tone], width)
        before = part
    if legend := [words for mark, words in _LEGEND.items() if mark in marks_in(parts)]:
        lines += _wrapped(", ".join(legend), "dim", width)
    return lines


def _wrapped(text: str, style: str, width: int) -> Iterator[Text]:
    line = ""
    for word in text.split(" "):
        if line and len(line) + 1 + len(word) > width:
            yield Text(line, style)
            line = f"  {word}"
        else:
            line = f"{line} {word}" if line else word
    yield Text(line, style)


def _row(row: Row, width: int) -> Iterator[Text]:
    """Grids side by side; a grid that does not fit goes below, with the operator before it."""
    beside: list[list[Text]] = []
    broken = False  # a grid in pieces stands alone
    for item in row.items:
        pieces = [[Text(item)]] if isinstance(item, str) else list(_pieces(item, width))
        for piece in pieces:
            if beside and (broken or len(pieces) > 1 or _wide([*beside, piece]) > width):
                moves = _is_sign(beside[-1]) and _wide([beside[-1], piece]) <= width
                moved = beside[-1:] if moves else []
                if above := beside[: len(beside) - len(moved)]:
                    yield from _joined(above)
                    yield Text()
                beside = moved
            beside.append(piece)
            broken = len(pieces) > 1
    yield from _joined(beside)


def _is_sign(piece: Sequence[Text]) -> bool:
    return len(piece) == 1  # a grid has a title


def _wide(pieces: Sequence[Sequence[Text]]) -> int:
    return sum(piece[0].cell_len for piece in pieces) + _GAP * (len(pieces) - 1)


def _joined(pieces: Sequence[Sequence[Text]]) -> Iterator[Text]:
    """Join grids side by side, vertically centred."""
    height = max(map(len, pieces))
    middle = (height + 1) // 2 if height > 1 else 0  # the first line is the title
    for number in range(height):
        line = Text()
        for place, piece in enumerate(pieces):
            line.append(" " * (_GAP if place else 0))
            first = middle if _is_sign(piece) else (height - len(piece)) // 2
            if first <= number < first + len(piece):
                line.append_text(piece[number - first])
            else:
                line.append(" " * piece[0].cell_len)
        line.rstrip()
        yield line


def _pieces(block: Block, width: int) -> Iterator[list[Text]]:
    """A grid as lines of equal length; a grid that is too wide is split by columns."""
    marks = [_MARKS[cell.mark] for row in block.rows for cell in row]
    after = max(len(mark[1]) for mark in marks)
    size = max(len(_MARKS[c.mark][0]) + len(c.text) for row in block.rows for c in row) + after
    head = max((len(name) + 2 for name in block.names), default=0)
    columns = len(block.rows[0])
    fit = max(1, (width - head + 1) // (size + 1))
    for first in range(0, columns, fit):
        last = min(first + fit, columns)
        part = f", columns {first} to {last - 1}" if columns > fit else ""
        title = f"{block.title}{part}"
        rows = [row[first:last] for row in block.rows]
        yield _squared([Text(title, "bold"), *_lines(block, rows, size, after, head)])


def _lines(
    block: Block, rows: Iterable[Sequence[Cell]], size: int, after: int, head: int
) -> Iterator[Text]:
    for number, row in enumerate(rows):
        name = block.names[number] if block.names else ""
        line = Text.assemble((name.ljust(head), "dim"))
        for place, cell in enumerate(row):
            before, behind, style = _MARKS[cell.mark]
            figure = f"{before}{cell.text}{behind.ljust(after)}"
            line.append(" " * (size - len(figure) + (1 if place else 0)))
            line.append(figure, style or _KINDS[block.kind])
        yield line


def _squared(lines: list[Text]) -> list[Text]:
    width = max(line.cell_len for line in lines)
    for line in lines:
        line.append(" " * (width - line.cell_len))
    return lines
