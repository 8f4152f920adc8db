"""Depthwise and separable convolution; separable is depthwise followed by 1x1."""

import jax

from jcnn.ops._check import check_rank
from jcnn.ops._conv_shapes import layout_hint
from jcnn.ops._recordable import recordable
from jcnn.ops._window import Padding, Size
from jcnn.ops.conv.conv2d import conv2d
from jcnn.ops.conv.method import ConvMethod, Precision


@recordable
def depthwise_conv2d(
    x: jax.Array,
    kernel: jax.Array,
    bias: jax.Array | None = None,
    *,
    stride: Size = 1,
    padding: Padding = "SAME",
    dilation: Size = 1,
    method: str | ConvMethod = "auto",
    precision: Precision = None,
) -> jax.Array:
    """Depthwise convolution, `M` kernels per channel: `conv2d` with one group per channel.

    Args:
        x: `(N, H, W, C)`, a floating-point type.
        kernel: `(KH, KW, C, M)`, the dtype of `x`, as in Keras.
        bias: `(C * M,)`, the dtype of `x`.
        stride, padding, dilation, method, precision: as for `conv2d`.

    Returns:
        `(N, OH, OW, C * M)`, the dtype of `x`; output channel `c * M + m` is channel `c` of `x`
        convolved with `kernel[:, :, c, m]`.

    Raises:
        ValueError: a shape, dtype or size does not fit; the message names the argument.
        NotImplementedError: the method cannot do this convolution; the message says why.

    Reference: Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", 2017.
    """
    check_rank("x", x, "N, H, W, C")
    _check_kernel("kernel", kernel, x)
    kh, kw, channels, multiplier = kernel.shape
    return conv2d(
        x,
        kernel.reshape(kh, kw, min(channels, 1), channels * multiplier),
        bias,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=max(channels, 1),
        method=method,
        precision=precision,
    )


def separable_conv2d(
    x: jax.Array,
    depthwise_kernel: jax.Array,
    pointwise_kernel: jax.Array,
    bias: jax.Array | None = None,
    *,
    stride: Size = 1,
    padding: Padding = "SAME",
    dilation: Size = 1,
    method: str | ConvMethod = "auto",
    precision: Precision = None,
) -> jax.Array:
    """Depthwise convolution, then a 1x1 convolution that mixes the channels.

    It equals a `conv2d` whose kernel is, for each pair of input and output channels, a sum of `M`
    depthwise kernels. It has far fewer parameters and multiplications, and fewer possible kernels.

    Args:
        x: `(N, H, W, C)`, a floating-point type.
        depthwise_kernel: `(KH, KW, C, M)`, the dtype of `x`.
        pointwise_kernel: `(1, 1, C * M, O)`, the dtype of `x`.
        bias: `(O,)`, the dtype of `x`.
        stride, padding, dilation: of the depthwise convolution, as for `conv2d`.
        method, precision: of both, as for `conv2d`.

    Returns:
        `(N, OH, OW, O)`, the dtype of `x`.

    Raises:
        ValueError: a shape, dtype or size does not fit; the message names the argument.
        NotImplementedError: the method cannot do this convolution; the message says why.

    Reference: Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", 2017.
    """
    check_rank("x", x, "N, H, W, C")
    _check_kernel("depthwise_kernel", depthwise_kernel, x)
    expected = (1, 1, x.shape[3] * depthwise_kernel.shape[3])
    if pointwise_kernel.ndim != 4 or pointwise_kernel.shape[:3] != expected:
        raise ValueError(
            f"pointwise_kernel: got shape {pointwise_kernel.shape} for x {x.shape} and "
            f"depthwise_kernel {depthwise_kernel.shape}; expected (1, 1, C * M = {expected[2]}, O)"
        )
    maps = depthwise_conv2d(
        x,
        depthwise_kernel,
        stride=stride,
        padding=padding,
        dilation=dilation,
        method=method,
        precision=precision,
    )
    return conv2d(maps, pointwise_kernel, bias, method=method, precision=precision)


def _check_kernel(name: str, kernel: jax.Array, x: jax.Array) -> None:
    if kernel.ndim != 4 or kernel.shape[2] != x.shape[3]:
        hint = layout_hint(x.shape, kernel.shape) if kernel.ndim == 4 else ""
        raise ValueError(
            f"{name}: got shape {kernel.shape} for x {x.shape}; "
            f"expected four axes (KH, KW, C, M) with C = {x.shape[3]}{hint}"
        )
