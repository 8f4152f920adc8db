"""Multiply-adds of a convolution or dense layer, from shapes alone."""

import math
from collections.abc import Sequence

from jcnn.ops._conv_shapes import conv_output_shape
from jcnn.ops._window import Padding, Size


def multiply_adds(output_shape: Sequence[int], kernel_shape: Sequence[int]) -> int:
    """Multiply-adds of a convolution or dense layer: products of an input and a weight.

    Padding counts like other pixels. A convolution shares its weights, so it has far more
    multiply-adds than parameters.

    Args:
        output_shape: `(OH, OW, O)` or `(U,)`; with a leading batch axis N, all examples count.
            For a transposed convolution, the shape of its input, `(H, W, C)`.
        kernel_shape: `(KH, KW, C // groups, O)` or `(D, U)`; transposed, `(KH, KW, O // groups,
            C)`; depthwise, `(KH, KW, 1, C * M)`.

    Raises:
        ValueError: the last axes differ.
    """
    if not output_shape or not kernel_shape or output_shape[-1] != kernel_shape[-1]:
        raise ValueError(
            f"output_shape: got {tuple(output_shape)} for kernel_shape {tuple(kernel_shape)}; "
            "their last axes must be equal"
        )
    return math.prod(output_shape) * math.prod(kernel_shape[:-1])


def conv_multiply_adds(
    x_shape: Sequence[int],
    kernel_shape: Sequence[int],
    *,
    stride: Size = 1,
    padding: Padding = "SAME",
    dilation: Size = 1,
    groups: int = 1,
) -> int:
    """`multiply_adds` of a convolution, from the shape of its input.

    Args:
        x_shape: `(N, H, W, C)`.
        kernel_shape: `(KH, KW, C // groups, O)`.
        stride, padding, dilation, groups: as for `conv2d`.

    Raises:
        ValueError: the shapes do not fit each other.
    """
    out = conv_output_shape(
        x_shape, kernel_shape, stride=stride, padding=padding, dilation=dilation, groups=groups
    )
    return multiply_adds(out, kernel_shape)
