"""Describe convolution, im2col and pooling as lines and grids."""

from collections.abc import Iterator, Sequence

from jcnn.ops import Window
from jcnn.trace.conv import Convolution, ConvStep
from jcnn.trace.grids import Grid, Stack, by_size
from jcnn.trace.im2col import Im2Col
from jcnn.trace.numbers import show_number, show_sum
from jcnn.trace.parts import TIMES, Block, Line, Part, Row, block
from jcnn.trace.pool import Pooling, PoolStep
from jcnn.trace.windows import SIZE_FORMULA, Patch, cells_under, positions, size_with_numbers

MOST_STEPS = 300
MOST_CELLS = 10_000  # of a patch matrix

NO_FLIP = "Cross-correlation: the kernel is not flipped, as in every CNN library."


def check_steps(window: Window, channels: int = 1) -> None:
    """Raise a ValueError if there are more than `MOST_STEPS` output cells to describe."""
    count = window.out_size[0] * window.out_size[1] * channels
    if count > MOST_STEPS:
        raise ValueError(
            f"steps: got {count:,} output cells; accepted: up to {MOST_STEPS}: take a part of the "
            "input or a larger stride, or leave the steps out"
        )


def describe_conv(*filters: Convolution, steps: bool = False) -> list[Part]:
    """Describe a convolution: operands, size formula and output; with `steps`, every output cell.

    Args:
        filters: the convolution of one image with each filter, in the same window.
        steps: describe every output cell, filter by filter.

    Raises:
        ValueError: there are too many steps to describe.
    """
    first = filters[0]
    if steps:
        check_steps(first.window, len(filters))
    parts: list[Part] = [
        Line(
            f"Convolution: input {_size(first.inputs)}, {_kernels(filters)}, "
            f"{_settings(first.window, dilation=True)}, bias {_biases(filters)}",
            "title",
        ),
        Line(NO_FLIP),
        *_operands(filters),
        *_sizes(first.window),
    ]
    if steps:
        for number, found in enumerate(filters):
            whose = f"Filter {number}, output" if len(filters) > 1 else "Output"
            for step in found.steps():
                parts += _describe_conv_step(found, step, whose)
    return parts


def describe_im2col(found: Im2Col) -> list[Part]:
    """Describe the patch matrix, the columns of the kernels, and their product.

    Raises:
        ValueError: the matrix is too large to describe.
    """
    filters = found.filters
    rows, columns = len(found.patches), len(found.columns[0])
    if rows * columns > MOST_CELLS:
        raise ValueError(
            f"input: its patch matrix is {rows}x{columns}; accepted: up to {MOST_CELLS:,} cells: "
            "take a smaller input or a larger stride"
        )
    names = tuple(f"({row},{column})" for row, column in found.places)
    biased = any(one.bias for one in filters)
    bias: list[Block | str] = ["+", _bias("bias", *filters)] if biased else []
    one = len(filters) == 1
    return [
        Line(
            f"im2col: a row for each of the {by_size(filters[0].values[0])} output cells, "
            f"a column for each of the kernel's {columns} numbers, "
            f"{'' if one else f'{len(filters)} filters, '}"
            f"{_settings(filters[0].window, dilation=True)}",
            "title",
        ),
        Line(
            "A row is the patch under the kernel: kernel rows first, channels last. "
            f"Its product with the kernel's column is the convolution. {NO_FLIP}"
            if one
            else "A row is the patch under the kernels: kernel rows first, channels last. "
            f"Its product with a filter's column is a cell of that filter's output. {NO_FLIP}"
        ),
        *_operands(filters),
        *_sizes(filters[0].window),
        Row(
            (
                block("patch matrix", found.patches, names=names),
                TIMES,
                block("kernel" if one else "filters", zip(*found.columns, strict=True), "kernel"),
                *bias,
                "=",
                block("product", zip(*found.products, strict=True), "output"),
            )
        ),
    ]


def describe_pool(found: Pooling, *, steps: bool = False) -> list[Part]:
    """Describe a pooling: input with its maxima, size formula, output; with `steps`, each window.

    Raises:
        ValueError: there are too many steps to describe.
    """
    if steps:
        check_steps(found.window, len(found.inputs))
    outputs = [
        block(_name("output", k, found.values), grid, "output")
        for k, grid in enumerate(found.values)
    ]
    word = "Average" if found.average else "Maximum"
    inputs = []
    for channel, grid in enumerate(found.inputs):
        windows = [found.step(channel, row, column) for row, column in positions(found.window)]
        chosen = [step.source for step in windows if step.source is not None]
        inputs.append(block(_name("input", channel, found.inputs), grid, chosen=chosen))
    parts: list[Part] = [
        Line(
            f"{word} pooling: input {_size(found.inputs)}, "
            f"window {_by(found.window.kernel)}, {_settings(found.window, dilation=False)}",
            "title",
        ),
        *(Row((x, "->", y)) for x, y in zip(inputs, outputs, strict=True)),
        *_sizes(found.window),
    ]
    if steps:
        for step in found.steps():
            parts += _describe_pool_step(found, step)
    return parts


