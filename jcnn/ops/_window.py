"""Window arithmetic: output sizes, padding, dilation and receptive fields, in plain integers.

Every convolution, pooling and im2col of jcnn slides a window over its input. What that window
does is computed here, once, and nowhere else. Nothing in this file needs JAX.
"""

import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Size = int | tuple[int, int]
Pads = tuple[tuple[int, int], tuple[int, int]]
Padding = Literal["SAME", "VALID"] | int | Pads

_Shape = tuple[int, int, int, int]

_PADDING_KINDS = '"SAME", "VALID", an int >= 0, or ((top, bottom), (left, right)) of ints >= 0'

_NCHW = "; x looks like (N, C, H, W), and jcnn takes NHWC: x.transpose(0, 2, 3, 1)"
_OIHW = "; kernel looks like (O, I, KH, KW), and jcnn takes HWIO: kernel.transpose(2, 3, 1, 0)"


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
        """Cells from the first to the last that one window touches, holes included."""
        return (
            (self.kernel[0] - 1) * self.dilation[0] + 1,
            (self.kernel[1] - 1) * self.dilation[1] + 1,
        )


@dataclass(frozen=True)
class ReceptiveField:
    """What one output unit sees of the input; every pair is (rows, columns).

    Output position `o` on an axis sees the input cells
    `start + o * jump, ..., start + o * jump + size - 1`; a negative `start` lies in the padding.
    """

    size: tuple[int, int]
    jump: tuple[int, int]
    start: tuple[int, int]


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
    pads = _resolve_padding(padding, in_size, span, stride)

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


def conv_output_shape(
    x_shape: Sequence[int],
    kernel_shape: Sequence[int],
    *,
    stride: Size = 1,
    padding: Padding = "SAME",
    dilation: Size = 1,
    groups: int = 1,
) -> tuple[int, int, int, int]:
    """Shape of `conv2d`'s result, without computing it.

    Args:
        x_shape: `(N, H, W, C)`.
        kernel_shape: `(KH, KW, C // groups, O)`.
        stride, padding, dilation, groups: as for `conv2d`.

    Returns:
        `(N, OH, OW, O)`.

    Raises:
        ValueError: the shapes do not fit each other; the message names the argument.
    """
    window = conv_window(x_shape, kernel_shape, stride, padding, dilation, groups)
    return (operator.index(x_shape[0]), *window.out_size, operator.index(kernel_shape[3]))


def conv_window(
    x_shape: Sequence[int],
    kernel_shape: Sequence[int],
    stride: Size,
    padding: Padding,
    dilation: Size,
    groups: int,
) -> Window:
    """Check a convolution's shapes against each other and resolve its window."""
    x_shape, kernel_shape, groups = _check_conv(x_shape, kernel_shape, groups, "C // groups, O")
    channels, filters = x_shape[3], kernel_shape[3]
    if channels % groups or filters % groups:
        raise ValueError(
            f"groups: got {groups}, which does not divide both the {channels} channels of x "
            f"{x_shape} and the {filters} filters of kernel {kernel_shape}"
        )
    if kernel_shape[2] * groups != channels:
        raise ValueError(
            f"kernel: got shape {kernel_shape} for x {x_shape} with groups={groups}; "
            f"its third axis must be C // groups = {channels // groups}"
            f"{layout_hint(x_shape, kernel_shape, groups)}"
        )
    return resolve_window(
        x_shape[1:3], kernel_shape[:2], stride=stride, padding=padding, dilation=dilation
    )


