"""Lowering "lax": XLA's own convolution.

On a CPU it has the only layouts that XLA:CPU runs fast everywhere: `NHWC x HWIO -> NHWC`, with
nothing reversed and no negative padding. The gradient by a 1x1 kernel is a matrix product there.
On accelerators a gradient is what `lax` itself writes.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jcnn.ops.conv.lowerings.lowering import (
    Conv,
    Lowering,
    Pair,
    Params,
    dilated,
    pad,
    under,
    wide,
)


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


def by_pointwise_kernel(x: jax.Array, g: jax.Array, precision: Any, p: Params) -> jax.Array:
    """The gradient by a kernel of 1x1, `(1, 1, C, O)`: a matrix product of pixels.

    As a convolution it would transpose both operands in memory, which takes as long again.

    Args:
        x: the input `(N, H, W, C)`, not dilated.
        g: the result's gradient `(N, OH, OW, O)`.
        precision: as in `jax.lax.conv_general_dilated`.
        p: the parameters of the forward convolution, of one group.
    """
    read = under(pad(x, p.padding), (0, 0), (g.shape[1], g.shape[2]), p.stride)
    pixels, slopes = (one.reshape(-1, one.shape[3]) for one in (read, g))
    summed = (((0,), (0,)), ((), ()))
    y = lax.dot_general(pixels, slopes, summed, precision=precision, preferred_element_type=wide(x))
    return y.astype(x.dtype)[None, None]


def transposed(
    direction: str, a: jax.Array, b: jax.Array, size: Pair | None, precision: Any, p: Params
) -> jax.Array:
    """A direction of a convolution, for accelerators: a gradient by `lax`'s own transposition.

    XLA recognises the dimension numbers that `lax` writes there, and nothing else, as
    cuDNN's backward functions. Written as a forward convolution, the gradient by a strided
    convolution's input would multiply inserted zeros.

    Args:
        direction, a, b, size, p: as for `as_convolution`.
        precision: as in `jax.lax.conv_general_dilated`.
    """

    def forward(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return lax.conv_general_dilated(
            x,
            kernel,
            window_strides=p.stride,
            padding=p.padding,
            lhs_dilation=p.in_dilation,
            rhs_dilation=p.dilation,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=p.groups,
            precision=precision,
        )

    if direction == "forward":
        return forward(a, b)
    assert size is not None
    gradient: jax.Array
    if direction == "by input":
        x = jax.ShapeDtypeStruct((a.shape[0], *size, b.shape[2] * p.groups), a.dtype)
        (gradient,) = jax.linear_transpose(lambda x: forward(x, b), x)(a)
    else:
        channels = a.shape[3] // p.groups
        kernel = jax.ShapeDtypeStruct((*size, channels, b.shape[3]), a.dtype)
        (gradient,) = jax.linear_transpose(lambda kernel: forward(a, kernel), kernel)(b)
    return gradient


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
