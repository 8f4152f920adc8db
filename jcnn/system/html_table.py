"""A plain HTML table, which a notebook shows for an object."""

from collections.abc import Sequence
from html import escape


def html_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], footer: Sequence[str] = ()
) -> str:
    """Build a table from plain text, which is escaped; the first column is aligned to the left.

    Args:
        header: names of the columns.
        rows: a text for each column.
        footer: a last row in bold; empty for none.
    """
    body = "".join(_row("td", row) for row in rows)
    foot = f"<tfoot>{_row('th', footer)}</tfoot>" if footer else ""
    head = f"<thead>{_row('th', header)}</thead>"
    return f"<table>{head}<tbody>{body}</tbody>{foot}</table>"


def _row(tag: str, cells: Sequence[str]) -> str:
    sides = ["left", *["right"] * (len(cells) - 1)]
    inside = "".join(
        f'<{tag} style="text-align: {side}">{escape(cell)}</{tag}>'
        for side, cell in zip(sides, cells, strict=True)
    )
    return f"<tr>{inside}</tr>"
