"""The arithmetic of a small convolution, position by position, in exact numbers."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from jcnn.ops import Window
from jcnn.report.figure import MINUS

LARGEST = 1_000_000
"""Size of a number that a cell has room for."""

Numbers = list[list[Fraction]]


@dataclass(frozen=True)
class Step:
    """One position of the window.

    Attributes:
        at: row and column of the output.
        values: `(KH, KW)`: what the window reads; 0 in the padding.
        products: `(KH, KW)`: the values times the kernel.
        total: the sum of the products.
    """

    at: tuple[int, int]
    values: Numbers
    products: Numbers
    total: Fraction


def steps(x: Numbers, kernel: Numbers, window: Window) -> Iterator[Step]:
    """Every position of the window, row by row; the kernel is not flipped."""
    for row in range(window.out_size[0]):
        for column in range(window.out_size[1]):
            values = [
                [_read(x, *cell_of(window, (row, column), (i, j))) for j in range(window.kernel[1])]
                for i in range(window.kernel[0])
            ]
            products = [
                [value * weight for value, weight in zip(*rows, strict=True)]
                for rows in zip(values, kernel, strict=True)
            ]
            total = sum((product for line in products for product in line), Fraction(0))
            yield Step((row, column), values, products, total)


def cell_of(window: Window, at: tuple[int, int], tap: tuple[int, int]) -> tuple[int, int]:
    """The input's cell that output position `at` reads through `tap`; outside it, padding."""
    (top, _), (left, _) = window.padding
    return (
        at[0] * window.stride[0] + tap[0] * window.dilation[0] - top,
        at[1] * window.stride[1] + tap[1] * window.dilation[1] - left,
    )


def _read(x: Numbers, row: int, column: int) -> Fraction:
    return x[row][column] if 0 <= row < len(x) and 0 <= column < len(x[0]) else Fraction(0)


def exact(name: str, grid: npt.ArrayLike, most: int) -> Numbers:
    """A grid of at most `most` x `most` as fractions: a float is the decimal it is printed as.

    Raises:
        ValueError: it has not two axes, too many cells, or other things than numbers of at most
            `LARGEST`; `name` says which grid.
    """
    try:
        array = np.asarray(grid)
    except ValueError:
        raise ValueError(f"{name}: got rows of several lengths; accepted: (H, W)") from None
    if array.ndim != 2 or array.size == 0 or max(array.shape) > most:
        raise ValueError(
            f"{name}: got shape {array.shape}; accepted: (H, W) from 1 x 1 to {most} x {most}"
        )
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name}: got dtype {array.dtype}; accepted: integers or floats")
    for number in array.ravel():
        if not abs(float(number)) <= LARGEST:  # nan, too
            raise ValueError(f"{name}: got {number}; accepted: -{LARGEST:,} to {LARGEST:,}")
    if array.dtype.kind == "b":
        array = array.astype(np.uint8)
    return [[Fraction(str(number)) for number in row] for row in array]


def shown(number: Fraction) -> str:
    """A number for a cell: whole ones whole, others to three decimals, "≈" where that rounds."""
    rounded = round(number, 3)
    text = f"{float(rounded):.3f}".rstrip("0").rstrip(".")
    return "≈" * (rounded != number) + text.replace("-", MINUS)
