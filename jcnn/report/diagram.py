"""Draw a model with one box per layer, to scale, with name, output shape and parameters."""

import html
import math
from collections.abc import Sequence

from flax import nnx

from jcnn.layers import Layer
from jcnn.models import Summary, summary
from jcnn.report.figure import BLUE, ORANGE, TIMES, short
from jcnn.report.shown import Svg

# In pixels. Text of 14 is 31 high on a slide of 1920, and 8 pt on 18 cm of paper.
_WIDTH, _BOX, _BELOW, _TOP, _EDGE = 168, 120, 104, 74, 12
_COLUMNS = 5
_ALONE = "color-scheme: light dark; color: CanvasText; background: Canvas"
# Offset to the right and upwards for a depth of 1.
_RIGHT, _UP = 0.5, 0.35

Shape = tuple[int, ...]


def network_diagram(model: nnx.Module | Sequence[Layer], input_shape: Sequence[int]) -> Svg:
    """Draw a model for inputs of `input_shape` as an SVG, from shapes alone.

    The height, depth and thickness of a box are the logarithms of the height, width and channels
    of the layer's output; a vector is a column. Layers with parameters are orange. A row has five
    layers. Inside a page, lines and text take the colour of the surrounding text (`currentColor`);
    a separate file follows the light or dark scheme of the reader.

    Args:
        model: a model of the zoo, a plain `nnx.Module`, or a list of layers.
        input_shape: `(H, W, C)` of one example.

    Returns:
        The text of the SVG, a `str` for a file or an HTML page; a notebook shows the picture.

    Raises:
        ValueError: the model does not accept such an input; the message names the layer.
    """
    return Svg(draw_summary(summary(model, input_shape)))


def draw_summary(found: Summary) -> str:
    """Draw the result of `jcnn.models.summary` or `zoo_summary`; see `network_diagram`."""
    boxes: list[tuple[str, str, Shape, int]] = [("input", "the image", found.input_shape, 0)]
    boxes += [(row.name, row.type, row.output_shape, row.params) for row in found.layers]
    unit = min(_unit(shape) for _, _, shape, _ in boxes)
    rows = [boxes[start : start + _COLUMNS] for start in range(0, len(boxes), _COLUMNS)]
    width, y = max(len(rows[0]) * _WIDTH, 3 * _WIDTH) + 2 * _EDGE, float(_TOP)
    title, places = f"{found.params:,} parameters", []
    for number, row in enumerate(rows):
        room = max(_drawn_height(shape, unit) for _, _, shape, _ in row)
        for column, box in enumerate(row):
            arrow = number + column > 0
            places.append(_place(_EDGE + column * _WIDTH, y, room, box, unit, arrow=arrow))
        y += room + _BELOW
    note = "edges of a box: logarithms of height, width and channels"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y:.0f}" '
        f'width="{width}" height="{y:.0f}" role="img" aria-label="{_label(boxes, title)}" '
        'font-family="system-ui, sans-serif" font-size="14" text-anchor="middle" '
        'fill="currentColor">'
    )
    parts = [
        head,
        # Inside a page this matches nothing, because `:root` is then the page. In an <img> the
        # scheme of the reader counts, not of the page, so the background is set with the text.
        f"<style>svg:root {{ {_ALONE} }}</style>",
        _text(_EDGE, 26, title, 'font-size="18" text-anchor="start"'),
        _text(_EDGE, 48, note, 'text-anchor="start" opacity="0.8"'),
        f'<rect x="{width - 230}" y="14" width="14" height="14" {_paint(True)}/>',
        _text(width - 210, 26, "trainable", 'text-anchor="start"'),
        f'<rect x="{width - 140}" y="14" width="14" height="14" {_paint(False)}/>',
        _text(width - 120, 26, "no parameters", 'text-anchor="start"'),
    ]
    return "\n".join([*parts, *places, "</svg>", ""])


def _edges(shape: Shape) -> tuple[float, float, float]:
    """Logarithms of height, width and channels; a vector is a column."""
    height, width, channels = shape if len(shape) == 3 else (math.prod(shape), 1, 1)
    return math.log2(1 + height), math.log2(1 + width), math.log2(1 + channels)


def _drawn_height(shape: Shape, unit: float) -> float:
    height, depth, _ = _edges(shape)
    return unit * (height + _UP * depth)


def _unit(shape: Shape) -> float:
    """Pixels per logarithm unit with which the box fits."""
    height, depth, thickness = _edges(shape)
    return min(
        10.0,
        _BOX / (height + _UP * depth),
        (_WIDTH - 36) / (thickness + _RIGHT * depth),
    )


def _place(
    x: float,
    y: float,
    room: float,
    box: tuple[str, str, Shape, int],
    unit: float,
    *,
    arrow: bool,
) -> str:
    """One layer: its box on the base line of the row, above its name, shape and parameters."""
    name, kind, shape, params = box
    height, depth, thickness = (unit * edge for edge in _edges(shape))
    right, up = _RIGHT * depth, _UP * depth
    middle, floor = x + _WIDTH / 2, y + room
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
        _text(middle, floor + 24, short(_clean(name), 19), 'font-weight="600"'),
        _text(middle, floor + 43, _by(shape), ""),
    ]
    if params:
        lines.append(_text(middle, floor + 62, f"{params:,} parameters", 'font-size="13"'))
    tip = ""
    if arrow:
        path = f"M{x - 10} {y + room / 2:.1f}h20m-7 -5l7 5l-7 5"
        tip = f'<path d="{path}" fill="none" stroke="currentColor" stroke-width="1.5"/>'
    full = f"<title>{_escape(f'{name} ({kind})')}</title>"
    return f"<g>{full}{tip}<g {_paint(params > 0)}>{front}{lid}{side}</g>{''.join(lines)}</g>"


def _paint(learns: bool) -> str:
    colour, share = (ORANGE, 0.55) if learns else (BLUE, 0.3)
    return f'fill="{colour}" fill-opacity="{share}" stroke="currentColor" stroke-linejoin="round"'


def _text(x: float, y: float, text: str, attributes: str) -> str:
    return f'<text x="{x}" y="{y}" {attributes}>{_escape(text)}</text>'


def _label(boxes: Sequence[tuple[str, str, Shape, int]], title: str) -> str:
    words = [f"{name} {_by(shape)}" for name, _, shape, _ in boxes]
    return _escape(f"A network of {title}: {', '.join(words)}")


def _by(shape: Shape) -> str:
    return TIMES.join(map(str, shape))


def _escape(text: str) -> str:
    return html.escape(_clean(text))


def _clean(text: str) -> str:
    """Text without the characters that XML forbids."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
