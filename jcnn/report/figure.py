"""Style the figures of a report and encode them as PNG.

Matplotlib is used through its objects: `pyplot` would keep figures alive and choose a window
system.
"""

import functools
import io
import math
import warnings
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image, ImageFont

# The two colours differ in lightness too, for colour-blind readers and grey printers.
BLUE, ORANGE = "#1f5f99", "#e0813a"
INK, GREY, LINE = "#1d2630", "#5c6873", "#dfe4e8"
TIMES, MINUS = "\N{MULTIPLICATION SIGN}", "\N{MINUS SIGN}"
# Pixels per inch; a figure longer than _LONG inches has fewer.
_DPI, _LONG, _LONG_DPI = 160, 12, 110
# By the definition of the inch in CSS.
_CSS_PIXELS_AN_INCH = 96


@dataclass(frozen=True)
class Picture:
    """A PNG of the report.

    Attributes:
        name: file name without ".png".
        png: bytes of the file.
        width: preferred width on the page, in CSS pixels.
        alt: alternative text.
    """

    name: str
    png: bytes
    width: int
    alt: str

    def _repr_png_(self) -> bytes:
        """The picture, which a notebook shows."""
        return self.png


def new_figure(width: float, height: float) -> Figure:
    """Make an empty white figure of `width` x `height` inches."""
    dpi = _DPI if max(width, height) <= _LONG else _LONG_DPI
    return Figure(figsize=(width, height), dpi=dpi, facecolor="white", layout="constrained")


def quiet(axes: Axes) -> None:
    """Style axes: no frame at the top and on the right, a light grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(colors=GREY, labelsize=9, labelcolor=INK)
    axes.grid(color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)


def literal(text: Text) -> None:
    """Show dollar signs in a name literally, not as a formula."""
    text.set_parse_math(False)


def short(name: str, most: int = 24) -> str:
    """Shorten a name to one line of at most `most` characters by cutting out the middle."""
    line = " ".join(name.split())
    if len(line) <= most:
        return line
    head = (most - 1) * 2 // 3
    return f"{line[:head]}…{line[len(line) - (most - 1 - head) :]}"


def picture(name: str, figure: Figure, alt: str) -> Picture:
    """Render a figure as PNG."""
    out = io.BytesIO()
    with warnings.catch_warnings():
        # For a class name in a script that the font lacks; the tables of the page show it.
        warnings.filterwarnings("ignore", r"Glyph .* missing from font", UserWarning)
        # `figure.savefig` would draw twice because of the layout.
        FigureCanvasAgg(figure).print_png(out, metadata={"Software": None})
    width = round(figure.get_size_inches()[0] * _CSS_PIXELS_AN_INCH)
    return Picture(name, out.getvalue(), width, alt)


@functools.cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """The font of the figures, `size` pixels high, for drawing with Pillow."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return ImageFont.truetype(folder / "DejaVuSans.ttf", size, layout_engine=ImageFont.Layout.BASIC)


def rgb(colour: str) -> npt.NDArray[np.uint8]:
    """Convert a colour such as "#1f5f99" to `(3,)` uint8."""
    return np.frombuffer(bytes.fromhex(colour[1:]), np.uint8)


def as_colours(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Convert an image `(H, W, C)` to `(H, W, 3)`; unless C is 3, its mean in grey."""
    if image.shape[-1] == 3:
        return image
    grey = image.mean(axis=-1, keepdims=True)
    return np.repeat(np.round(grey).astype(np.uint8), 3, axis=-1)


def png_bytes(image: npt.NDArray[np.uint8], most: int = 4096) -> bytes:
    """Encode `(H, W, 3)` as PNG, with the longer side reduced to at most `most` pixels."""
    opened = Image.fromarray(image)
    opened.thumbnail((most, most))
    out = io.BytesIO()
    opened.save(out, format="PNG", optimize=True)
    return out.getvalue()


def enlarged(images: npt.NDArray[np.uint8], least: int) -> npt.NDArray[np.uint8]:
    """Repeat the pixels of `(..., H, W, 3)` until the longer side has `least` pixels or more."""
    factor = max(1, math.ceil(least / max(images.shape[-3:-1])))
    return images.repeat(factor, axis=-3).repeat(factor, axis=-2)


def mosaic(tiles: npt.NDArray[np.uint8], columns: int, gap: int) -> npt.NDArray[np.uint8]:
    """Arrange tiles `(M, H, W, 3)` in rows of `columns`, with `gap` white pixels between them."""
    count, height, width, _ = tiles.shape
    rows = -(-count // columns)
    down, right = height + gap, width + gap
    sheet = np.full((rows * down - gap, columns * right - gap, 3), 255, np.uint8)
    for number, tile in enumerate(tiles):
        top, left = number // columns * down, number % columns * right
        sheet[top : top + height, left : left + width] = tile
    return sheet