def conv_transpose_output_shape(
    x_shape: Sequence[int],
    kernel_shape: Sequence[int],
    *,
    stride: Size = 1,
    padding: Padding = "SAME",
    output_padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> tuple[int, int, int, int]:
    """Shape of `conv_transpose2d`'s result, without computing it.

    Args:
        x_shape: `(N, H, W, C)`.
        kernel_shape: `(KH, KW, O // groups, C)`.
        stride, padding, output_padding, dilation, groups: as for `conv_transpose2d`.

    Returns:
        `(N, OH, OW, O)`.

    Raises:
        ValueError: the shapes do not fit each other; the message names the argument.
    """
    window = conv_transpose_window(
        x_shape, kernel_shape, stride, padding, output_padding, dilation, groups
    )
    return (operator.index(x_shape[0]), *window.in_size, operator.index(kernel_shape[2] * groups))


def conv_transpose_window(
    x_shape: Sequence[int],
    kernel_shape: Sequence[int],
    stride: Size,
    padding: Padding,
    output_padding: Size,
    dilation: Size,
    groups: int,
) -> Window:
    """Check a transposed convolution's shapes, and resolve the window of the convolution it undoes.

    That one reads what the transposed convolution writes: `in_size` is the size of the result.
    """
    x_shape, kernel_shape, groups = _check_conv(x_shape, kernel_shape, groups, "O // groups, C")
    channels = x_shape[3]
    if kernel_shape[3] != channels:
        looks = x_shape[1] == kernel_shape[3]
        raise ValueError(
            f"kernel: got shape {kernel_shape} for x {x_shape}; "
            f"its last axis must be C = {channels}{_NCHW if looks else ''}"
        )
    if channels % groups:
        raise ValueError(
            f"groups: got {groups}, which does not divide the {channels} channels of x"
        )
    in_size = check_pair("x", x_shape[1:3])
    kernel = check_pair("kernel", kernel_shape[:2])
    stride, dilation = check_pair("stride", stride), check_pair("dilation", dilation)
    extra = _output_padding(output_padding, stride, padding)

    spans = [(cells - 1) * gap + 1 for cells, gap in zip(kernel, dilation, strict=True)]
    same = (in_size[0] * stride[0], in_size[1] * stride[1])
    pads = _resolve_padding(padding, same, (spans[0], spans[1]), stride)
    out = same
    if not _is_same(padding):
        covered = [(n - 1) * s + cells for n, s, cells in zip(in_size, stride, spans, strict=True)]
        sizes = [c - sum(p) + e for c, p, e in zip(covered, pads, extra, strict=True)]
        if min(sizes) < 1:
            raise ValueError(
                f"padding: got {padding!r}, which leaves nothing of the {covered[0]}x{covered[1]} "
                "cells that the windows cover"
            )
        out = (sizes[0], sizes[1])
    return resolve_window(out, kernel, stride=stride, padding=pads, dilation=dilation)


def receptive_field(windows: Iterable[Window]) -> ReceptiveField:
    """Receptive field of one unit after a chain of windows, first layer first.

    Args:
        windows: the `Window` of each convolution and pooling on the way.

    Returns:
        `ReceptiveField(size, jump, start)`, each per axis, in input cells.

    Reference: Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural
    Networks", Distill 2019: `size += (span - 1) * jump`, `start -= pad * jump`, `jump *= stride`.
    """
    size, jump, start = [1, 1], [1, 1], [0, 0]
    for window in windows:
        for axis in (0, 1):
            size[axis] += (window.span[axis] - 1) * jump[axis]
            start[axis] -= window.padding[axis][0] * jump[axis]
            jump[axis] *= window.stride[axis]
    return ReceptiveField((size[0], size[1]), (jump[0], jump[1]), (start[0], start[1]))


def layout_hint(x_shape: Sequence[int], kernel_shape: Sequence[int], groups: int = 1) -> str:
    """What to do where a misfit looks like PyTorch's layout; nothing where it does not."""
    rows, columns, *rest = kernel_shape
    # Kernels are square as a rule: it is the last two axes that are equal in PyTorch's.
    turned = rest[0] == rest[1] and rows != columns
    channels = (columns if turned else rest[0]) * groups
    hint = _NCHW if x_shape[1] == channels else ""
    return hint + _OIHW if turned and channels in (x_shape[1], x_shape[3]) else hint


def check_size(name: str, value: int, accepted: str = "a positive int") -> int:
    """A positive integer, of Python's or NumPy's types, as an int.

    Raises:
        ValueError: `value` is another thing; the message has the argument's `name`.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    if number < 1:
        raise ValueError(f"{name}: got {value!r}; accepted: {accepted}")
    return number


def check_pair(name: str, value: Size | Iterable[int]) -> tuple[int, int]:
    """A positive integer, or two of them (rows, columns), as a pair of ints.

    Raises:
        ValueError: `value` is another thing; the message has the argument's `name`.
    """
    accepted = "a positive int or a pair (rows, columns) of positive ints"
    values = _both(value)
    if len(values) != 2:
        raise ValueError(f"{name}: got {value!r}; accepted: {accepted}")
    return check_size(name, values[0], accepted), check_size(name, values[1], accepted)


def _check_conv(
    x_shape: Sequence[int], kernel_shape: Sequence[int], groups: int, channel_axes: str
) -> tuple[_Shape, _Shape, int]:
    """What every convolution's shapes must have; the arguments as tuples and an int."""
    x_shape, kernel_shape = tuple(x_shape), tuple(kernel_shape)
    if len(x_shape) != 4:
        raise ValueError(f"x: got shape {x_shape}; expected four axes (N, H, W, C)")
    if len(kernel_shape) != 4:
        raise ValueError(
            f"kernel: got shape {kernel_shape}; expected four axes (KH, KW, {channel_axes})"
        )
    n, h, w, c = x_shape
    kh, kw, i, o = kernel_shape
    return (n, h, w, c), (kh, kw, i, o), check_size("groups", groups)


def _is_same(padding: Padding) -> bool:
    return isinstance(padding, str) and padding == "SAME"  # of an array, == would be an array


def _both(value: Any) -> tuple[Any, ...]:
    """One number for both axes; a pair, also as a list or an array, as it is."""
    if isinstance(value, str) or not isinstance(value, Iterable) or getattr(value, "ndim", 1) == 0:
        return value, value
    return tuple(value)


def _resolve_padding(
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
    """A padding as "SAME", "VALID" or pairs of ints.

    Raises:
        ValueError: `padding` is another thing.
    """
    if isinstance(padding, str) and padding in ("SAME", "VALID"):
        return padding
    try:
        rows, columns = _both(padding)
        if rows is not padding and not (
            isinstance(rows, Iterable) and isinstance(columns, Iterable)
        ):
            raise TypeError  # a flat pair might be of one axis or of both
        (top, bottom), (left, right) = _both(rows), _both(columns)
        pads: Pads = (
            (operator.index(top), operator.index(bottom)),
            (operator.index(left), operator.index(right)),
        )
    except (TypeError, ValueError):
        raise ValueError(f"padding: got {padding!r}; accepted: {_PADDING_KINDS}") from None
    if min(*pads[0], *pads[1]) < 0:
        raise ValueError(f"padding: got {padding!r}; accepted: {_PADDING_KINDS}")
    return pads


def _output_padding(value: Size, stride: tuple[int, int], padding: Padding) -> tuple[int, int]:
    try:
        rows, columns = (operator.index(number) for number in _both(value))
    except (TypeError, ValueError):
        rows, columns = -1, -1
    most = (0, 0) if _is_same(padding) else (stride[0] - 1, stride[1] - 1)
    if not (0 <= rows <= most[0] and 0 <= columns <= most[1]):
        accepted = (
            f'0 with padding "SAME", which gives {stride[0]}x{stride[1]} times the cells'
            if _is_same(padding)
            else f"an int or a pair (rows, columns), >= 0 and below the stride {stride}"
        )
        raise ValueError(f"output_padding: got {value!r}; accepted: {accepted}")
    return rows, columns
