"""A convolution with several filters: each gives one channel of the output."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jcnn.ops import Padding, Size
from jcnn.trace.conv import Convolution, convolve
from jcnn.trace.grids import Stack, by_size, shape_of
from jcnn.trace.numbers import Number
from jcnn.trace.windows import check_work


@dataclass(frozen=True)
class ConvLayer:
    """A convolution with one or more filters.

    Attributes:
        filters: the convolution of the same input with each filter, in the same window.
    """

    filters: tuple[Convolution, ...]

    @property
    def values(self) -> Stack:
        """One grid per filter."""
        return tuple(found.values[0] for found in self.filters)

    def why(self, channel: int, row: int, column: int) -> str:
        """The sum that gives an output cell, such as "2 + 6 + 0 + bias 1"."""
        return self.filters[channel].why(0, row, column)


def group_filters(kernels: Sequence[Stack], channels: int) -> tuple[Stack, ...]:
    """Group grids into filters, in order: as many grids as the input has channels are one filter.

    Args:
        kernels: stacks of grids; a filter is one of them, or several of fewer grids.
        channels: of the input.

    Raises:
        ValueError: a stack ends in the middle of a filter, or the last filter lacks grids.
    """
    return tuple(_grouped(kernels, channels))


def convolve_filters(
    inputs: Stack,
    kernels: Sequence[Stack],
    bias: Sequence[Number] = (),
    *,
    stride: Size = 1,
    padding: Padding = "VALID",
    dilation: Size = 1,
) -> ConvLayer:
    """Convolve one image with several filters in exact arithmetic.

    Args:
        inputs: one grid of H x W per channel.
        kernels: the filters, all of one size: one grid of KH x KW per input channel each.
        bias: one number for each filter; empty means no bias.
        stride, padding, dilation: as for `jcnn.ops.conv2d`.

    Raises:
        ValueError: the filters differ in size, there is not one bias for each of them, or as for
            `convolve`.
    """
    size = shape_of(kernels[0])[:2]
    for number, kernel in enumerate(kernels):
        for grid in kernel:
            if (len(grid), len(grid[0])) == size:
                continue
            raise ValueError(
                f"kernel: got {by_size(grid)} in filter {number}; "
                f"accepted: {size[0]}x{size[1]}, as the first"
            )
    if bias and len(bias) != len(kernels):
        raise ValueError(
            f"bias: got {len(bias)} numbers; accepted: none, or {len(kernels)}, one for each filter"
        )
    offsets = bias or (0,) * len(kernels)
    channels = len(inputs) * len(kernels)
    found: list[Convolution] = []
    for kernel, offset in zip(kernels, offsets, strict=True):
        found.append(
            convolve(inputs, kernel, offset, stride=stride, padding=padding, dilation=dilation)
        )
        check_work(found[0].window, channels)
    return ConvLayer(tuple(found))


def _grouped(kernels: Sequence[Stack], channels: int) -> Iterator[Stack]:
    own: Stack = ()
    for kernel in kernels:
        own += kernel
        if len(own) > channels:
            break
        if len(own) == channels:
            yield own
            own = ()
    if own:
        raise ValueError(f"kernel: got {len(own)} channels; accepted: {channels}, as the input has")
