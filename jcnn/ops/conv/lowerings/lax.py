"""Lowering "lax": XLA's own convolution, with the only layouts that XLA:CPU runs fast everywhere.

These are `NHWC x HWIO -> NHWC`, with nothing reversed and no negative padding.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jcnn.ops.conv.lowerings.lowering import Conv, Lowering, Pair, Params, dilated, pad


def convolve(x: jax.Array, kernel: jax.Array, precision: Any, p: Params) -> jax.Array:
    """Convolve with `lax.conv_general_dilated`."""
    pads, in_dilation = list(p.padding), p.in_dilation
    for axis in (0, 1):
        x, pads[axis] = _crop(x, 1 + axis, pads[axis], in_dilation[axis])
    if any(kernel.shape[axis] > x.shape[1 + axis] for axis in (0, 1)):
        # XLA would swap such a small input with the kernel. That is slow in a loop, and for some
        # strides its own check then aborts the process ("Window dimensions do not match RHS
        # shape"; jaxlib 0.10.2 and 0.12.0). Padded, the input is not small; the barrier keeps
        # XLA from folding the padding back into the convolution.
        x = lax.optimization_barrier(pad(x, (pads[0], pads[1]), in_dilation))
        pads, in_dilation = [(0, 0), (0, 0)], (1, 1)
    return lax.conv_general_dilated(
        x,
        kernel,
        window_strides=p.stride,
        padding=pads,
        lhs_dilation=in_dilation,
        rhs_dilation=p.dilation,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=p.groups,
        precision=precision,
    )


def _crop(x: jax.Array, axis: int, pads: Pair, dilation: int) -> tuple[jax.Array, Pair]:
    """Apply negative padding as a slice of `x`; the remaining padding is >= 0."""
    dropped = [-(min(pad, 0) // dilation) for pad in pads]
    if (
        sum(dropped) >= x.shape[axis]
    ):  # every window lies in the padding: a single zero replaces `x`
        nothing = jnp.zeros_like(lax.slice_in_dim(x, 0, 1, axis=axis))
        return nothing, (dilated(x.shape[axis], dilation) + sum(pads) - 1, 0)
    x = lax.slice_in_dim(x, dropped[0], x.shape[axis] - dropped[1], axis=axis)
    return x, (pads[0] + dropped[0] * dilation, pads[1] + dropped[1] * dilation)


def _unsupported(conv: Conv) -> None:
    """Support every convolution."""


LOWERING = Lowering(convolve, _unsupported)
