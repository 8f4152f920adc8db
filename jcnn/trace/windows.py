"""The input cells of a window, and the formula of the output size."""

from collections.abc import Iterator

from jcnn.ops import Window
from jcnn.trace.grids import Grid
from jcnn.trace.numbers import Number

Patch = tuple[tuple[Number | None, ...], ...]  # None is padding

SIZE_FORMULA = (
    "output = floor((n + p - d(k - 1) - 1) / s) + 1, "
    "with n the input, p the padding of both sides together, d the dilation, k the kernel, "
    "s the stride"
)


MOST_PRODUCTS = 1_000_000


def check_work(window: Window, channels: int) -> None:
    """Raise a ValueError for more than a million products, which would take minutes."""
    rows, columns = window.out_size
    count = rows * columns * window.kernel[0] * window.kernel[1] * channels
    if count > MOST_PRODUCTS:
        raise ValueError(
            f"input: its windows have {count:,} numbers in all; accepted: up to "
            f"{MOST_PRODUCTS:,}: take a smaller input or a larger stride"
        )


def positions(window: Window) -> Iterator[tuple[int, int]]:
    """Every output position, row by row."""
    for row in range(window.out_size[0]):
        for column in range(window.out_size[1]):
            yield row, column


def cells_under(window: Window, row: int, column: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The input rows and columns under the window; some may lie in the padding."""
    rows, columns = (
        tuple(
            place * window.stride[axis] - window.padding[axis][0] + i * window.dilation[axis]
            for i in range(window.kernel[axis])
        )
        for axis, place in enumerate((row, column))
    )
    return rows, columns


def patch_of(grid: Grid, window: Window, row: int, column: int) -> Patch:
    """The numbers under the window at an output position."""
    height, width = window.in_size
    rows, columns = cells_under(window, row, column)
    return tuple(
        tuple(grid[r][c] if 0 <= r < height and 0 <= c < width else None for c in columns)
        for r in rows
    )


def size_with_numbers(window: Window, axis: int) -> str:
    """The size formula with the numbers of an axis, such as "... = floor(2 / 1) + 1 = 3"."""
    n, k, d = window.in_size[axis], window.kernel[axis], window.dilation[axis]
    p, s = sum(window.padding[axis]), window.stride[axis]
    return (
        f"floor(({n} + {p} - {d}({k} - 1) - 1) / {s}) + 1 = "
        f"floor({n + p - d * (k - 1) - 1} / {s}) + 1 = {window.out_size[axis]}"
    )
