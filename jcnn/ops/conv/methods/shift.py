"""Method "shift": a sum over the kernel's cells, each a 1x1 convolution of the shifted input.

    y[n, h, w] = sum over (i, j) of x[n, s*h + d*i - p, s*w + d*j - p] @ kernel[i, j]

It reads like the formula, needs no patch matrix, and adds the products of im2col in another order.
"""

import functools

import jax
import jax.numpy as jnp

from jcnn.ops._taps import taps
from jcnn.ops._window import Window
from jcnn.ops.conv.method import ConvMethod, Precision


def conv2d_shift(
    x: jax.Array, kernel: jax.Array, window: Window, groups: int, precision: Precision
) -> jax.Array:
    """Convolve as `KH * KW` matrix products, summed in at least 32 bits.

    With the groups first, the products and their gradients need no copies.
    """
    kh, kw, per_group, filters = kernel.shape
    cells = kernel.reshape(kh * kw, per_group, groups, filters // groups).swapaxes(1, 2)
    products = (
        jnp.matmul(
            tap.reshape(-1, groups, per_group).swapaxes(0, 1),
            cell,
            precision=precision,
            preferred_element_type=jnp.promote_types(x.dtype, jnp.float32),
        )
        for tap, cell in zip(taps(x, window), cells, strict=True)
    )
    y = functools.reduce(jnp.add, products)  # (groups, N * OH * OW, O // groups)
    y = y.swapaxes(0, 1).astype(x.dtype)
    return y.reshape(x.shape[0], *window.out_size, filters)


METHOD = ConvMethod(conv2d_shift)
