"""Grids of numbers drawn in few enough colours for a GIF, so that each comes back exactly.

Each pixel has one of a few grounds, and 0 to 15 parts of the ink that goes with it: a palette.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from jcnn.report.cell_numbers import shown
from jcnn.report.figure import GREY, INK, ORANGE, font, rgb
from jcnn.trace import Number

PAPER, NOTE, LINES, PADDED, READ, READ_PADDED, FRAME, DONE = range(8)
"""What the ground of a pixel is."""
GROUNDS = ("#ffffff", "#ffffff", "#9aa5ae", "#e6eaed", "#fbdfc5", "#eaddd0", ORANGE, "#d6e5f3")
"""Their colours."""
_INKS = (INK, GREY, INK, GREY, INK, INK, INK, INK)
_PARTS = 15

CELL = 48
"""Height and least width of a cell in pixels, with one of its two lines."""
HEADING = 18
"""Size of what stands above a grid."""
_NUMBER, _FACTORS = 20, 14


class Canvas:
    """A picture while it is drawn: the ground of every pixel, and the ink on it."""

    def __init__(self, width: int, height: int) -> None:
        self._ground = Image.new("L", (width, height), PAPER)
        self._ink = Image.new("L", (width, height), 0)

    def box(self, x: int, y: int, width: int, height: int, ground: int) -> None:
        """Fill a rectangle; what was written there is gone."""
        corners = (x, y, x + width - 1, y + height - 1)
        ImageDraw.Draw(self._ground).rectangle(corners, fill=ground)
        ImageDraw.Draw(self._ink).rectangle(corners, fill=0)

    def frame(self, x: int, y: int, width: int, height: int) -> None:
        """Frame a rectangle in orange, two pixels into it and one around."""
        corners = (x - 1, y - 1, x + width, y + height)
        ImageDraw.Draw(self._ground).rectangle(corners, outline=FRAME, width=3)

    def text(self, x: float, y: float, text: str, size: int, anchor: str = "ls") -> None:
        """Write in the ink that goes with the ground there; anchors are Pillow's."""
        ImageDraw.Draw(self._ink).text((x, y), text, 255, font(size), anchor)

    def finished(self) -> Image.Image:
        """The picture, with its palette."""
        ink = np.round(np.asarray(self._ink) * (_PARTS / 255)).astype(np.uint8)
        image = Image.fromarray(np.asarray(self._ground) * np.uint8(_PARTS + 1) + ink)
        image.putpalette(_palette())
        return image


def _palette() -> list[int]:
    shares = np.arange(_PARTS + 1)[:, None] / _PARTS
    colours = [
        (1 - shares) * rgb(ground) + shares * rgb(ink)
        for ground, ink in zip(GROUNDS, _INKS, strict=True)
    ]
    levels: list[int] = np.round(colours).astype(int).ravel().tolist()
    return levels


@dataclass(frozen=True)
class Grid:
    """Where a grid of cells is: its upper left pixel, its size, and its cells' width."""

    left: int
    top: int
    rows: int
    columns: int
    cell: int

    @property
    def right(self) -> int:
        """The first pixel beyond its last line."""
        return self.left + self.columns * self.cell + 1

    @property
    def bottom(self) -> int:
        """The first pixel below its last line."""
        return self.top + self.rows * CELL + 1

    def draw(self, canvas: Canvas, heading: str) -> None:
        """Draw empty cells, and the heading above them."""
        canvas.text(self.left, self.top - 10, heading, HEADING)
        canvas.box(self.left, self.top, self.right - self.left, self.bottom - self.top, LINES)
        for row in range(self.rows):
            for column in range(self.columns):
                self.fill(canvas, row, column, PAPER)

    def fill(
        self,
        canvas: Canvas,
        row: int,
        column: int,
        ground: int,
        text: str = "",
        factors: str = "",
    ) -> None:
        """Colour a cell and write into it; `factors` stand small above the text."""
        x, y = self.left + column * self.cell + 1, self.top + row * CELL + 1
        canvas.box(x, y, self.cell - 1, CELL - 1, ground)
        middle, down = x + (self.cell - 1) / 2, 8 if factors else 0
        canvas.text(middle, y + 12, factors, _FACTORS, "mm")
        canvas.text(middle, y + CELL / 2 + down, text, _NUMBER, "mm")

    def frame(self, canvas: Canvas, row: int, column: int, rows: int = 1, columns: int = 1) -> None:
        """Frame a block of cells."""
        x, y = self.left + column * self.cell, self.top + row * CELL
        canvas.frame(x, y, columns * self.cell + 1, rows * CELL + 1)


def cell_width(numbers: Iterable[Number], factors: Iterable[str] = ()) -> int:
    """How wide a cell must be for any of these numbers, and these factors above them."""
    widths = [font(_NUMBER).getlength(shown(number)) for number in numbers]
    widths += [font(_FACTORS).getlength(text) for text in factors]
    return max(CELL, round(max(widths)) + 12)
