"""Lowerings "winograd2" and "winograd4": 3x3 convolutions with fewer multiplications.

The image is split into tiles that overlap by two cells. From a tile `d` of `n x n` cells, with
`n = m + 2`, F(m x m, 3x3) computes `m x m` outputs by the transforms of `cook_toom.py` on both
axes, one after the other:

    Y = A^T [(G g G^T) . (B^T d B)] A

The dot in the middle multiplies position by position and sums over channels: for each of the
`n * n` positions it is a matrix product, `(tiles, C) @ (C, O)`. The rest is additions.

                               F(2x2)   F(4x4)   plain
    multiplications an output  4        2.25     9       n^2 / m^2 for each channel and filter
    transformed tiles          4        2.25     -       n^2 / m^2 times the image's memory
    transformed kernel         1.8      4        -       n^2 / 9 times the kernel's memory
    rounding error             1 to 2   5 to 10  1       root mean square, float32, against "lax"

The gradient by the input is the same convolution of the output's gradient, with the kernel rotated
by 180 degrees. The gradient by the kernel transposes the formula: with `g` the output's gradient in
tiles of `m x m`,

    G^T [sum over tiles (B^T d B) . (A g A^T)] G.

Autodiff of the first formula would give the same products, but store all transformed tiles for the
backward pass, and scatter the input's gradient from overlapping tiles. Measured on two busy cores,
both gradients then take 1.1 to 2 times as long, for three shapes of 32 to 256 channels.

On a CPU a few images are transformed at a time. The tiles of a whole batch do not fit the cache,
and writing them to newly allocated memory costs more than the convolution: in chunks of 16 MiB,
64x28x28x32 to 64 filters takes 9 ms by F(4x4) instead of 28 (by XLA's convolution 11), 32x56x56x64
to 64 takes 34 ms instead of 73 (XLA 44). These are the fastest of a few runs on two shared cores.
On a busy machine its many short steps take up to twice the time; XLA's single long one does not.

The cost is rounding. Evaluation at 2 and -2 adds numbers of different sizes; the error of F(4x4)
is 5 to 10 times that of a plain convolution over 8 to 512 channels, that of F(2x2) 1 to 2 times
(`tests/ops/conv/test_winograd.py` checks both). 16-bit arrays are transformed and summed in
float32, where this error is far below their own rounding. A NaN or an infinity spreads to every
output of the tiles that read it.

References: Winograd, "Arithmetic Complexity of Computations", 1980; Lavin and Gray, "Fast
Algorithms for Convolutional Neural Networks", CVPR 2016; on rounding, Barabasz, Anderson,
Soodhalter and Gregg, "Error Analysis and Improving the Accuracy of Winograd Convolution for Deep
Neural Networks", ACM TOMS 46 (2020).
"""

import functools
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jcnn.ops.conv.lowerings.cook_toom import Filtering, Matrix, cook_toom
from jcnn.ops.conv.lowerings.lowering import Conv, Lowering, Pair, Params, out_size, wide

# By outputs per axis. The points are those of Lavin and Gray.
FILTERINGS = {2: cook_toom((0, 1, -1), taps=3), 4: cook_toom((0, 1, -1, 2, -2), taps=3)}

# Bytes of transformed tiles and products at once on a CPU: they stay in its caches.
_CHUNK = 16 * 2**20


def convolve(
    x: jax.Array, kernel: jax.Array, precision: Any, p: Params, *, outputs: int
) -> jax.Array:
    """Convolve by F(outputs x outputs, 3x3), each group separately."""
    filtering, start = FILTERINGS[outputs], (p.padding[0][0], p.padding[1][0])
    out = out_size(x.shape, kernel.shape, p)
    n, h, w, _ = x.shape
    kh, kw, per_group, _ = kernel.shape
    images = x.reshape(n, h, w, p.groups, per_group)
    cells = kernel.reshape(kh, kw, per_group, p.groups, -1)
    if (kh, kw) == (3, 3):
        y = _forward(
            images.transpose(3, 0, 1, 2, 4),
            cells.transpose(3, 0, 1, 2, 4),
            *(out, start, precision, filtering),
        )
        return y.transpose(1, 2, 3, 0, 4).reshape(n, *out, -1)
    if out == (3, 3):  # the gradient by a 3x3 kernel, with images and channels exchanged
        y = _by_kernel(
            images.transpose(3, 4, 1, 2, 0),
            cells.transpose(3, 2, 0, 1, 4),
            *(start, precision, filtering),
        )
        return y.transpose(3, 1, 2, 0, 4).reshape(n, *out, -1)
    # The gradient of that one by its images: the input is 3x3 and the kernel large. Rotated by
    # 180 degrees, the two are exchanged.
    y = _forward(
        cells[::-1, ::-1].transpose(3, 4, 0, 1, 2),
        images[:, ::-1, ::-1].transpose(3, 1, 2, 4, 0),
        *(out, (start[0] - kh + 3, start[1] - kw + 3), precision, filtering),
    )
    return y.transpose(4, 2, 3, 0, 1).reshape(n, *out, -1)


