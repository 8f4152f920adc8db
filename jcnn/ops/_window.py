"""Window arithmetic: output sizes, padding and dilation, in plain integers.

Convolution, pooling and im2col slide a window over their input. Only this file computes its
padding and its output size. Nothing here needs JAX.
"""

import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Size = int | tuple[int, int]
Pads = tuple[tuple[int, int], tuple[int, int]]
Padding = Literal["SAME", "VALID"] | int | Pads

_PADDING_KINDS = '"SAME", "VALID", an int >= 0, or ((top, bottom), (left, right)) of ints >= 0'


@dataclass(frozen=True)
class Window:
    """A window resolved against one input size; every pair is (rows, columns).

    Output position `o` on an axis reads the padded input at `o * stride + i * dilation`
    for `i` in `range(kernel)`; the padded input has `padding[axis]` cells before and after.
    """

    in_size: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: Pads
    dilation: tuple[int, int]
    out_size: tuple[int, int]

    @property
    def span(self) -> tuple[int, int]:
        """Cells from the first to the last that one window reads, including skipped ones."""
        return (
            (self.kernel[0] - 1) * self.dilation[0] + 1,
            (self.kernel[1] - 1) * self.dilation[1] + 1,
        )

    def cells_inside(self) -> np.ndarray:
        """Number of cells of each window without dilation that are no padding, `(OH, OW)`."""
        counts = []
        for axis in (0, 1):
            first = np.arange(self.out_size[axis]) * self.stride[axis] - self.padding[axis][0]
            last = first + self.kernel[axis]
            counts.append(np.minimum(last, self.in_size[axis]) - np.maximum(first, 0))
        return np.outer(*counts)


def resolve_window(
    in_hw: Sequence[int],
    kernel: Size,
    *,
    stride: Size = 1,
    padding: Padding = "VALID",
    dilation: Size = 1,
) -> Window:
    """Resolve a window against an input of `in_hw = (H, W)` cells.

    Args:
        in_hw: input height and width.
        kernel: window height and width; an int means a square.
        stride: cells between neighbouring windows.
        padding: "VALID" pads nothing; "SAME" gives `ceil(in / stride)` outputs, with
            `total // 2` cells before and the remainder after; an int pads every side.
        dilation: cells between neighbouring taps of the kernel.

    Returns:
        The `Window`, with `out = (in + pads - span) // stride + 1`.

    Raises:
        ValueError: an argument is not a positive size, or no window fits the padded input.

    Reference: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016.
    """
    in_size = check_pair("in_hw", in_hw)
    kernel = check_pair("kernel", kernel)
    stride = check_pair("stride", stride)
    dilation = check_pair("dilation", dilation)
    span = ((kernel[0] - 1) * dilation[0] + 1, (kernel[1] - 1) * dilation[1] + 1)
    pads = resolve_padding(padding, in_size, span, stride)

    out = []
    for size, (before, after), cells, step in zip(in_size, pads, span, stride, strict=True):
        if cells > size + before + after:
            raise ValueError(
                f"kernel: a window of {span[0]}x{span[1]} (kernel {kernel[0]}x{kernel[1]}, "
                f"dilation {dilation[0]}x{dilation[1]}) does not fit an input of "
                f"{in_size[0]}x{in_size[1]} with padding {pads}"
            )
        out.append((size + before + after - cells) // step + 1)
    return Window(in_size, kernel, stride, pads, dilation, (out[0], out[1]))


def check_size(name: str, value: int, accepted: str = "a positive int") -> int:
    """Convert a positive integer, of Python or NumPy, to an int.

    Raises:
        ValueError: `value` is not a positive integer; the message names the argument.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    if number < 1:
        raise ValueError(f"{name}: got {value!r}; accepted: {accepted}")
    return number


def check_pair(name: str, value: Size | Iterable[int]) -> tuple[int, int]:
    """Convert a positive integer, or two of them (rows, columns), to a pair of ints.

    Raises:
        ValueError: `value` is neither; the message names the argument.
    """
    accepted = "a positive int or a pair (rows, columns) of positive ints"
    values = as_pair(value)
    if len(values) != 2:
        raise ValueError(f"{name}: got {value!r}; accepted: {accepted}")
    return check_size(name, values[0], accepted), check_size(name, values[1], accepted)


def is_same(padding: Padding) -> bool:
    return isinstance(padding, str) and padding == "SAME"  # an array == "SAME" would be an array


def as_pair(value: Any) -> tuple[Any, ...]:
    """Repeat a single number for both axes; return an iterable as a tuple."""
    if isinstance(value, str) or not isinstance(value, Iterable) or getattr(value, "ndim", 1) == 0:
        return value, value
    return tuple(value)


def resolve_padding(
    padding: Padding, in_size: tuple[int, int], span: tuple[int, int], stride: tuple[int, int]
) -> Pads:
    fixed = check_padding(padding)
    if fixed == "VALID":
        return (0, 0), (0, 0)
    if fixed == "SAME":
        same = []
        for size, cells, step in zip(in_size, span, stride, strict=True):
            out = -(-size // step)
            total = max((out - 1) * step + cells - size, 0)
            same.append((total // 2, total - total // 2))
        return same[0], same[1]
    return fixed


def check_padding(padding: Padding) -> Literal["SAME", "VALID"] | Pads:
    """Convert a padding to "SAME", "VALID" or pairs of ints.

    Raises:
        ValueError: `padding` is not valid.
    """
    if isinstance(padding, str) and padding in ("SAME", "VALID"):
        return padding
    try:
        rows, columns = as_pair(padding)
        if rows is not padding and not (
            isinstance(rows, Iterable) and isinstance(columns, Iterable)
        ):
            raise TypeError  # a flat pair is ambiguous
        (top, bottom), (left, right) = as_pair(rows), as_pair(columns)
        pads: Pads = (
            (operator.index(top), operator.index(bottom)),
            (operator.index(left), operator.index(right)),
        )
    except (TypeError, ValueError):
        raise ValueError(f"padding: got {padding!r}; accepted: {_PADDING_KINDS}") from None
    if min(*pads[0], *pads[1]) < 0:
        raise ValueError(f"padding: got {padding!r}; accepted: {_PADDING_KINDS}")
    return pads
