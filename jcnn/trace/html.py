"""Format a trace as an HTML fragment for slides, without scripts or external resources."""

from collections.abc import Sequence
from html import escape

from jcnn.trace.parts import Block, Cell, Line, Mark, Part, marks_in

# Background and text colour are set here, so that the contrast holds on any slide.
_STYLE = """\
.jcnn-trace { background: #fff; color: #1d2630; font: 1rem/1.4 system-ui, sans-serif;
  padding: 1em }
.jcnn-trace p { margin: .3em 0; overflow-wrap: anywhere }
.jcnn-trace p.title { font-weight: bold; margin-top: 1em }
.jcnn-trace .row { align-items: center; display: flex; flex-wrap: wrap; gap: .8em;
  margin: .6em 0; overflow-x: auto }
.jcnn-trace table { border-collapse: collapse; font-variant-numeric: tabular-nums }
.jcnn-trace caption { font-size: .85em; text-align: left; white-space: nowrap }
.jcnn-trace th { color: #56626e; font-size: .85em; font-weight: normal; text-align: right;
  padding: .15em .5em }
.jcnn-trace td { border: 1px solid #aab4be; min-width: 1.6em; padding: .15em .4em;
  text-align: right; white-space: nowrap }
.jcnn-trace .kernel td { background: #dceefb }
.jcnn-trace .product td { background: #fdf1d3 }
.jcnn-trace .output td { background: #ece9f6 }
.jcnn-trace td.padding { border-style: dashed; background: #f3f4f5; color: #56626e }
.jcnn-trace td.chosen { background: #1a6b3c; color: #fff; font-weight: bold }
.jcnn-trace td.right { background: #dff3e4 }
.jcnn-trace td.wrong { background: #a3151f; color: #fff; font-weight: bold;
  text-decoration: line-through }
.jcnn-trace td.open { color: #56626e }
.jcnn-trace p.wrong { color: #a3151f; font-weight: bold }
.jcnn-trace p.right { color: #1a6b3c; font-weight: bold }
"""

_LEGEND: dict[Mark, str] = {
    "padding": "dashed: padding",
    "chosen": "white on green: the maximum",
    "wrong": "struck out: wrong",
}


def to_html(parts: Sequence[Part]) -> str:
    """Format as one `<section>` to paste into a page; all text is escaped."""
    body = "\n".join(_part(part) for part in parts)
    legend = [words for mark, words in _LEGEND.items() if mark in marks_in(parts)]
    if legend:
        body += f"\n<p>{escape('; '.join(legend))}</p>"
    return f'<section class="jcnn-trace">\n<style>\n{_STYLE}</style>\n{body}\n</section>\n'


def _part(part: Part) -> str:
    if isinstance(part, Line):
        return f'<p class="{part.tone}">{escape(part.text)}</p>'
    return f'<div class="row">\n{chr(10).join(map(_item, part.items))}\n</div>'


def _item(item: Block | str) -> str:
    if isinstance(item, str):
        return f"<span>{escape(item)}</span>"
    rows = []
    for number, row in enumerate(item.rows):
        name = f'<th scope="row">{escape(item.names[number])}</th>' if item.names else ""
        rows.append(f"<tr>{name}{''.join(map(_cell, row))}</tr>")
    caption = f"<caption>{escape(item.title)}</caption>"
    return f'<table class="{item.kind}">{caption}\n<tbody>\n{chr(10).join(rows)}\n</tbody></table>'


def _cell(cell: Cell) -> str:
    name = f' class="{cell.mark}"' if cell.mark else ""
    return f"<td{name}>{escape(cell.text)}</td>"
