"""`conv2d`: check the arguments, resolve the window, run the method, add the bias."""

import jax
import jax.numpy as jnp

from jcnn.ops._bias import add_bias
from jcnn.ops._check import check_bias, check_floating, check_same_dtype
from jcnn.ops._conv_shapes import conv_window
from jcnn.ops._recordable import recordable
from jcnn.ops._window import Padding, Size, Window, check_size
from jcnn.ops.conv.lowerings.lowering import is_empty
from jcnn.ops.conv.method import ConvMethod, Precision
from jcnn.ops.conv.methods.registry import METHODS


@recordable
def conv2d(
    x: jax.Array,
    kernel: jax.Array,
    bias: jax.Array | None = None,
    *,
    stride: Size = 1,
    padding: Padding = "SAME",
    dilation: Size = 1,
    groups: int = 1,
    method: str | ConvMethod = "auto",
    precision: Precision = None,
) -> jax.Array:
    """Two-dimensional convolution: the inner product of the kernel with every window of `x`.

    Cross-correlation, as in every CNN library: the kernel is not flipped. `groups` splits the
    channels into that many independent convolutions; `groups=C` is depthwise convolution,
    a 1x1 kernel is a dense layer applied to every pixel.

    Args:
        x: `(N, H, W, C)`, a floating-point type.
        kernel: `(KH, KW, C // groups, O)`, the dtype of `x`.
        bias: `(O,)`, the dtype of `x`; added to every output position.
        stride: cells between neighbouring windows; an int or (rows, columns).
        padding: "SAME", "VALID", an int, or `((top, bottom), (left, right))` zeros.
        dilation: cells between neighbouring taps of the kernel.
        groups: divides both C and O.
        method: "auto" (the fastest by measurement: see `explain_conv`), "lax" (XLA's
            convolution), "im2col" (one matrix product), "shift" (a sum of shifted matrix
            products), "winograd2" or "winograd4" (fewer multiplications and more rounding, for
            3x3 kernels with stride 1), "fft" (products of spectra, for large kernels), "pallas"
            (jcnn's own kernel for H100 and H200; float32 as TensorFloat-32), or a `ConvMethod`,
            such as the result of `im2col_in_chunks`. All agree within rounding; see `METHODS`.
        precision: as in `jax.lax.conv_general_dilated`. With "highest", "auto" takes only plain
            lowerings, which round as XLA's convolution does. None means JAX's own setting, for
            every op and layer at once: `jax.default_matmul_precision("highest")` as a context,
            `jax.config.update("jax_default_matmul_precision", "highest")`, or the environment
            variable `JAX_DEFAULT_MATMUL_PRECISION=highest`. It is read when a program is traced.

    "auto" may cost accuracy. For 3x3 kernels, Winograd's lowerings round 6 to 13 times as much as
    XLA's convolution (float32, 16 to 512 channels: root mean square 1e-6 to 5e-6 of the result's,
    the largest error ten times that). They may overflow above 1e33, and a NaN spreads to every
    tile of 4x4 outputs that reads it. For large kernels, the rounding of spectra grows with the
    largest number of the image; where a number is not finite, or so large that they would
    overflow, the program uses XLA's convolution instead. `explain_conv` reports the lowering and
    its cost.

    Returns:
        `(N, OH, OW, O)`, the dtype of `x`; 16-bit inputs are summed in 32 bits.

    Raises:
        ValueError: a shape, dtype or size does not fit (the message names the argument), or the
            method is unknown.
        NotImplementedError: the method cannot do this convolution; the message says why.

    Reference: Goodfellow, Bengio and Courville, "Deep Learning", 2016, equation 9.6.
    """
    groups = check_size("groups", groups)
    window, chosen = resolve(x, kernel, bias, stride, padding, dilation, groups, method)
    y = chosen.fn(x, kernel, window, groups, precision)
    return add_bias(y, bias)


def resolve(
    x: jax.Array,
    kernel: jax.Array,
    bias: jax.Array | None,
    stride: Size,
    padding: Padding,
    dilation: Size,
    groups: int,
    method: str | ConvMethod,
) -> tuple[Window, ConvMethod]:
    """Check a convolution's arguments and return its window and its method."""
    window = conv_window(x.shape, kernel.shape, stride, padding, dilation, groups)
    check_floating("x", x)
    check_same_dtype(x, kernel=kernel, bias=bias)
    check_bias(bias, kernel)
    chosen = _chosen(method)
    reason = chosen.unsupported(x, kernel, window, groups)
    if reason is not None:
        name = f"method {method!r}" if isinstance(method, str) else "method"
        raise NotImplementedError(f"{name}: {reason}")
    return window, _EMPTY if is_empty(x.shape, kernel.shape) else chosen


def _zeros(
    x: jax.Array, kernel: jax.Array, window: Window, groups: int, precision: Precision
) -> jax.Array:
    """The result of a convolution without examples, channels or filters: empty or zero."""
    return jnp.zeros((x.shape[0], *window.out_size, kernel.shape[3]), x.dtype)


_EMPTY = ConvMethod(_zeros)


def _chosen(method: str | ConvMethod) -> ConvMethod:
    if isinstance(method, ConvMethod):
        return method
    if method not in METHODS:
        names = ", ".join(map(repr, METHODS))
        raise ValueError(f"method: got {method!r}; accepted: {names}, or a ConvMethod")
    return METHODS[method]
