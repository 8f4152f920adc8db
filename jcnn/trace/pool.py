"""Pooling, window by window: which numbers are seen, and which one wins or what their mean is."""

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
        channel, row, column: its place in the output.
        patch: what the window lies on; padding takes no part.
        place: row and column in the patch of the maximum, the first of equals; None of a mean.
        source: the same in the input.
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
        """As in "max(4, 8, 7, 1)" or "(4 + 8 + 7 + 1) / 4"."""
        seen = [number for line in self.patch for number in line if number is not None]
        if self.place is None:
            return f"({show_sum(seen)}) / {len(seen)}"
        return f"max({', '.join(map(show_number, seen))})"


@dataclass(frozen=True)
class Pooling:
    """A pooling: its input, its window and its output, each channel by itself."""

    inputs: Stack
    average: bool
    window: Window
    values: Stack

    def step(self, channel: int, row: int, column: int) -> PoolStep:
        """How one output cell came about."""
        return _step(self.inputs, self.average, self.window, channel, row, column)

    def steps(self) -> Iterator[PoolStep]:
        """Every output cell, channel by channel, row by row."""
        for channel in range(len(self.inputs)):
            for row, column in positions(self.window):
                yield self.step(channel, row, column)

    def why(self, channel: int, row: int, column: int) -> str:
        """What an output cell is the maximum or mean of."""
        return self.step(channel, row, column).why()


def pool(
    inputs: Stack,
    size: Size,
    *,
    stride: Size | None = None,
    padding: Padding = "VALID",
    average: bool = False,
) -> Pooling:
    """Pool a picture, exactly.

    Args:
        inputs: a grid of H x W a channel.
        size: height and width of the window.
        stride: None means the window's size.
        padding: as for `jcnn.ops.max_pool2d`; it never wins and is left out of the mean.
        average: the mean instead of the maximum.

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