def _forward(
    x: jax.Array, kernel: jax.Array, out: Pair, start: Pair, precision: Any, filtering: Filtering
) -> jax.Array:
    """`x (M, N, H, W, C)` with `kernel (M, 3, 3, C, O)` to `(M, N, *out, O)`, M times."""
    tiles = [-(-size // filtering.outputs) for size in out]
    weights = _on_both_axes(filtering.kernel, kernel.astype(wide(kernel)).transpose(2, 1, 0, 3, 4))
    weights = weights.reshape(-1, *weights.shape[2:])

    def some(x: jax.Array) -> jax.Array:
        m, n = x.shape[:2]
        data = _transform(x.astype(wide(x)), filtering.data, tiles, start, filtering.outputs)
        products = jnp.einsum("pmtc,pmco->pmto", data, weights, precision=precision)
        y = _outputs(products.reshape(-1, m * n, *tiles, kernel.shape[-1]), filtering)
        return y[:, : out[0], : out[1]].astype(x.dtype).reshape(m, n, *out, -1)

    images = x.shape[1]
    size = _images_at_once(x, kernel.shape[-1], tiles, filtering)
    if size == images:
        return some(x)

    def put(chunk: jax.Array, y: jax.Array) -> jax.Array:
        # Both slices clamp the start of the last chunk, so that it ends with the batch.
        first = chunk * size
        made = some(lax.dynamic_slice_in_dim(x, first, size, axis=1))
        return lax.dynamic_update_slice_in_dim(y, made, first, axis=1)

    empty = jnp.zeros((*x.shape[:2], *out, kernel.shape[-1]), x.dtype)
    y: jax.Array = lax.fori_loop(0, -(-images // size), put, empty)
    return y


def _by_kernel(
    x: jax.Array, g: jax.Array, start: Pair, precision: Any, filtering: Filtering
) -> jax.Array:
    """`x (M, N, H, W, C)` and `g (M, N, OH, OW, O)` to `(M, 3, 3, C, O)`."""
    tiles = [-(-size // filtering.outputs) for size in g.shape[2:4]]
    models, images, channels, filters = *x.shape[:2], x.shape[-1], g.shape[-1]

    def some(x: jax.Array, g: jax.Array) -> jax.Array:
        x, g = x.astype(wide(x)), g.astype(wide(g))
        data = _transform(x, filtering.data, tiles, start, filtering.outputs)
        slopes = _transform(g, _transposed(filtering.output), tiles, (0, 0), filtering.outputs)
        return jnp.einsum("pmtc,pmto->pmco", data, slopes, precision=precision)

    size = _images_at_once(x, filters, tiles, filtering)
    if size == images:
        total = some(x, g)
    else:
        chunks = -(-images // size)
        # No image may count twice: images of zeros fill up the last chunk.
        missing = [(0, chunks * size - images if axis == 1 else 0, 0) for axis in range(5)]
        x, g = (lax.pad(array, jnp.zeros((), array.dtype), missing) for array in (x, g))

        def add(chunk: jax.Array, total: jax.Array) -> jax.Array:
            at = chunk * size
            return total + some(*(lax.dynamic_slice_in_dim(a, at, size, axis=1) for a in (x, g)))

        zeros = jnp.zeros((filtering.cells**2, models, channels, filters), wide(x))
        total = lax.fori_loop(0, chunks, add, zeros)
    total = total.reshape(filtering.cells, filtering.cells, *total.shape[1:])
    gradient = _on_both_axes(_transposed(filtering.kernel), total) / filtering.denominator**2
    return gradient.transpose(2, 1, 0, 3, 4).astype(x.dtype)


def _transform(
    x: jax.Array, matrix: Matrix, tiles: Sequence[int], start: Pair, outputs: int
) -> jax.Array:
    """Transform each tile of `x (M, N, H, W, C)`: `(positions, M, N * tiles, C)`.

    The first tile begins `start` cells before the image. A tile has as many cells on an axis as a
    row of `matrix` and begins `outputs` cells after the tile before. Positions go column by column.
    They are the first axis, so that the products need no transposition.
    """
    cells = len(matrix[0])
    blocks = [tile + (cells > outputs) for tile in tiles]
    m, n, h, w, c = x.shape
    pads = [
        (before, block * outputs - size - before, 0)
        for before, block, size in zip(start, blocks, (h, w), strict=True)
    ]
    x = lax.pad(x.reshape(m * n, h, w, c), jnp.zeros((), x.dtype), [(0, 0, 0), *pads, (0, 0, 0)])
    x = x.reshape(m * n, blocks[0], outputs, blocks[1] * outputs, c)
    # A cell lies in the block of its tile or in the next block.
    at = [divmod(cell, outputs) for cell in range(cells)]
    rows = _combine(matrix, [x[:, block : block + tiles[0], i] for block, i in at])
    rows = rows.reshape(*rows.shape[:3], blocks[1], outputs, c)
    both = _combine(matrix, [rows[:, :, :, block : block + tiles[1], j] for block, j in at])
    return both.reshape(len(matrix) ** 2, m, n * math.prod(tiles), c)


def _outputs(products: jax.Array, filtering: Filtering) -> jax.Array:
    """Transform `(positions, N, TH, TW, O)` to `(N, TH * outputs, TW * outputs, O)`."""
    cells, outputs = filtering.cells, filtering.outputs
    y = _on_both_axes(filtering.output, products.reshape(cells, cells, *products.shape[1:]))
    _, _, n, th, tw, filters = y.shape
    y = (y / filtering.denominator**2).transpose(2, 3, 1, 4, 0, 5)
    return y.reshape(n, th * outputs, tw * outputs, filters)


def _on_both_axes(matrix: Matrix, array: jax.Array) -> jax.Array:
    """Multiply the columns and the rows of `array (columns, rows, ...)` by the matrix."""
    rows = _combine(matrix, [array[:, row] for row in range(array.shape[1])])
    return _combine(matrix, [rows[:, column] for column in range(rows.shape[1])])


def _combine(matrix: Matrix, parts: Sequence[jax.Array]) -> jax.Array:
    """Multiply a column of arrays by the matrix, skipping its zeros."""
    rows = []
    for row in matrix:
        terms = [part * factor for factor, part in zip(row, parts, strict=True) if factor]
        rows.append(functools.reduce(jnp.add, terms))
    return jnp.stack(rows)


def _images_at_once(x: jax.Array, filters: int, tiles: Sequence[int], filtering: Filtering) -> int:
    """Images per chunk: all, or on a CPU as many as its caches hold."""
    models, n, channels = x.shape[0], int(x.shape[1]), x.shape[-1]
    if jax.default_backend() != "cpu":
        return n
    numbers = models * filtering.cells**2 * math.prod(tiles) * (channels + filters)
    most: int = max(1, _CHUNK // (numbers * jnp.dtype(wide(x)).itemsize))
    return -(-n // -(-n // most))


def _transposed(matrix: Matrix) -> Matrix:
    return tuple(zip(*matrix, strict=True))


def _unsupported(conv: Conv) -> str | None:
    p = conv.params
    if {*p.stride, *p.dilation, *p.in_dilation} != {1}:
        return "moves in steps of one, without dilation"
    if (3, 3) not in (conv.kernel[:2], conv.out):
        return "neither a 3x3 kernel nor the gradient by one"
    return None


# Intermediate sums are larger than the result, which reduces the range.
_TILE = "a NaN reaches its whole tile; may overflow above 1e"

LOWERING2 = Lowering(
    functools.partial(convolve, outputs=2),
    _unsupported,
    plain=False,
    remark=f"1 to 2 times the rounding of lax; {_TILE}36",
)
LOWERING4 = Lowering(
    functools.partial(convolve, outputs=4),
    _unsupported,
    plain=False,
    remark=f"6 to 13 times the rounding of lax; {_TILE}33",
)
