"""Method "shift": a sum over the kernel's cells, each a 1x1 convolution of the shifted input.

    y[n, h, w] = sum over (i, j) of x[n, s*h + d*i - p, s*w + d*j - p] @ kernel[i, j]

It reads like the formula, needs no patch matrix, and is what im2col computes in another order.
"""

import jax
import jax.numpy as jnp

from jcnn.ops._conv_method import ConvMethod, Precision
from jcnn.ops._taps import taps
from jcnn.ops._window import Window


def conv2d_shift(
    x: jax.Array, kernel: jax.Array, window: Window, groups: int, precision: Precision
) -> jax.Array:
    """Convolve as `KH * KW` matrix products, added up in at least 32 bits."""
    kh, kw, per_group, filters = kernel.shape
    wide = jnp.promote_types(x.dtype, jnp.float32)
    cells = kernel.reshape(kh * kw, per_group, groups, filters // groups)
    y = jnp.zeros((x.shape[0], *window.out_size, groups, filters // groups), wide)
    for tap, cell in zip(taps(x, window), cells, strict=True):
        y += jnp.einsum(
            "nhwgc,cgo->nhwgo",
            tap.reshape(*tap.shape[:3], groups, per_group),
            cell,
            precision=precision,
            preferred_element_type=wide,
        )
    return y.astype(x.dtype).reshape(*y.shape[:3], filters)


METHOD = ConvMethod(conv2d_shift)
