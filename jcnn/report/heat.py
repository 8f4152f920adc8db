"""Draw heat maps centred on zero in panels, each with a title and a legend."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from jcnn.explore.palette import diverging
from jcnn.report.figure import GREY, INK, LINE, MINUS, Picture, font, mosaic, rgb

EDGE, GAP, TITLE = 24, 6, 34
"""Margin of the panels, gap between maps, and height of a panel title, in pixels."""
CAPTION = "pale: 0, blue: below, orange: above"
_BAR, _LEAST_WIDTH = 160, 760
_LARGE, _SMALL = 18, 15

Colours = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Panel:
    """A block of maps.

    Attributes:
        title: above the maps.
        image: `(height, width, 3)` uint8.
        largest: number shown in the darkest orange; None for no legend.
    """

    title: str
    image: Colours
    largest: float | None


def maps_side_by_side(tiles: Colours, columns: int, factor: int) -> Colours:
    """Arrange framed maps `(M, H, W, 3)` in rows, enlarged by `factor`."""
    large = tiles.repeat(factor, axis=1).repeat(factor, axis=2)
    count, height, width, _ = large.shape
    framed = np.empty((count, height + 2, width + 2, 3), np.uint8)
    framed[:] = rgb(LINE)
    framed[:, 1:-1, 1:-1] = large
    return mosaic(framed, min(columns, count), GAP)


def draw_panels(name: str, panels: Sequence[Panel], caption: str, alt: str) -> Picture:
    """Draw panels from top to bottom, and the caption below the last."""
    widths = [font(_SMALL).getlength(caption), _LEAST_WIDTH]
    for panel in panels:
        title = font(_LARGE).getlength(panel.title) + EDGE + _BAR + 2 * 100
        widths += [panel.image.shape[1], title]
    width = round(max(widths)) + 2 * EDGE
    height = EDGE + sum(TITLE + len(panel.image) + EDGE for panel in panels) + EDGE
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    y = EDGE
    for panel in panels:
        draw.text((EDGE, y + TITLE - 14), panel.title, INK, font(_LARGE), "ls")
        if panel.largest is not None:
            _legend(sheet, width - EDGE, y + TITLE - 26, panel.largest)
        sheet.paste(Image.fromarray(panel.image), (EDGE, y + TITLE))
        y += TITLE + len(panel.image) + EDGE
    draw.text((EDGE, y + 6), caption, GREY, font(_SMALL), "ls")
    out = io.BytesIO()
    sheet.save(out, format="PNG", optimize=True)
    return Picture(name, out.getvalue(), width, alt)


def _legend(sheet: Image.Image, right: int, top: int, largest: float) -> None:
    """Draw a colour bar from -largest to largest with both numbers, right-aligned at `right`."""
    text = f"{largest:.3g}"
    size, draw = font(_SMALL), ImageDraw.Draw(sheet)
    left = right - round(size.getlength(text)) - 8 - _BAR
    bar = diverging(np.linspace(-largest, largest, _BAR), largest)
    sheet.paste(Image.fromarray(np.repeat(bar[None], 14, axis=0)), (left, top))
    draw.text((right, top + 13), text, INK, size, "rs")
    draw.text((left - 8, top + 13), (MINUS + text) if largest else text, INK, size, "rs")
