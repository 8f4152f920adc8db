"""Method "im2col": write every window as a row; the convolution is then one matrix product.

    (N, H, W, C) --im2col--> (N * OH * OW, KH * KW * C) @ (KH * KW * C, O)

The rows hold each input cell up to KH * KW times: simple and exact, but it takes that much memory.
"""

import jax
import jax.numpy as jnp

from jcnn.ops._check import check_floating, check_rank
from jcnn.ops._taps import scatter_taps, taps
from jcnn.ops._window import Padding, Size, Window, resolve_window
from jcnn.ops.conv.method import ConvMethod, Precision


def im2col(
    x: jax.Array,
    kernel: Size,
    *,
    stride: Size = 1,
    padding: Padding = "VALID",
    dilation: Size = 1,
) -> jax.Array:
    """Write the window at each output position as one row.

    Args:
        x: `(N, H, W, C)`, a floating-point type.
        kernel: window height and width.
        stride, padding, dilation: as for `conv2d`.

    Returns:
        `(N, OH, OW, KH * KW * C)`, in the order of an HWIO kernel: rows, columns, channels;
        `im2col(x, ...) @ kernel.reshape(-1, O)` is the convolution.

    Raises:
        ValueError: a shape, dtype or size does not fit.

    Reference: Chellapilla, Puri and Simard, "High Performance Convolutional Neural Networks for
    Document Processing", 2006.
    """
    check_rank("x", x, "N, H, W, C")
    check_floating("x", x)
    window = resolve_window(x.shape[1:3], kernel, stride=stride, padding=padding, dilation=dilation)
    return jnp.concatenate(list(taps(x, window)), axis=-1)


def col2im(
    cols: jax.Array,
    x_shape: tuple[int, int, int, int],
    kernel: Size,
    *,
    stride: Size = 1,
    padding: Padding = "VALID",
    dilation: Size = 1,
) -> jax.Array:
    """Add each number of `im2col`'s rows to the pixel it was read from: the adjoint of `im2col`.

    `<im2col(x), cols> == <x, col2im(cols)>` for every `x` and `cols`. It is not an inverse: a
    pixel that `k` windows see is counted `k` times.

    Args:
        cols: `(N, OH, OW, KH * KW * C)`, a floating-point type.
        x_shape: `(N, H, W, C)` of the input that `im2col` read.
        kernel, stride, padding, dilation: those given to `im2col`.

    Returns:
        `(N, H, W, C)`.

    Raises:
        ValueError: a shape, dtype or size does not fit.
    """
    if len(x_shape) != 4:
        raise ValueError(f"x_shape: got {x_shape}; expected four axes (N, H, W, C)")
    check_floating("cols", cols)
    window = resolve_window(x_shape[1:3], kernel, stride=stride, padding=padding, dilation=dilation)
    cells = window.kernel[0] * window.kernel[1]
    expected = (x_shape[0], *window.out_size, cells * x_shape[3])
    if cols.shape != expected:
        raise ValueError(f"cols: got shape {cols.shape}; expected {expected} for x {x_shape}")
    return scatter_taps(iter(jnp.split(cols, cells, axis=-1)), window)


def conv2d_im2col(
    x: jax.Array, kernel: jax.Array, window: Window, groups: int, precision: Precision
) -> jax.Array:
    """Convolve as patches and one matrix product, with an axis for the groups.

    With the groups first, the product and both of its gradients need no copy of the patches.
    """
    kh, kw, per_group, filters = kernel.shape
    rows = [tap.reshape(-1, groups, per_group).swapaxes(0, 1) for tap in taps(x, window)]
    matrix = kernel.reshape(kh * kw * per_group, groups, filters // groups).swapaxes(0, 1)
    y = jnp.matmul(
        jnp.concatenate(rows, axis=-1),  # (groups, N * OH * OW, KH * KW * C // groups)
        matrix,
        precision=precision,
        preferred_element_type=jnp.promote_types(x.dtype, jnp.float32),
    )
    y = y.swapaxes(0, 1).astype(x.dtype)
    return y.reshape(x.shape[0], *window.out_size, filters)


METHOD = ConvMethod(conv2d_im2col)