def _describe_conv_step(found: Convolution, step: ConvStep, whose: str) -> Iterator[Part]:
    yield Line(_place(whose, found.window, step.row, step.column), "title")
    for channel, (patch, kernel, products) in enumerate(
        zip(step.patches, found.kernels, step.products, strict=True)
    ):
        yield Row(
            (
                block(_name("patch", channel, found.inputs), patch),
                TIMES,
                block(_name("kernel", channel, found.kernels), kernel, "kernel"),
                "=",
                block("products", products, "product"),
            )
        )
        if len(step.sums) > 1:
            yield Line(f"channel {channel}: {_sum(products)} = {show_number(step.sums[channel])}")
    total = show_sum(step.sums) if len(step.sums) > 1 else _sum(step.products[0])
    bias = f" + bias {show_number(found.bias)}" if found.bias else ""
    yield Line(f"sum: {total}{bias} = {show_number(step.value)}")


def _describe_pool_step(found: Pooling, step: PoolStep) -> Iterator[Part]:
    whose = _name("Output", step.channel, found.inputs)
    yield Line(_place(whose, found.window, step.row, step.column), "title")
    chosen = () if step.place is None else (step.place,)
    yield Row((block("window", step.patch, chosen=chosen, padding="-"),))
    yield Line(f"{step.why()} = {show_number(step.value)}")


def _operands(filters: Sequence[Convolution]) -> Iterator[Part]:
    """Input, kernel and output of each filter; with several channels, one row for each."""
    for number, found in enumerate(filters):
        mine = f" of filter {number}" if len(filters) > 1 else ""
        output = block(f"output{mine}", found.values[0], "output")
        several = len(found.inputs) > 1
        for channel, grids in enumerate(zip(found.inputs, found.kernels, strict=True)):
            x = block(_name("input", channel, found.inputs), grids[0])
            kernel = block(_name(f"kernel{mine}", channel, found.kernels), grids[1], "kernel")
            bias: list[Block | str] = ["+", _bias(f"bias{mine}", found)] if found.bias else []
            result = [] if several else [*bias, "=", output]
            yield Row((x, "*", kernel, *result))
        if several:
            yield Row((output,))


def _sizes(window: Window) -> list[Part]:
    return [
        Line(SIZE_FORMULA),
        Line(f"rows: {size_with_numbers(window, 0)}"),
        Line(f"columns: {size_with_numbers(window, 1)}"),
    ]


def _name(title: str, channel: int, stack: Stack | tuple[Patch, ...]) -> str:
    return f"{title}, channel {channel}" if len(stack) > 1 else title


def _place(whose: str, window: Window, row: int, column: int) -> str:
    rows, columns = cells_under(window, row, column)
    return (
        f"{whose} ({row},{column}): input rows {', '.join(map(str, rows))}, "
        f"columns {', '.join(map(str, columns))}"
    )


def _settings(window: Window, *, dilation: bool) -> str:
    (top, bottom), (left, right) = window.padding
    sides = f"padding {top} above, {bottom} below, {left} left, {right} right"
    pads = f"padding {top}" if top == bottom == left == right else sides
    text = f"stride {_by(window.stride)}, {pads}"
    return f"{text}, dilation {_by(window.dilation)}" if dilation else text


def _size(stack: Stack) -> str:
    channels = len(stack)
    return by_size(stack[0]) + (f" in {channels} channels" if channels > 1 else "")


def _by(pair: tuple[int, int]) -> str:
    return f"{pair[0]}x{pair[1]}"


def _sum(grid: Grid) -> str:
    return show_sum(number for row in grid for number in row)


def _bias(title: str, *filters: Convolution) -> Block:
    return block(title, ((found.bias for found in filters),), "kernel")


def _biases(filters: Sequence[Convolution]) -> str:
    return " and ".join(show_number(found.bias) for found in filters)


def _kernels(filters: Sequence[Convolution]) -> str:
    size = _size(filters[0].kernels)
    return f"kernel {size}" if len(filters) == 1 else f"{len(filters)} kernels of {size}"
