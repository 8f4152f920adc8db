"""Build the HTML of a page from its parts; all text is escaped here."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from string import Template

from jcnn.report.figure import Picture


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes:
        name: its id, such as "curves".
        title: its heading.
        html: content after the heading.
    """

    name: str
    title: str
    html: str


@dataclass(frozen=True)
class Share:
    """A number of 0..1 in a table, shown with a bar."""

    value: float


Cell = str | int | float | Share | None


def page(title: str, intro: str, sections: Sequence[Section]) -> str:
    """Build the page.

    Args:
        title: plain text.
        intro: HTML before the first section.
        sections: in order; links to them follow `intro`.
    """
    links = "\n".join(f'<a href="#{s.name}">{escape(s.title)}</a>' for s in sections)
    body = "\n".join(
        f'<section id="{s.name}">\n<h2>{escape(s.title)}</h2>\n{s.html}\n</section>'
        for s in sections
    )
    template = Template(files("jcnn.report").joinpath("page.html").read_text(encoding="utf-8"))
    return template.substitute(title=escape(title), body=f"{intro}\n<nav>\n{links}\n</nav>\n{body}")


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text."""
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def tiles(facts: Mapping[str, str]) -> str:
    """The main results, in large print."""
    items = (f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in facts.items())
    return f'<dl class="tiles">\n{chr(10).join(items)}\n</dl>'


def settings(facts: Mapping[str, str], changed: Iterable[str] = ()) -> str:
    """Names and values; those in `changed` are bold."""
    stand_out = set(changed)
    items = (
        f"<div{' class=changed' if k in stand_out else ''}>"
        f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>"
        for k, v in facts.items()
    )
    return f'<dl class="settings">\n{chr(10).join(items)}\n</dl>'


def table(header: Sequence[str], rows: Iterable[Sequence[Cell]], *footers: Sequence[Cell]) -> str:
    """A table with row headings in the first column; `footers` are rows of totals."""
    lines = list(rows)
    # The heading of a column is aligned like its cells.
    numeric = [bool(lines) and not isinstance(cell, str) for cell in (lines or [header])[0]]
    head = "".join(
        f'<th scope="col"{_class(right)}>{escape(name)}</th>'
        for name, right in zip(header, numeric, strict=True)
    )
    body = "\n".join(_row(row) for row in lines)
    foot = f"<tfoot>\n{chr(10).join(map(_row, footers))}\n</tfoot>\n" if footers else ""
    return (
        f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>\n{foot}</table></div>"
    )


def figure(picture: Picture, caption: str = "", kind: str = "") -> str:
    """A figure with the PNG embedded.

    Args:
        picture: the PNG.
        caption: plain text below it.
        kind: "scroll" for the full size in a scrolling box, "pixels" for enlargement without
            smoothing.
    """
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    image = (
        f'<img src="{data_uri(picture.png)}" width="{picture.width}" alt="{escape(picture.alt)}">'
    )
    return f'<figure><div class="{kind}">{image}</div>{below}</figure>'


def beside(left: str, right: str) -> str:
    """Two parts of HTML next to each other, or one below the other in a narrow window."""
    return f'<div class="beside">\n<div>{left}</div>\n<div>{right}</div>\n</div>'


def folded(title: str, html: str) -> str:
    """A collapsed part of the page."""
    return f"<details><summary>{escape(title)}</summary>\n{html}\n</details>"


def code(text: str) -> str:
    """A block of code."""
    return f"<pre><code>{escape(text)}</code></pre>"


def data_uri(png: bytes) -> str:
    """A PNG as a data URI."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def _row(cells: Sequence[Cell]) -> str:
    name, *values = cells
    return f'<tr><th scope="row">{_text(name)}</th>{"".join(map(_cell, values))}</tr>'


def _cell(cell: Cell) -> str:
    if isinstance(cell, Share):
        style = f"--size:{100 * cell.value:.1f}%"
        return f'<td class="share"><span style="{style}">{cell.value:.4f}</span></td>'
    return f"<td{_class(not isinstance(cell, str))}>{_text(cell)}</td>"


def _class(right: bool) -> str:
    return ' class="number"' if right else ""


def _text(cell: Cell) -> str:
    if cell is None or cell != cell:  # NaN of a diverged run
        return "-"
    if isinstance(cell, Share):
        return f"{cell.value:.4f}"
    if isinstance(cell, float):
        return f"{cell:.4f}"
    return escape(f"{cell:,}" if isinstance(cell, int) else cell)
