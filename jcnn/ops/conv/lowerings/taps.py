"""Lowering "taps": a sum over the kernel's cells, each times the input under it.

For a depthwise convolution there is nothing to contract, and each tap is an elementwise product
that XLA fuses into one loop over the output; XLA:CPU's grouped convolution takes ten times as long
or more. With a few input channels per group the sum has a term for each channel.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jcnn.ops.conv.lowerings import phases as phases_lowering
from jcnn.ops.conv.lowerings.lowering import Conv, Lowering, Params, out_size, pad, under, wide

# Maximum products per output: each is compiled.
_MOST = 128
# Maximum numbers in one part of the batch: 2 MiB in 32 bits, and 4 with the result.
_PART = 2**19
# Maximum channels of a group: with more, a matrix product is faster.
_CHANNELS = 8


def convolve(x: jax.Array, kernel: jax.Array, precision: Any, p: Params) -> jax.Array:
    """Convolve as a sum of elementwise products, in phases if `x` is dilated."""
    if max(p.in_dilation) > 1:
        return phases_lowering.in_phases(_by_parts, x, kernel, precision, p)
    return _by_parts(x, kernel, precision, p)


def _by_parts(x: jax.Array, kernel: jax.Array, precision: Any, p: Params) -> jax.Array:
    """Loop over parts of the batch, each small enough to stay in the cache.

    XLA does not fuse across the loop. Without it, XLA would fuse the sum into each operation that
    reads the result (an activation, its gradient, every sum of a normalisation) and compute it
    again there.
    """
    n, filters = x.shape[0], kernel.shape[3]
    out = out_size(x.shape, kernel.shape, p)
    cells = max(x.shape[1] * x.shape[2] * x.shape[3], out[0] * out[1] * filters)
    divisors = [parts for parts in range(1, n + 1) if n % parts == 0]
    small = [parts for parts in divisors if parts > 1 and n // parts * cells <= _PART]
    parts = min(small, default=n)
    each = n // parts

    def add_part(part: jax.Array, y: jax.Array) -> jax.Array:
        read = lax.dynamic_slice_in_dim(x, part * each, each)
        return lax.dynamic_update_slice_in_dim(y, _add_products(read, kernel, p), part * each, 0)

    # Each number is overwritten. Not zeros: XLA would make one array of zeros for all such loops
    # and copy it for each.
    start = jnp.broadcast_to(kernel[0, 0, 0], (n, *out, filters))
    y: jax.Array = lax.fori_loop(0, parts, add_part, start)
    return y


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


def _unsupported(conv: Conv) -> str | None:
    products = math.prod(conv.kernel[:3])
    if products > _MOST:
        return f"{products} products an output; at most {_MOST}, as each is compiled"
    if conv.kernel[2] > _CHANNELS:
        return f"{conv.kernel[2]} channels a group; at most {_CHANNELS}"
    if max(conv.params.in_dilation) > 1:
        return phases_lowering.LOWERING.unsupported(conv)
    return None


LOWERING = Lowering(convolve, _unsupported)
