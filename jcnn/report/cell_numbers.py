"""Read and format the numbers in the cells of a drawing."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from jcnn.report.figure import MINUS
from jcnn.trace import Grid, Number
from jcnn.trace.numbers import exact

LARGEST = 1_000_000
"""Largest magnitude of a number in a cell."""


def read_grid(name: str, grid: npt.ArrayLike, most: int) -> Grid:
    """Convert a grid of at most `most` x `most` exactly; a float is read as its printed decimal.

    Raises:
        ValueError: the grid does not have two axes, is too large, or has an element that is not a
            number of magnitude up to `LARGEST`. The message begins with `name`.
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
        if not abs(float(number)) <= LARGEST:  # also NaN
            raise ValueError(f"{name}: got {number}; accepted: -{LARGEST:,} to {LARGEST:,}")
    if array.dtype.kind == "b":
        array = array.astype(np.uint8)
    return tuple(tuple(exact(Decimal(str(number))) for number in row) for row in array)


def shown(number: Number) -> str:
    """Format with up to three decimals, and "≈" in front if that rounds."""
    rounded = round(Fraction(number), 3)
    text = f"{float(rounded):.3f}".rstrip("0").rstrip(".")
    return "≈" * (rounded != number) + text.replace("-", MINUS)
