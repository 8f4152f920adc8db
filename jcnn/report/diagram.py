"""Draw a model with one box per layer, to scale, with name, output shape and parameters."""

import html
import math
from collections.abc import Sequence

from flax import nnx

from jcnn.layers import Layer
from jcnn.models import Summary, summary
from jcnn.report.figure import BLUE, ORANGE, TIMES, short
from jcnn.report.shown import Svg
from jcnn.report.wiring import Box, Shape, boxes_of, lanes, rows_of, wires_of

# In pixels. Text of 14 is 31 high on a slide of 1920, and 8 pt on 18 cm of paper.
_WIDTH, _BOX, _BELOW, _TOP, _EDGE = 168, 120, 104, 74, 12
_ALONE = "color-scheme: light dark; color: CanvasText; background: Canvas"
# Offset to the right and upwards for a depth of 1.
_RIGHT, _UP = 0.5, 0.35

# Between lines that run beside each other.
_LANE = 14
_LINE = 'fill="none" stroke="currentColor" stroke-width="1.5"'


def network_diagram(model: nnx.Module | Sequence[Layer], input_shape: Sequence[int]) -> Svg:
    """Draw a model for inputs of `input_shape` as an SVG, from shapes alone.

    The height, depth and thickness of a box are the logarithms of the height, width and channels
    of the layer's output; a vector is a column. Layers with parameters are orange. A row of a chain
    has five layers. In a model with branches, lines above the boxes go to layers other than the
    next, and a layer without parameters that keeps the shape, such as an activation, is named below
    the layer before it. Inside a page, lines and text take the colour of the surrounding text
    (`currentColor`); a separate file follows the light or dark scheme of the reader.

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
    boxes = boxes_of(found)
    rows = rows_of(boxes)
    wires = _Wires(boxes, rows)
    unit = min(_unit(box.shape) for box in boxes)
    left = _EDGE + wires.margin
    width, y = max(max(map(len, rows)) * _WIDTH, 3 * _WIDTH) + left + _EDGE, float(_TOP)
    title, places = f"{found.params:,} parameters", []
    tops: dict[int, float] = {}
    floors, middles = [], []
    for number, row in enumerate(rows):
        y += wires.above(number)
        tallest = max(_drawn_height(boxes[i].shape, unit) for i in row)
        for column, i in enumerate(row):
            tops[i] = y + tallest - _drawn_height(boxes[i].shape, unit)
            arrow = i - 1 in boxes[i].inputs
            places.append(_place(left + column * _WIDTH, y, tallest, boxes[i], unit, arrow=arrow))
        floors.append(y)
        middles.append(y + tallest / 2)
        y += tallest + _BELOW
    places += wires.drawn(left, floors, middles, tops)
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


class _Wires:
    """The lines between boxes that are not neighbours, each in lanes above its rows of boxes."""

    def __init__(self, boxes: Sequence[Box], rows: Sequence[range]) -> None:
        self.wires = wires_of(boxes)
        self.row_of = {i: number for number, row in enumerate(rows) for i in row}
        self.column = {i: i - row.start for row in rows for i in row}
        # For each wire: the row and the columns of each of its parts; -1 is the left margin.
        self.parts: list[list[tuple[int, float, float]]] = []
        around = []
        for source, target in self.wires:
            above, below = self.row_of[source], self.row_of[target]
            end = self.column[target] - 0.1
            if above == below:
                self.parts.append([(below, self.column[source] + 0.1, end)])
            elif source == rows[below].start - 1:
                self.parts.append([(below, -0.5, end)])
            else:
                self.parts.append([(above, -1.0, self.column[source] + 0.1), (below, -1.0, end)])
                around.append((source, target))
        in_margin = lanes((self.row_of[a], self.row_of[b]) for a, b in around)
        self.margin_lane = dict(zip(around, in_margin, strict=True))
        self.margin = _LANE * (1 + max(in_margin)) if in_margin else 0
        self.lane: dict[tuple[int, float, float], int] = {}
        for number in range(len(rows)):
            inside = [part for parts in self.parts for part in parts if part[0] == number]
            found = lanes((start, end) for _, start, end in inside)
            self.lane.update(zip(inside, found, strict=True))

    def above(self, number: int) -> float:
        """The height of the lanes of a row."""
        used = [lane for part, lane in self.lane.items() if part[0] == number]
        return _LANE * (2 + max(used)) if used else 0.0

    def drawn(
        self,
        left: float,
        floors: Sequence[float],
        middles: Sequence[float],
        tops: dict[int, float],
    ) -> list[str]:
        """The lines.

        Args:
            left: the left edge of the rows.
            floors: the lower end of the lanes of each row.
            middles: the height of the short arrows of each row.
            tops: the upper end of each box.
        """

        def x(column: float) -> float:
            return left + (column + 0.5) * _WIDTH

        paths = []
        for wire, parts in zip(self.wires, self.parts, strict=True):
            source, target = wire
            levels = [floors[part[0]] - _LANE * (1 + self.lane[part]) for part in parts]
            end = f"H{x(parts[-1][2]):.1f}V{tops[target] - 4:.1f}m-5 -7l5 7l5 -7"
            if len(parts) == 2:
                margin = left - 10 - _LANE * (0.5 + self.margin_lane[wire])
                path = (
                    f"M{x(parts[0][2]):.1f} {tops[source] - 2:.1f}V{levels[0]:.1f}"
                    f"H{margin:.1f}V{levels[1]:.1f}{end}"
                )
            elif parts[0][1] == -0.5:
                path = f"M{left - 10} {middles[parts[0][0]]:.1f}V{levels[0]:.1f}{end}"
            else:
                path = f"M{x(parts[0][1]):.1f} {tops[source] - 2:.1f}V{levels[0]:.1f}{end}"
            paths.append(f'<path d="{path}" {_LINE}/>')
        return paths


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
    tallest: float,
    box: Box,
    unit: float,
    *,
    arrow: bool,
) -> str:
    """One layer: its box on the base line of the row, above its name, shape and parameters."""
    height, depth, thickness = (unit * edge for edge in _edges(box.shape))
    right, up = _RIGHT * depth, _UP * depth
    middle, floor = x + _WIDTH / 2, y + tallest
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
        _text(middle, floor + 24, short(_clean(box.name), 17), 'font-weight="600"'),
        _text(middle, floor + 43, _by(box.shape), ""),
    ]
    if box.params:
        lines.append(_text(middle, floor + 62, f"{box.params:,} parameters", 'font-size="13"'))
    if box.then:
        lines.append(_text(middle, floor + (81 if box.params else 62), _then(box), 'opacity="0.8"'))
    tip = ""
    if arrow:
        path = f"M{x - 10} {y + tallest / 2:.1f}h20m-7 -5l7 5l-7 5"
        tip = f'<path d="{path}" {_LINE}/>'
    kinds = ", ".join((box.kind, *box.then))
    full = f"<title>{_escape(f'{box.name} ({kinds})')}</title>"
    drawn = f"<g {_paint(box.params > 0)}>{front}{lid}{side}</g>"
    return f"<g>{full}{tip}{drawn}{''.join(lines)}</g>"


def _paint(learns: bool) -> str:
    colour, share = (ORANGE, 0.55) if learns else (BLUE, 0.3)
    return f'fill="{colour}" fill-opacity="{share}" stroke="currentColor" stroke-linejoin="round"'


def _text(x: float, y: float, text: str, attributes: str) -> str:
    return f'<text x="{x}" y="{y}" {attributes}>{_escape(text)}</text>'


def _then(box: Box) -> str:
    return short(_clean(f"then {', '.join(box.then)}"), 22)


def _label(boxes: Sequence[Box], title: str) -> str:
    words = [f"{box.name} {_by(box.shape)}" for box in boxes]
    return _escape(f"A network of {title}: {', '.join(words)}")


def _by(shape: Shape) -> str:
    return TIMES.join(map(str, shape))


def _escape(text: str) -> str:
    return html.escape(_clean(text))


def _clean(text: str) -> str:
    """Text without the characters that XML forbids."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
