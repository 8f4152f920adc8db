"""A convolution as one matrix product (im2col), number by number."""

from dataclasses import dataclass

from jcnn.trace.conv import Convolution
from jcnn.trace.grids import Grid, Stack
from jcnn.trace.numbers import Number
from jcnn.trace.windows import Patch, positions


@dataclass(frozen=True)
class Im2Col:
    """The patch matrix, the kernel as a column, and their product.

    Attributes:
        convolution: the same convolution, window by window.
        places: row and column of the output cell of each matrix row.
        patches: `(OH * OW, KH * KW * C)`, one patch per row, ordered by kernel row, kernel column
            and channel; padding is None.
        values: `patches` with 0 for padding, as the only grid of a stack.
        column: the kernel in the same order, `KH * KW * C` numbers.
        product: `OH * OW` numbers, with the bias.
    """

    convolution: Convolution
    places: tuple[tuple[int, int], ...]
    patches: Patch
    values: Stack
    column: tuple[Number, ...]
    product: tuple[Number, ...]

    def why(self, _: int, row: int, column: int) -> str:
        """The input cell that a number of the patch matrix comes from."""
        kernels = self.convolution.kernels
        cell, channel = divmod(column, len(kernels))
        i, j = divmod(cell, len(kernels[0][0]))
        if self.patches[row][column] is None:
            return "padding"
        window = self.convolution.window
        place = self.places[row]
        r, c = (
            place[axis] * window.stride[axis]
            - window.padding[axis][0]
            + (i, j)[axis] * window.dilation[axis]
            for axis in (0, 1)
        )
        whose = f" of channel {channel}" if len(kernels) > 1 else ""
        return f"input ({r},{c}){whose}"


def im2col(convolution: Convolution) -> Im2Col:
    """Write a convolution as a matrix product."""
    places = tuple(positions(convolution.window))
    patches: Patch = tuple(
        tuple(
            number
            for cell in zip(*map(_flat, convolution.step(row, column).patches), strict=True)
            for number in cell
        )
        for row, column in places
    )
    return Im2Col(
        convolution,
        places,
        patches,
        (tuple(tuple(number or 0 for number in row) for row in patches),),
        tuple(
            number or 0
            for cell in zip(*map(_flat, convolution.kernels), strict=True)
            for number in cell
        ),
        tuple(convolution.values[0][row][column] for row, column in places),
    )


def _flat(grid: Grid | Patch) -> tuple[Number | None, ...]:
    return tuple(number for row in grid for number in row)
