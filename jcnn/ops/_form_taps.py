"""Form "taps": for each cell of the kernel, the input under it times the cell, added up.

For depthwise convolution there is nothing to contract, and each tap is an elementwise product that
the compiler fuses into one loop over the output; XLA:CPU's grouped convolution takes ten times as
long and more. With few input channels the same sum has a term for each channel.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp

from jcnn.ops import _form_phases
from jcnn.ops._form import Conv, Form, Params, out_size, pad, under, wide

# Products of one output, each of which is compiled.
_MOST = 128


def convolve(x: jax.Array, kernel: jax.Array, precision: Any, p: Params) -> jax.Array:
    """Convolve as a sum of elementwise products, each phase by itself where `x` is dilated."""
    if max(p.in_dilation) > 1:
        return _form_phases.in_phases(_add_products, x, kernel, precision, p)
    return _add_products(x, kernel, precision, p)


def _add_products(x: jax.Array, kernel: jax.Array, precision: Any, p: Params) -> jax.Array:
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
    if max(conv.params.in_dilation) > 1:
        return _form_phases.FORM.unsupported(conv)
    return None


FORM = Form(convolve, _unsupported)
