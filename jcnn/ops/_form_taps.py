"""Form "taps": for each cell of the kernel, the input under it times the cell, added up.

For depthwise convolution there is nothing to contract, and each tap is an elementwise product that
the compiler fuses into one loop over the output; XLA:CPU's grouped convolution takes ten times as
long and more. With few input channels the same sum has a term for each channel.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jcnn.ops import _form_phases
from jcnn.ops._form import Form, Params, Shape, out_size, pad, under, wide

# Products of one output, each of which is compiled.
_MOST = 128
# Channels of one group: with more, a matrix product wins.
_CHANNELS = 8


def convolve(x: jax.Array, kernel: jax.Array, precision: Any, p: Params) -> jax.Array:
    """Convolve as a sum of elementwise products, each phase by itself where `x` is dilated."""
    if max(p.in_dilation) > 1:
        return _form_phases.in_phases(_in_a_loop, x, kernel, precision, p)
    return _in_a_loop(x, kernel, precision, p)


def _in_a_loop(x: jax.Array, kernel: jax.Array, precision: Any, p: Params) -> jax.Array:
    """The sum in a loop over two parts of the batch, or as few as there can be.

    A loop is what the compiler cannot look through. Without it each operation that reads the
    result (an activation, its gradient, every sum of a normalisation) would compute it again.
    """
    n = x.shape[0]
    parts = min((part for part in range(2, n + 1) if n % part == 0), default=1)
    y: jax.Array = lax.map(
        lambda part: _add_products(part, kernel, p), x.reshape(parts, n // parts, *x.shape[1:])
    )
    return y.reshape(n, *y.shape[2:])


def _add_products(x: jax.Array, kernel: jax.Array, p: Params) -> jax.Array:
    kh, kw, per_group, filters = kernel.shape
    shape = (x.shape[0], *out_size(x.shape, kernel.shape, p))
    groups, each = p.groups, filters // p.groups
    padded = pad(x, p.padding)
    y = jnp.zeros((*shape, filters), wide(x))
    for i in range(kh):
        for j in range(kw):
            start = (i * p.dilation[0], j * p.dilation[1])
            tap = under(padded, start, shape[1:], p.stride).astype(y.dtype)
            tap = tap.reshape(*shape, groups, 1, per_group)
            for c in range(per_group):
                channel = jnp.broadcast_to(tap[..., c], (*shape, groups, each))
                y += channel.reshape(y.shape) * kernel[i, j, c].astype(y.dtype)
    return y.astype(x.dtype)


def _unsupported(x: Shape, kernel: Shape, p: Params) -> str | None:
    products = kernel[0] * kernel[1] * kernel[2]
    if products > _MOST:
        return f"{products} products an output; at most {_MOST}, as each is compiled"
    if kernel[2] > _CHANNELS:
        return f"{kernel[2]} channels a group; at most {_CHANNELS}"
    if max(p.in_dilation) > 1:
        return _form_phases.FORM.unsupported(x, kernel, p)
    return None


FORM = Form(convolve, _unsupported)
