"""Lowering "rows": the gradient by the kernel of a depthwise convolution, a few rows at a time.

For each cell of the kernel and each channel it is one sum over all positions of all images. XLA
computes such a sum along the slowest axis of the arrays, one number at a time. Here a loop takes a
block of rows of one image and adds, for each cell of the kernel, the products of those rows. This
is elementwise over columns and channels; a short sum over the columns follows at the end.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jcnn.ops.conv.lowerings.lowering import Conv, Lowering, Params, dilated, out_size, pad, wide

# Products in the body of the loop, each compiled; half and twice as many are slower.
_PRODUCTS = 256
# Maximum cells of the forward kernel: above 5x5 the running sums leave the fastest cache.
_CELLS = 25


def convolve(x: jax.Array, kernel: jax.Array, precision: Any, p: Params) -> jax.Array:
    """Convolve `x (1, H, W, G * I)` with `kernel (KH, KW, I, G)`, where I counts images."""
    kh, kw, images, groups = kernel.shape
    rows, columns = out_size(x.shape, kernel.shape, p)
    # Transposed first, so that XLA cancels it with the transposition that made `x`.
    pixels = x.reshape(*x.shape[1:3], groups, images).transpose(3, 0, 1, 2)
    padded = pad(pixels, p.padding, p.in_dilation)
    weights = kernel.transpose(2, 0, 1, 3)
    (row_step, column_step), (row_gap, column_gap) = p.stride, p.dilation
    most = max(_PRODUCTS // (rows * columns), 1)
    block = max(b for b in range(1, kh + 1) if kh % b == 0 and b <= most)
    height = dilated(block, row_gap) + (rows - 1) * row_step
    width = dilated(kw, column_gap)

    def add_block(step: jax.Array, sums: jax.Array) -> jax.Array:
        image, first = step // (kh // block), step % (kh // block) * block
        at, size = (image, first * row_gap, 0, 0), (1, height, *padded.shape[2:])
        read = lax.dynamic_slice(padded, at, size)[0].astype(sums.dtype)
        at, size = (image, first, 0, 0), (1, block, kw, groups)
        by = lax.dynamic_slice(weights, at, size)[0].astype(sums.dtype)
        made: list[jax.Array] = []
        for row in range(rows):
            for column in range(columns):
                total, left = sums[len(made)], column * column_step
                for b in range(block):
                    pixels = read[row * row_step + b * row_gap]
                    total += pixels[left : left + width : column_gap] * by[b]
                made.append(total)
        return jnp.stack(made)

    zeros = jnp.zeros((rows * columns, kw, groups), wide(x))
    sums = lax.fori_loop(0, images * (kh // block), add_block, zeros)
    return jnp.sum(sums, axis=1).astype(x.dtype).reshape(1, rows, columns, groups)


def _unsupported(conv: Conv) -> str | None:
    rows, columns = conv.out
    groups = conv.params.groups
    if groups == 1 or conv.x[0] != 1 or conv.kernel[3] != groups:
        return "not the gradient by kernel of a depthwise convolution"
    if rows * columns > _CELLS:
        return f"{rows * columns} cells of the gradient; at most {_CELLS}"
    return None


LOWERING = Lowering(convolve, _unsupported)
