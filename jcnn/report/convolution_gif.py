"""Draw a convolution step by step as an animated GIF: the window, its products, their sum."""

import io

import numpy.typing as npt
from PIL import Image

from jcnn.ops import Padding, Size, Window, resolve_window
from jcnn.report.canvas import (
    DONE,
    HEADING,
    PADDED,
    PAPER,
    READ,
    READ_PADDED,
    Canvas,
    Grid,
    cell_width,
)
from jcnn.report.cell_numbers import read_grid, shown
from jcnn.report.figure import TIMES, font
from jcnn.report.shown import Gif
from jcnn.trace import Convolution, ConvStep, Number, Stack, convolve
from jcnn.trace.windows import cells_under

MOST_CELLS, MOST_TAPS = 12, 7
"""Largest side of the padded input, and of the kernel."""
_EDGE, _GAP, _LINE = 24, 48, 42
_TITLE, _SUM, _NOTE = 22, 22, 16


def convolution_gif(
    x: npt.ArrayLike,
    kernel: npt.ArrayLike,
    *,
    padding: Padding = "VALID",
    stride: Size = 1,
    dilation: Size = 1,
    seconds: float = 1.0,
) -> Gif:
    """Draw the convolution of a small grid with one frame per position of the window.

    A frame shows the input with grey padding, the window, the kernel, the products, their sum, and
    the output so far; a last frame shows the complete output. The kernel is not flipped. The
    arithmetic is exact, with floats read as their printed decimals; numbers are shown with three
    decimals, and "≈" if that rounds. Equal arguments give equal bytes.

    Args:
        x: `(H, W)` integers or floats from -1e6 to 1e6; at most 12 x 12 cells with padding.
        kernel: `(KH, KW)` integers or floats from -1e6 to 1e6, at most 7 x 7.
        padding, stride, dilation: as for `jcnn.ops.resolve_window`.
        seconds: duration of a frame, in steps of 0.01; the last frame lasts three times as long.

    Returns:
        The `bytes` of a GIF that loops forever; a notebook shows the picture.

    Raises:
        ValueError: a grid is too large or has other elements, the window does not fit, or
            `seconds` is out of range.
    """
    numbers, weights = read_grid("x", x, MOST_CELLS), read_grid("kernel", kernel, MOST_TAPS)
    if not 0.02 <= seconds <= 60:
        raise ValueError(f"seconds: got {seconds}; accepted: 0.02 to 60")
    window = resolve_window(
        (len(numbers), len(numbers[0])),
        (len(weights), len(weights[0])),
        stride=stride,
        padding=padding,
        dilation=dilation,
    )
    rows, columns = _padded_size(window)
    if max(rows, columns) > MOST_CELLS:
        raise ValueError(
            f"padding: got {padding!r}, which makes the input {rows} x {columns}; "
            f"accepted: at most {MOST_CELLS} x {MOST_CELLS} with padding"
        )
    found = convolve((numbers,), (weights,), stride=stride, padding=padding, dilation=dilation)
    scene = _Scene(found)
    frames = [scene.frame(number) for number in range(len(scene.walk) + 1)]
    pause, out = 10 * round(100 * seconds), io.BytesIO()
    frames[0].save(
        out,
        format="GIF",
        save_all=True,
        append_images=frames[1:],
        duration=[pause] * len(scene.walk) + [3 * pause],
        loop=0,
    )
    return Gif(out.getvalue())


