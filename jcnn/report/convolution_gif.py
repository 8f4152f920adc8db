"""A convolution step by step, as an animated GIF: the window, its products, their sum."""

import io
from fractions import Fraction

import numpy.typing as npt
from PIL import Image

from jcnn.ops import Padding, Size, Window, resolve_window
from jcnn.report.canvas import DONE, PADDED, PAPER, READ, READ_PADDED, Canvas, Grid, cell_width
from jcnn.report.convolution_steps import Numbers, Step, cell_of, exact, shown, steps
from jcnn.report.figure import TIMES, font

MOST_CELLS, MOST_TAPS = 12, 7
"""Along a side of the padded input, and of the kernel."""
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
) -> bytes:
    """Draw a convolution of a small grid, a frame for each position of the window.

    A frame shows the input with its padding in grey, the cells that the window reads, the kernel,
    the products, their sum, and the output as far as it is known; one frame more, the last, shows
    the whole output. The kernel is not flipped, as everywhere in jcnn. The numbers are computed
    exactly, as the decimals that they are printed as; "≈" marks those that are shown rounded, to
    three decimals. Equal arguments give equal bytes.

    Args:
        x: `(H, W)` integers or floats from -1e6 to 1e6; with padding at most 12 x 12 cells.
        kernel: `(KH, KW)` likewise, at most 7 x 7.
        padding, stride, dilation: as for `jcnn.ops.resolve_window`.
        seconds: that a frame stays, in steps of 0.01; the last stays three times as long.

    Returns:
        The GIF's bytes. It plays for ever.

    Raises:
        ValueError: a grid is too large to be read, or is no grid of such numbers, or the window
            does not fit.
    """
    numbers, weights = exact("x", x, MOST_CELLS), exact("kernel", kernel, MOST_TAPS)
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
    walk = list(steps(numbers, weights, window))
    scene = _Scene(numbers, weights, window, walk)
    frames = [scene.frame(number) for number in range(len(walk) + 1)]
    pause, out = 10 * round(100 * seconds), io.BytesIO()
    frames[0].save(
        out,
        format="GIF",
        save_all=True,
        append_images=frames[1:],
        duration=[pause] * len(walk) + [3 * pause],
        loop=0,
    )
    return out.getvalue()


class _Scene:
    """The input at the left, kernel and products in the middle, the output at the right."""

    def __init__(self, x: Numbers, kernel: Numbers, window: Window, walk: list[Step]) -> None:
        self.x, self.kernel, self.window, self.walk = x, kernel, window, walk
        top = _EDGE + 2 * _LINE
        self.input = Grid(_EDGE, top, *_padded_size(window), cell_width(_flat(x)))
        products = [number for step in walk for number in _flat(step.products)]
        factors = [text for step in walk for row in _factors(step.values, kernel) for text in row]
        middle, cell = self.input.right + _GAP, cell_width(_flat(kernel) + products, factors)
        self.weights = Grid(middle, top, *window.kernel, cell)
        self.products = Grid(middle, self.weights.bottom + _LINE, *window.kernel, cell)
        sums = [_sum(step) for step in walk]
        widest = max(font(_SUM).getlength(text) for text in sums)
        left = max(self.products.right, middle + round(widest)) + _GAP
        totals = cell_width(step.total for step in walk)
        self.output = Grid(left, top, *window.out_size, totals)
        self.notes = _notes(window)
        texts = [(self.notes, _NOTE), (self._title(0), _TITLE), (self._title(len(walk)), _TITLE)]
        wide = [_EDGE + round(font(size).getlength(text)) for text, size in texts]
        heading = round(font(18).getlength(self._headings()[2]))
        self.width = max(*wide, self.output.right, left + heading) + _EDGE
        lowest = max(self.input.bottom, self.output.bottom, self.products.bottom + _LINE)
        self.height = lowest + _LINE + _EDGE

    def frame(self, number: int) -> Image.Image:
        """The frame of step `number`, counted from 0; beyond the last, the whole output."""
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
            self.output.fill(canvas, *step.at, DONE, shown(step.total))
        if number < len(self.walk):
            self._show(canvas, self.walk[number])
        return canvas.finished()

    def _title(self, number: int) -> str:
        count = len(self.walk)
        if number == count:
            return f"all {count} positions"
        row, column = self.walk[number].at
        return f"position {number + 1} of {count}: output row {row}, column {column}"

    def _headings(self) -> tuple[str, str, str]:
        """Above the input, the kernel and the output."""
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

    def _show(self, canvas: Canvas, step: Step) -> None:
        """Show where the window is, what it reads, and what becomes of it."""
        (top, _), (left, _) = self.window.padding
        factors = _factors(step.values, self.kernel)
        for i, row in enumerate(step.products):
            for j, product in enumerate(row):
                y, x = cell_of(self.window, step.at, (i, j))
                inside = 0 <= y < len(self.x) and 0 <= x < len(self.x[0])
                ground = READ if inside else READ_PADDED
                self.input.fill(canvas, y + top, x + left, ground, shown(step.values[i][j]))
                self.products.fill(canvas, i, j, ground, shown(product), factors[i][j])
        y, x = cell_of(self.window, step.at, (0, 0))
        self.input.frame(canvas, y + top, x + left, *self.window.span)
        canvas.text(self.products.left, self.products.bottom + _LINE - 10, _sum(step), _SUM)
        self.output.fill(canvas, *step.at, READ, shown(step.total))
        self.output.frame(canvas, *step.at)


def _padded_size(window: Window) -> tuple[int, int]:
    (height, width), ((top, bottom), (left, right)) = window.in_size, window.padding
    return height + top + bottom, width + left + right


def _flat(numbers: Numbers) -> list[Fraction]:
    return [number for row in numbers for number in row]


def _factors(values: Numbers, kernel: Numbers) -> list[list[str]]:
    return [
        [f"{shown(value)}{TIMES}{shown(weight)}" for value, weight in zip(*rows, strict=True)]
        for rows in zip(values, kernel, strict=True)
    ]


def _sum(step: Step) -> str:
    return f"sum = {shown(step.total)}".replace("= ≈", "≈ ")


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
