"""A convolution as one matrix product (im2col), number by number."""

from dataclasses import dataclass

from jcnn.trace.conv import Convolution
from jcnn.trace.grids import Grid, Stack
from jcnn.trace.numbers import Number
from jcnn.trace.windows import Patch, positions


@dataclass(frozen=True)
class Im2Col:
    """The patch matrix, the kernels as columns, and their product.

    Attributes:
        filters: the same convolution with each filter, window by window.
        places: row and column of the output cell of each matrix row.
        patches: `(OH * OW, KH * KW * C)`, one patch per row, ordered by kernel row, kernel column
            and channel; padding is None.
        values: `patches` with 0 for padding, as the only grid of a stack.
        columns: the kernel of each filter in the same order, `KH * KW * C` numbers.
        products: `OH * OW` numbers of each filter, with its bias.
    """

    filters: tuple[Convolution, ...]
    places: tuple[tuple[int, int], ...]
    patches: Patch
    values: Stack
    columns: tuple[tuple[Number, ...], ...]
    products: tuple[tuple[Number, ...], ...]

    def why(self, _: int, row: int, column: int) -> str:
        """The input cell that a number of the patch matrix comes from."""
        kernels = self.filters[0].kernels
        cell, channel = divmod(column, len(kernels))
        i, j = divmod(cell, len(kernels[0][0]))
        if self.patches[row][column] is None:
            return "padding"
        window = self.filters[0].window
        place = self.places[row]
        r, c = (
            place[axis] * window.stride[axis]
            - window.padding[axis][0]
            + (i, j)[axis] * window.dilation[axis]
            for axis in (0, 1)
        )
        whose = f" of channel {channel}" if len(kernels) > 1 else ""
        return f"input ({r},{c}){whose}"


def im2col(*filters: Convolution) -> Im2Col:
    """Write a convolution as a matrix product.

    Args:
        filters: the convolution of one image with each filter, in the same window.
    """
    first = filters[0]
    places = tuple(positions(first.window))
    patches: Patch = tuple(_interleaved(first.step(row, column).patches) for row, column in places)
    return Im2Col(
        filters,
        places,
        patches,
        (tuple(tuple(number or 0 for number in row) for row in patches),),
        tuple(tuple(number or 0 for number in _interleaved(found.kernels)) for found in filters),
        tuple(tuple(found.values[0][row][column] for row, column in places) for found in filters),
    )


def _interleaved(grids: Stack | tuple[Patch, ...]) -> tuple[Number | None, ...]:
    """The numbers of one grid per channel, cell by cell, channels last."""
    return tuple(number for cell in zip(*map(_flat, grids), strict=True) for number in cell)


def _flat(grid: Grid | Patch) -> tuple[Number | None, ...]:
    return tuple(number for row in grid for number in row)
