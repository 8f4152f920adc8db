"""Pooling window by window: the numbers of each window, and their maximum or mean."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from jcnn.ops import Padding, Size, Window, resolve_window
from jcnn.trace.grids import Grid, Stack, shape_of
from jcnn.trace.numbers import Number, exact, show_number, show_sum
from jcnn.trace.windows import Patch, cells_under, check_work, patch_of, positions


@dataclass(frozen=True)
class PoolStep:
    """One output cell.

    Attributes:
        channel, row, column: its position in the output.
        patch: the input under the window; padding is ignored.
        place: row and column of the maximum in the patch, the first of equals; None for a mean.
        source: row and column of the maximum in the input; None for a mean.
        value: the maximum or the mean.
    """

    channel: int
    row: int
    column: int
    patch: Patch
    place: tuple[int, int] | None
    source: tuple[int, int] | None
    value: Number

    def why(self) -> str:
        """The expression, such as "max(4, 8, 7, 1)" or "(4 + 8 + 7 + 1) / 4"."""
        seen = [number for line in self.patch for number in line if number is not None]
        if self.place is None:
            return f"({show_sum(seen)}) / {len(seen)}"
        return f"max({', '.join(map(show_number, seen))})"


@dataclass(frozen=True)
class Pooling:
    """A pooling: input, window and output; channels are independent."""

    inputs: Stack
    average: bool
    window: Window
    values: Stack

    def step(self, channel: int, row: int, column: int) -> PoolStep:
        """The computation of one output cell."""
        return _step(self.inputs, self.average, self.window, channel, row, column)

    def steps(self) -> Iterator[PoolStep]:
        """The computation of every output cell, channel by channel, row by row."""
        for channel in range(len(self.inputs)):
            for row, column in positions(self.window):
                yield self.step(channel, row, column)

    def why(self, channel: int, row: int, column: int) -> str:
        """The expression that gives an output cell; see `PoolStep.why`."""
        return self.step(channel, row, column).why()


def pool(
    inputs: Stack,
    size: Size,
    *,
    stride: Size | None = None,
    padding: Padding = "VALID",
    average: bool = False,
) -> Pooling:
    """Pool an image in exact arithmetic.

    Args:
        inputs: one grid of H x W per channel.
        size: height and width of the window.
        stride: None means the size of the window.
        padding: as for `jcnn.ops.max_pool2d`; ignored by the maximum and the mean.
        average: take the mean instead of the maximum.

    Raises:
        ValueError: no window fits, or a window would hold nothing but padding.
    """
    window = resolve_window(
        shape_of(inputs)[:2], size, stride=size if stride is None else stride, padding=padding
    )
    for cells, pads in zip(window.kernel, window.padding, strict=True):
        if max(pads) >= cells:
            raise ValueError(
                f"padding: got {padding!r} for a window of {window.kernel[0]}x{window.kernel[1]}; "
                "accepted: less than the window, or some windows would hold nothing but padding"
            )
    check_work(window, len(inputs))
    values: list[Grid] = []
    for channel in range(len(inputs)):
        rows = [
            tuple(
                _step(inputs, average, window, channel, row, column).value
                for column in range(window.out_size[1])
            )
            for row in range(window.out_size[0])
        ]
        values.append(tuple(rows))
    return Pooling(inputs, average, window, tuple(values))


def _step(
    inputs: Stack, average: bool, window: Window, channel: int, row: int, column: int
) -> PoolStep:
    patch = patch_of(inputs[channel], window, row, column)
    seen = [
        (number, (i, j))
        for i, line in enumerate(patch)
        for j, number in enumerate(line)
        if number is not None
    ]
    if average:
        mean = exact(sum((Fraction(number) for number, _ in seen), Fraction(0)) / len(seen))
        return PoolStep(channel, row, column, patch, None, None, mean)
    largest, place = max(seen, key=lambda found: found[0])  # max takes the first of equals
    rows, columns = cells_under(window, row, column)
    source = (rows[place[0]], columns[place[1]])
    return PoolStep(channel, row, column, patch, place, source, largest)
