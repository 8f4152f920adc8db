"""A convolution number by number: the patches, products and sums of each output cell."""

from collections.abc import Iterator
from dataclasses import dataclass

from jcnn.ops import Padding, Size, Window, resolve_window
from jcnn.trace.grids import Grid, Stack, shape_of
from jcnn.trace.numbers import Number, show_number, show_sum
from jcnn.trace.windows import Patch, check_work, patch_of, positions


@dataclass(frozen=True)
class ConvStep:
    """One output cell.

    Attributes:
        row, column: its position in the output.
        patches: the input under the kernel, one patch per channel.
        products: each number of a patch times its weight; padding counts as 0.
        sums: the sum of the products of each channel.
        value: the sum of `sums` and the bias.
    """

    row: int
    column: int
    patches: tuple[Patch, ...]
    products: Stack
    sums: tuple[Number, ...]
    value: Number


@dataclass(frozen=True)
class Convolution:
    """A convolution with one filter: operands, window and output (one channel)."""

    inputs: Stack
    kernels: Stack
    bias: Number
    window: Window
    values: Stack

    def step(self, row: int, column: int) -> ConvStep:
        """The computation of one output cell."""
        return _step(self.inputs, self.kernels, self.bias, self.window, row, column)

    def steps(self) -> Iterator[ConvStep]:
        """The computation of every output cell, row by row."""
        return (self.step(row, column) for row, column in positions(self.window))

    def why(self, _: int, row: int, column: int) -> str:
        """The sum that gives an output cell, such as "2 + 6 + 0 + bias 1"."""
        products = self.step(row, column).products
        text = show_sum(number for grid in products for line in grid for number in line)
        return f"{text} + bias {show_number(self.bias)}" if self.bias else text


def convolve(
    inputs: Stack,
    kernels: Stack,
    bias: Number = 0,
    *,
    stride: Size = 1,
    padding: Padding = "VALID",
    dilation: Size = 1,
) -> Convolution:
    """Convolve one image with one filter in exact arithmetic; the kernel is not flipped.

    Args:
        inputs: one grid of H x W per channel.
        kernels: one grid of KH x KW per channel.
        bias: added to every output cell.
        stride, padding, dilation: as for `jcnn.ops.conv2d`.

    Raises:
        ValueError: the numbers of channels differ, the kernel does not fit, or there would be
            more than a million products.
    """
    height, width, channels = shape_of(inputs)
    kernel_height, kernel_width, kernel_channels = shape_of(kernels)
    if channels != kernel_channels:
        raise ValueError(
            f"kernel: got {kernel_channels} channels; accepted: {channels}, as the input has"
        )
    window = resolve_window(
        (height, width),
        (kernel_height, kernel_width),
        stride=stride,
        padding=padding,
        dilation=dilation,
    )
    check_work(window, channels)
    columns = range(window.out_size[1])
    values: Grid = tuple(
        tuple(_step(inputs, kernels, bias, window, row, column).value for column in columns)
        for row in range(window.out_size[0])
    )
    return Convolution(inputs, kernels, bias, window, (values,))


def _step(
    inputs: Stack, kernels: Stack, bias: Number, window: Window, row: int, column: int
) -> ConvStep:
    patches = tuple(patch_of(grid, window, row, column) for grid in inputs)
    products = tuple(
        tuple(
            tuple((number or 0) * weight for number, weight in zip(*lines, strict=True))
            for lines in zip(patch, kernel, strict=True)
        )
        for patch, kernel in zip(patches, kernels, strict=True)
    )
    sums = tuple(_total(number for line in grid for number in line) for grid in products)
    return ConvStep(row, column, patches, products, sums, _total((*sums, bias)))


def _total(numbers: Iterator[Number] | tuple[Number, ...]) -> Number:
    total: Number = 0
    for number in numbers:
        total += number
    return total