class _Scene:
    """The layout: input on the left, kernel and products in the middle, output on the right."""

    def __init__(self, found: Convolution) -> None:
        (self.x,), (self.kernel,) = found.inputs, found.kernels
        self.window, self.walk = found.window, list(found.steps())
        window, walk = self.window, self.walk
        top = _EDGE + 2 * _LINE
        self.input = Grid(_EDGE, top, *_padded_size(window), cell_width(_flat(found.inputs)))
        products = [number for step in walk for number in _flat(step.products)]
        factors = [text for step in walk for row in self._factors(step) for text in row]
        cell = cell_width(_flat(found.kernels) + products, factors)
        heads = [_length(text, HEADING) for text in self._headings()]
        middle = max(self.input.right, _EDGE + heads[0]) + _GAP
        self.weights = Grid(middle, top, *window.kernel, cell)
        self.products = Grid(middle, self.weights.bottom + _LINE, *window.kernel, cell)
        words = [heads[1], *(_length(_sum(step), _SUM) for step in walk)]
        left = max(self.products.right, middle + max(words)) + _GAP
        totals = cell_width(step.value for step in walk)
        self.output = Grid(left, top, *window.out_size, totals)
        self.notes = _notes(window)
        lines = [_length(self._title(number), _TITLE) for number in range(len(walk) + 1)]
        lines.append(_length(self.notes, _NOTE))
        self.width = max(_EDGE + max(lines), self.output.right, left + heads[2]) + _EDGE
        lowest = max(self.input.bottom, self.output.bottom, self.products.bottom + _LINE)
        self.height = lowest + _LINE + _EDGE

    def frame(self, number: int) -> Image.Image:
        """Draw the frame of step `number`, from 0; after the last step, the complete output."""
        canvas = Canvas(self.width, self.height)
        canvas.text(_EDGE, _EDGE + _TITLE, self._title(number), _TITLE)
        canvas.text(_EDGE, self.height - _EDGE, self.notes, _NOTE)
        grids = (self.input, self.weights, self.output)
        for grid, heading in zip(grids, self._headings(), strict=True):
            grid.draw(canvas, heading)
        self.products.draw(canvas, "products")
        self._fill_input(canvas)
        for i, row in enumerate(self.kernel):
            for j, weight in enumerate(row):
                self.weights.fill(canvas, i, j, PAPER, shown(weight))
        for step in self.walk[:number]:
            self.output.fill(canvas, step.row, step.column, DONE, shown(step.value))
        if number < len(self.walk):
            self._show(canvas, self.walk[number])
        return canvas.finished()

    def _title(self, number: int) -> str:
        count = len(self.walk)
        if number == count:
            return f"all {count} positions"
        step = self.walk[number]
        return f"position {number + 1} of {count}: output row {step.row}, column {step.column}"

    def _headings(self) -> tuple[str, str, str]:
        """The headings of the input, the kernel and the output."""
        padded = _padded_size(self.window) != self.window.in_size
        return (
            f"input {_by(self.window.in_size)}" + " with padding" * padded,
            f"kernel {_by(self.window.kernel)}",
            f"output {_by(self.window.out_size)}",
        )

    def _fill_input(self, canvas: Canvas) -> None:
        (top, _), (left, _) = self.window.padding
        for row in range(self.input.rows):
            for column in range(self.input.columns):
                self.input.fill(canvas, row, column, PADDED, "0")
        for i, numbers in enumerate(self.x):
            for j, number in enumerate(numbers):
                self.input.fill(canvas, i + top, j + left, PAPER, shown(number))

    def _show(self, canvas: Canvas, step: ConvStep) -> None:
        """Draw the window, its products, their sum and the output cell of one step."""
        (top, _), (left, _) = self.window.padding
        rows, columns = cells_under(self.window, step.row, step.column)
        (patch,), (products,), factors = step.patches, step.products, self._factors(step)
        for i, row in enumerate(rows):
            for j, column in enumerate(columns):
                number = patch[i][j]
                ground = READ_PADDED if number is None else READ
                self.input.fill(canvas, row + top, column + left, ground, shown(number or 0))
                self.products.fill(canvas, i, j, ground, shown(products[i][j]), factors[i][j])
        self.input.frame(canvas, rows[0] + top, columns[0] + left, *self.window.span)
        canvas.text(self.products.left, self.products.bottom + _LINE - 10, _sum(step), _SUM)
        self.output.fill(canvas, step.row, step.column, READ, shown(step.value))
        self.output.frame(canvas, step.row, step.column)

    def _factors(self, step: ConvStep) -> list[list[str]]:
        """The factors of each product as text."""
        (patch,) = step.patches
        return [
            [
                f"{shown(value or 0)}{TIMES}{shown(weight)}"
                for value, weight in zip(*rows, strict=True)
            ]
            for rows in zip(patch, self.kernel, strict=True)
        ]


def _padded_size(window: Window) -> tuple[int, int]:
    (height, width), ((top, bottom), (left, right)) = window.in_size, window.padding
    return height + top + bottom, width + left + right


def _flat(stack: Stack) -> list[Number]:
    return [number for grid in stack for row in grid for number in row]


def _length(text: str, size: int) -> int:
    return round(font(size).getlength(text))


def _sum(step: ConvStep) -> str:
    return f"sum = {shown(step.value)}".replace("= ≈", "≈ ")


def _notes(window: Window) -> str:
    words = [f"stride {_pair(window.stride)}"]
    if window.dilation != (1, 1):
        words.append(f"dilation {_pair(window.dilation)}")
    if _padded_size(window) != window.in_size:
        words.append("grey: padding")
    return ", ".join(words)


def _pair(sizes: tuple[int, int]) -> str:
    return str(sizes[0]) if sizes[0] == sizes[1] else _by(sizes)


def _by(sizes: tuple[int, int]) -> str:
    return f"{sizes[0]}{TIMES}{sizes[1]}"
