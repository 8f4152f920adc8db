"""im2col in chunks: the matrix product of "im2col" with a bound on the patch matrix's memory.

A loop writes and multiplies the patches of as many images as fit the bound. If one image's patches
exceed the bound, a chunk is some rows of its output. The backward pass recomputes the patches
instead of storing them.
"""

import functools
import math

import jax
import jax.numpy as jnp
from jax import lax

from jcnn.ops._window import Window, check_size, resolve_window
from jcnn.ops.conv.method import ConvMethod, Precision
from jcnn.ops.conv.methods.im2col import conv2d_im2col


def im2col_in_chunks(max_bytes: int) -> ConvMethod:
    """The method "im2col" with at most `max_bytes` of patches at a time.

    `conv2d(x, kernel, method=im2col_in_chunks(2**24))` returns the same as `method="im2col"`. It
    loops over parts of the batch or, if one image's patches are too large, over rows of its
    output. Gradients respect the bound. Under `vmap` it applies to each mapped convolution.

    Args:
        max_bytes: for all buffers of a chunk at once, which are three times the patch matrix
            `(positions, KH * KW * C)`: the matrix, the parts it is concatenated from and, in the
            backward pass, its gradient. 16-bit numbers count as 32-bit ones, because some
            backends convert them.

    Returns:
        A `ConvMethod` for `conv2d` and the layers. It raises ValueError if the patches of one
        row of one image's output exceed `max_bytes`.

    Raises:
        ValueError: `max_bytes` is not a positive int.
    """
    return _bounded(check_size("max_bytes", max_bytes))


@functools.cache  # one object per bound, so that equal models share a compiled program
def _bounded(max_bytes: int) -> ConvMethod:
    def convolve(
        x: jax.Array, kernel: jax.Array, window: Window, groups: int, precision: Precision
    ) -> jax.Array:
        images, rows = _chunk(max_bytes, x, window)
        return _in_chunks(x, kernel, window, groups, precision, images=images, rows=rows)

    return ConvMethod(convolve)


def _chunk(max_bytes: int, x: jax.Array, window: Window) -> tuple[int, int]:
    """Images per chunk and output rows per block: the largest that fit, divided evenly."""
    item = jnp.promote_types(x.dtype, jnp.float32).itemsize
    row = 3 * window.out_size[1] * math.prod(window.kernel) * x.shape[3] * item
    if row > max_bytes:
        raise ValueError(
            f"max_bytes: got {max_bytes}; the patches of one output row take {row} bytes for "
            f"x {x.shape} and a window of {window.kernel[0]}x{window.kernel[1]}"
        )
    rows = max_bytes // row
    if rows < window.out_size[0]:
        return 1, _even(window.out_size[0], rows)
    return _even(x.shape[0], rows // window.out_size[0]), window.out_size[0]


def _even(total: int, most: int) -> int:
    """Size of the parts if `total` is split into as few as possible of at most `most`."""
    parts = -(-total // most)
    return -(-total // parts)


def _in_chunks(
    x: jax.Array,
    kernel: jax.Array,
    window: Window,
    groups: int,
    precision: Precision,
    *,
    images: int,
    rows: int,
) -> jax.Array:
    """A loop over the batch and, inside it, one over the rows of the output."""
    n, h, _, _ = x.shape
    chunks, blocks = -(-n // images), -(-window.out_size[0] // rows)
    step, span = window.stride[0], window.span[0]
    # Pad once; zeros fill up the last chunk and the last block.
    (top, _), columns = window.padding
    below = (blocks * rows - 1) * step + span - h - top
    filled = (0, chunks * images - n, 0)
    x = lax.pad(x, jnp.zeros((), x.dtype), [filled, (top, below, 0), (*columns, 0), (0, 0, 0)])
    x = x.reshape(chunks, images, *x.shape[1:])
    read = (rows - 1) * step + span
    part = resolve_window(
        (read, x.shape[3]), window.kernel, stride=window.stride, dilation=window.dilation
    )

    def of_chunk(chunk: jax.Array) -> jax.Array:
        @jax.checkpoint
        def of_block(block: jax.Array) -> jax.Array:
            piece = lax.dynamic_slice_in_dim(chunk, block * rows * step, read, axis=1)
            return conv2d_im2col(piece, kernel, part, groups, precision)

        y: jax.Array = lax.map(of_block, jnp.arange(blocks))  # (blocks, images, rows, OW, O)
        return jnp.moveaxis(y, 0, 1).reshape(images, blocks * rows, *y.shape[3:])

    y: jax.Array = lax.map(of_chunk, x)
    return y.reshape(chunks * images, *y.shape[2:])[:n, : window.out_size[0]]
