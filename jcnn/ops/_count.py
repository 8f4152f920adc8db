"""Counting what a layer costs: parameters, connections and multiply-adds, from shapes alone."""

import math
from collections.abc import Sequence

from jcnn.ops._window import Padding, Size, conv_output_shape


def conv_params(kernel_shape: Sequence[int], *, bias: bool = True) -> int:
    """Numbers that a convolution learns, `KH * KW * C // groups * O` and O biases.

    Args:
        kernel_shape: `(KH, KW, C // groups, O)`.
        bias: whether there is one.

    Raises:
        ValueError: `kernel_shape` has not four axes.
    """
    if len(kernel_shape) != 4:
        raise ValueError(
            f"kernel_shape: got {tuple(kernel_shape)}; expected four axes (KH, KW, C // groups, O)"
        )
    return math.prod(kernel_shape) + bias * kernel_shape[3]


def dense_params(inputs: int, units: int, *, bias: bool = True) -> int:
    """Numbers that a dense layer learns: `inputs * units` and, with `bias`, `units` more.

    Raises:
        ValueError: a size is not positive.
    """
    for name, size in (("inputs", inputs), ("units", units)):
        if size < 1:
            raise ValueError(f"{name}: got {size!r}; accepted: a positive int")
    return inputs * units + bias * units


def conv_multiply_adds(
    x_shape: Sequence[int],
    kernel_shape: Sequence[int],
    *,
    stride: Size = 1,
    padding: Padding = "SAME",
    dilation: Size = 1,
    groups: int = 1,
) -> int:
    """Connections of a convolution: products of a pixel and a weight, padding counted as pixels.

    Each is one multiplication and one addition when the layer is computed. A dense layer has
    `inputs * units`; a convolution shares its weights among far more connections than it has
    parameters.

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
    return math.prod(out) * math.prod(kernel_shape[:3])
