"""Draw grids of numbers in the 256 colours of a GIF, so that no colour is approximated.

A pixel mixes one of eight backgrounds with 0 to 15 parts of its text colour; the mixtures are the
palette.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from jcnn.report.cell_numbers import shown
from jcnn.report.figure import GREY, INK, ORANGE, font, rgb
from jcnn.trace import Number

PAPER, NOTE, LINES, PADDED, READ, READ_PADDED, FRAME, DONE = range(8)
"""The backgrounds of a pixel."""
GROUNDS = ("#ffffff", "#ffffff", "#9aa5ae", "#e6eaed", "#fbdfc5", "#eaddd0", ORANGE, "#d6e5f3")
"""Their colours."""
_INKS = (INK, GREY, INK, GREY, INK, INK, INK, INK)
_PARTS = 15

CELL = 48
"""Height and least width of a cell in pixels, with one border line."""
HEADING = 18
"""Font size of the heading of a grid."""
_NUMBER, _FACTORS = 20, 14


class Canvas:
    """An image being drawn: the background of every pixel, and the amount of text colour on it."""

    def __init__(self, width: int, height: int) -> None:
        self._ground = Image.new("L", (width, height), PAPER)
        self._ink = Image.new("L", (width, height), 0)

    def box(self, x: int, y: int, width: int, height: int, ground: int) -> None:
        """Fill a rectangle and erase the text in it."""
        corners = (x, y, x + width - 1, y + height - 1)
        ImageDraw.Draw(self._ground).rectangle(corners, fill=ground)
        ImageDraw.Draw(self._ink).rectangle(corners, fill=0)

    def frame(self, x: int, y: int, width: int, height: int) -> None:
        """Frame a rectangle in orange, two pixels inside and one outside."""
        corners = (x - 1, y - 1, x + width, y + height)
        ImageDraw.Draw(self._ground).rectangle(corners, outline=FRAME, width=3)

    def text(self, x: float, y: float, text: str, size: int, anchor: str = "ls") -> None:
        """Write in the text colour of the background; anchors as in Pillow."""
        ImageDraw.Draw(self._ink).text((x, y), text, 255, font(size), anchor)

    def finished(self) -> Image.Image:
        """The finished image, with its palette."""
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
    """The position of a grid of cells: upper left pixel, number of cells, and cell width."""

    left: int
    top: int
    rows: int
    columns: int
    cell: int

    @property
    def right(self) -> int:
        """The first pixel to the right of the grid."""
        return self.left + self.columns * self.cell + 1

    @property
    def bottom(self) -> int:
        """The first pixel below the grid."""
        return self.top + self.rows * CELL + 1

    def draw(self, canvas: Canvas, heading: str) -> None:
        """Draw empty cells and a heading above them."""
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
        """Colour a cell and write into it, with `factors` in small print above the text."""
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
    """The cell width that fits all of these numbers and factors, in pixels."""
    widths = [font(_NUMBER).getlength(shown(number)) for number in numbers]
    widths += [font(_FACTORS).getlength(text) for text in factors]
    return max(CELL, round(max(widths)) + 12)
