"""A model as a drawing: a box a layer, to scale, with its name, output shape and parameters."""

import html
import math
from collections.abc import Sequence

from flax import nnx

from jcnn.layers import Layer
from jcnn.models import Summary, summary
from jcnn.report.figure import BLUE, ORANGE, short

# Of one layer's place, in pixels: at slide width the text is then 20 pixels high, on a page 9 pt.
_WIDTH, _HEIGHT, _BOX, _TOP, _EDGE = 160, 214, 120, 66, 10
_COLUMNS = 6
# A depth of 1 is drawn to the right and upwards by so much.
_RIGHT, _UP = 0.5, 0.35

Shape = tuple[int, ...]


def network_diagram(model: nnx.Module | Sequence[Layer], input_shape: Sequence[int]) -> str:
    """Draw a model for pictures of `input_shape` as an SVG; nothing is computed.

    A box is as high as the logarithm of its output's height, as deep as that of its width and as
    thick as that of its channels; a vector is a column. Layers that learn are orange. Six stand in
    a row. Lines and text have the colour of the text around the SVG (`currentColor`); alone, it
    follows the reader's light or dark scheme.

    Args:
        model: the zoo's, a plain `nnx.Module`, or a list of layers.
        input_shape: `(H, W, C)` of one example.

    Returns:
        The SVG's text, to be written to a file or put into a page as it is.

    Raises:
        ValueError: the model cannot take such an input; the message names the layer.
    """
    return draw_summary(summary(model, input_shape))


def draw_summary(found: Summary) -> str:
    """Draw what `jcnn.models.summary` or `zoo_summary` has found; see `network_diagram`."""
    boxes: list[tuple[str, str, Shape, int]] = [("input", "the picture", found.input_shape, 0)]
    boxes += [(row.name, row.type, row.output_shape, row.params) for row in found.layers]
    unit = min(_unit(shape) for _, _, shape, _ in boxes)
    width = min(len(boxes), _COLUMNS) * _WIDTH + 2 * _EDGE
    width = max(width, 3 * _WIDTH)
    height = _TOP + -(-len(boxes) // _COLUMNS) * _HEIGHT
    title = f"{found.params:,} parameters"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" aria-label="{_label(boxes, title)}" '
        'font-family="system-ui, sans-serif" font-size="14" text-anchor="middle" '
        'fill="currentColor">',
        # Inside a page this matches nothing: `:root` is then the page.
        "<style>svg:root { color-scheme: light dark; color: CanvasText }</style>",
        _text(_EDGE, 26, title, 'font-size="18" text-anchor="start"'),
        _text(
            _EDGE,
            48,
            "edges: logarithms of height, width and channels",
            'text-anchor="start" opacity="0.75"',
        ),
        f'<rect x="{width - 160}" y="14" width="14" height="14" {_paint(True)}/>',
        _text(width - 138, 26, "learns", 'text-anchor="start"'),
        f'<rect x="{width - 78}" y="14" width="14" height="14" {_paint(False)}/>',
        _text(width - 56, 26, "does not", 'text-anchor="start"'),
    ]
    for number, box in enumerate(boxes):
        x = _EDGE + number % _COLUMNS * _WIDTH
        y = _TOP + number // _COLUMNS * _HEIGHT
        parts.append(_place(x, y, box, unit, arrow=number > 0))
    return "\n".join([*parts, "</svg>", ""])


def _edges(shape: Shape) -> tuple[float, float, float]:
    """Logarithms of height, width and channels; a vector's numbers stand above one another."""
    height, width, channels = shape if len(shape) == 3 else (math.prod(shape), 1, 1)
    return math.log2(1 + height), math.log2(1 + width), math.log2(1 + channels)


def _unit(shape: Shape) -> float:
    """Pixels for a logarithm of 1, so that the box has room."""
    height, depth, thickness = _edges(shape)
    return min(
        10.0,
        _BOX / (height + _UP * depth),
        (_WIDTH - 36) / (thickness + _RIGHT * depth),
    )


def _place(
    x: float, y: float, box: tuple[str, str, Shape, int], unit: float, *, arrow: bool
) -> str:
    """One layer: its box above its name, shape and parameters."""
    name, kind, shape, params = box
    height, depth, thickness = (unit * edge for edge in _edges(shape))
    right, up = _RIGHT * depth, _UP * depth
    middle, floor = x + _WIDTH / 2, y + _BOX + 10
    left, top = middle - (thickness + right) / 2, floor - height
    front = f'<rect x="{left:.1f}" y="{top:.1f}" width="{thickness:.1f}" height="{height:.1f}"/>'
    lid = (
        f'<path d="M{left:.1f} {top:.1f}l{right:.1f} {-up:.1f}h{thickness:.1f}'
        f'l{-right:.1f} {up:.1f}z"/>'
    )
    side = (
        f'<path d="M{left + thickness:.1f} {top:.1f}l{right:.1f} {-up:.1f}v{height:.1f}'
        f'l{-right:.1f} {up:.1f}z"/>'
    )
    lines = [
        _text(middle, y + _BOX + 34, short(_clean(name), 19), 'font-weight="600"'),
        _text(middle, y + _BOX + 53, "×".join(map(str, shape)), ""),
    ]
    if params:
        lines.append(_text(middle, y + _BOX + 72, f"{params:,} parameters", 'font-size="13"'))
    tip = ""
    if arrow:
        at, ahead = y + _BOX / 2 + 10, x
        tip = (
            f'<path d="M{ahead - 9} {at - 5}l9 5l-9 5" fill="none" stroke="currentColor" '
            'stroke-width="1.5"/>'
        )
    full = f"<title>{_escape(f'{name} ({kind})')}</title>"
    return f"<g>{full}{tip}<g {_paint(params > 0)}>{front}{lid}{side}</g>{''.join(lines)}</g>"


def _paint(learns: bool) -> str:
    colour, share = (ORANGE, 0.55) if learns else (BLUE, 0.3)
    return f'fill="{colour}" fill-opacity="{share}" stroke="currentColor" stroke-linejoin="round"'


def _text(x: float, y: float, text: str, attributes: str) -> str:
    return f'<text x="{x}" y="{y}" {attributes}>{_escape(text)}</text>'


def _label(boxes: Sequence[tuple[str, str, Shape, int]], title: str) -> str:
    words = [f"{name} {'×'.join(map(str, shape))}" for name, _, shape, _ in boxes]
    return _escape(f"A network of {title}: {', '.join(words)}")


def _escape(text: str) -> str:
    return html.escape(_clean(text))


def _clean(text: str) -> str:
    """Text without the characters that XML forbids."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
