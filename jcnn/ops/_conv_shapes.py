"""Shapes of convolutions, plain and transposed: checks, windows and output shapes.

Nothing in this file needs JAX.
"""

import operator
from collections.abc import Sequence

from jcnn.ops._window import (
    Padding,
    Size,
    Window,
    as_pair,
    check_pair,
    check_size,
    is_same,
    resolve_padding,
    resolve_window,
)

_Shape = tuple[int, int, int, int]

NCHW_HINT = "; x looks like (N, C, H, W), and jcnn takes NHWC: x.transpose(0, 2, 3, 1)"
_OIHW = "; kernel looks like (O, I, KH, KW), and jcnn takes HWIO: kernel.transpose(2, 3, 1, 0)"


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
    """Check a transposed convolution's shapes and resolve the window of its forward convolution.

    The forward convolution maps the result back to `x`: `in_size` is the size of the result.
    """
    x_shape, kernel_shape, groups = _check_conv(x_shape, kernel_shape, groups, "O // groups, C")
    channels = x_shape[3]
    if kernel_shape[3] != channels:
        looks = x_shape[1] == kernel_shape[3]
        raise ValueError(
            f"kernel: got shape {kernel_shape} for x {x_shape}; "
            f"its last axis must be C = {channels}{NCHW_HINT if looks else ''}"
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
    pads = resolve_padding(padding, same, (spans[0], spans[1]), stride)
    out = same
    if not is_same(padding):
        covered = [(n - 1) * s + cells for n, s, cells in zip(in_size, stride, spans, strict=True)]
        sizes = [c - sum(p) + e for c, p, e in zip(covered, pads, extra, strict=True)]
        if min(sizes) < 1:
            raise ValueError(
                f"padding: got {padding!r}, which leaves nothing of the {covered[0]}x{covered[1]} "
                "cells that the windows cover"
            )
        out = (sizes[0], sizes[1])
    return resolve_window(out, kernel, stride=stride, padding=pads, dilation=dilation)


def layout_hint(x_shape: Sequence[int], kernel_shape: Sequence[int], groups: int = 1) -> str:
    """Advice for shapes that look like PyTorch's layout; else ""."""
    rows, columns, *rest = kernel_shape
    # Kernels are usually square: in PyTorch's layout the last two axes are equal.
    oihw = rest[0] == rest[1] and rows != columns
    channels = (columns if oihw else rest[0]) * groups
    hint = NCHW_HINT if x_shape[1] == channels else ""
    return hint + _OIHW if oihw and channels in (x_shape[1], x_shape[3]) else hint


def _check_conv(
    x_shape: Sequence[int], kernel_shape: Sequence[int], groups: int, channel_axes: str
) -> tuple[_Shape, _Shape, int]:
    """Check ranks and groups; return the arguments as tuples and an int."""
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


def _output_padding(value: Size, stride: tuple[int, int], padding: Padding) -> tuple[int, int]:
    try:
        rows, columns = (operator.index(number) for number in as_pair(value))
    except (TypeError, ValueError):
        rows, columns = -1, -1
    most = (0, 0) if is_same(padding) else (stride[0] - 1, stride[1] - 1)
    if not (0 <= rows <= most[0] and 0 <= columns <= most[1]):
        accepted = (
            f'0 with padding "SAME", which gives {stride[0]}x{stride[1]} times the cells'
            if is_same(padding)
            else f"an int or a pair (rows, columns), >= 0 and below the stride {stride}"
        )
        raise ValueError(f"output_padding: got {value!r}; accepted: {accepted}")
    return rows, columns
