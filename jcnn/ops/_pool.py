"""Max and average pooling."""

import math

import jax
import jax.numpy as jnp

from jcnn.ops._check import check_floating, check_rank
from jcnn.ops._recordable import recordable
from jcnn.ops._taps import taps
from jcnn.ops._window import Padding, Size, Window, resolve_window


@recordable
def max_pool2d(
    x: jax.Array, window: Size, *, stride: Size | None = None, padding: Padding = "VALID"
) -> jax.Array:
    """Maximum of each window, per channel.

    Padding is never the maximum. If several cells are equal, the first (row by row) takes the
    whole gradient, as in XLA's `select_and_scatter`, Keras and PyTorch. A NaN in a window is its
    maximum.

    Args:
        x: `(N, H, W, C)`, a floating-point type.
        window: height and width.
        stride: cells between neighbouring windows; None means the window, so that none overlap.
        padding: "SAME", "VALID", an int, or `((top, bottom), (left, right))`.

    Returns:
        `(N, OH, OW, C)`, the dtype of `x`.

    Raises:
        ValueError: a shape, dtype or size does not fit, or a window would hold only padding.

    Reference: Goodfellow, Bengio and Courville, "Deep Learning", 2016, section 9.3.
    """
    resolved = _resolve(x, window, stride, padding)
    cells = taps(x, resolved, fill=-math.inf)
    largest = next(cells)
    for cell in cells:
        largest = jnp.where((cell > largest) | jnp.isnan(cell), cell, largest)
    return largest


@recordable
def avg_pool2d(
    x: jax.Array,
    window: Size,
    *,
    stride: Size | None = None,
    padding: Padding = "VALID",
    count_padding: bool = False,
) -> jax.Array:
    """Mean of each window, per channel.

    Args:
        x: `(N, H, W, C)`, a floating-point type.
        window: height and width.
        stride: cells between neighbouring windows; None means the window.
        padding: "SAME", "VALID", an int, or `((top, bottom), (left, right))`.
        count_padding: whether padding counts as zeros in the mean (Flax's default) or is
            excluded (the default of Keras, and here).

    Returns:
        `(N, OH, OW, C)`, the dtype of `x`; 16-bit inputs are summed in 32 bits.

    Raises:
        ValueError: a shape, dtype or size does not fit, or a window would hold only padding.
    """
    resolved = _resolve(x, window, stride, padding)
    wide = jnp.promote_types(x.dtype, jnp.float32)
    total = sum(tap.astype(wide) for tap in taps(x, resolved))
    cells = math.prod(resolved.kernel) if count_padding else resolved.cells_inside()[..., None]
    return (total / jnp.asarray(cells, wide)).astype(x.dtype)


def _resolve(x: jax.Array, window: Size, stride: Size | None, padding: Padding) -> Window:
    check_rank("x", x, "N, H, W, C")
    check_floating("x", x)
    resolved = resolve_window(
        x.shape[1:3], window, stride=window if stride is None else stride, padding=padding
    )
    for size, pads in zip(resolved.kernel, resolved.padding, strict=True):
        if max(pads) >= size:
            raise ValueError(
                f"padding: got {padding!r} for window {resolved.kernel}; it must be smaller than "
                "the window, or some windows would hold nothing but padding"
            )
    return resolved
