"""The kernel of method "pallas": an implicit matrix product on Hopper's tensor cores.

    y[n, h, w, o] = sum over i, j, c of  x[n, s*h + d*i, s*w + d*j, c] * kernel[i, j, c, o]

is a product of matrices, with `N*OH*OW` rows, `O` columns and `KH*KW*C` terms, whose left matrix is
never written: its tiles are fetched directly from the image (Chetlur et al., "cuDNN: Efficient
Primitives for Deep Learning", 2014, section 3.1).

The tile. A block of the GPU makes 4 slabs of 64 rows by 128 (or 64) columns. A slab is one output
position of 64 images, so that at step `(i, j, 64 channels)` it reads a rectangle of x,

    x[n : n + 64, s*h + d*i, s*w + d*j, c : c + 64],

one command to the copy engine (TMA) at any stride and dilation. Slabs of neighbouring positions
are not possible: the tensor cores read tiles of 8 rows, Mosaic copies such tiles only from offsets
that are multiples of a tile, and neighbouring kernel cells shift positions by one. Images are not
shifted. It makes 2x2 pooling simple, too: a window's four positions are four slabs of one block,
and the maximum is elementwise. The cost: the batch is padded to a multiple of 64.

The block. Three warpgroups: one fetches, two multiply 2 slabs each (128 x 128 sums in float32, 128
registers a thread). Between them lies a ring of stages in shared memory. In 16 bits a stage is 48
KiB, for 2 * 256 * 128 * 64 operations: 85 operations a byte, which the L2 cache must bring.

The contraction is split among blocks by rows of the kernel where there are few tiles and many
terms, as in a gradient by kernel; the parts are written in float32, and XLA adds them up.

Sums are in float32. float32 operands are rounded to TensorFloat-32 (10 bits of mantissa) by the
tensor cores, as in XLA's own convolutions of default precision on such a GPU.

The backend is Pallas's Mosaic GPU, which JAX recommends for Hopper ("Writing Mosaic GPU kernels
with Pallas", docs.jax.dev); Pallas's Triton backend is deprecated since JAX 0.11.
"""

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import mosaic_gpu as plgpu

from jcnn.ops.conv.lowerings.lowering import Pair, Params, out_size

Triple = tuple[int, int, int]

ROWS = 64  # of a slab: what one instruction of the tensor cores takes
SLABS = 4
SHARED_BYTES = 226 * 1024  # of a block, less than Hopper's 227 KiB by what the barriers need
FILL = 132  # blocks that a Hopper GPU runs at once


@dataclass(frozen=True)
class Epilogue:
    """What a block does after the bias, before it writes its results."""

    relu: bool = False
    pool: bool = False


@dataclass(frozen=True)
class Plan:
    """How one convolution is split into blocks.

    Attributes:
        slabs: a block's 4 slabs as (64 images, output rows, output columns).
        tiles: blocks along each of these.
        columns: filters per block.
        channels: channels per step.
        stages: steps in flight.
        splits: blocks that share one tile's terms; divides the kernel's rows.
    """

    slabs: Triple
    tiles: Triple
    columns: int
    channels: int
    stages: int
    splits: int


def plan(x: Any, kernel: Any, size: Pair, *, pool: bool, may_split: bool) -> Plan:
    """Split the convolution of `x (N, H, W, C)` with `kernel (KH, KW, C, O)` into blocks."""
    kh, kw, c, o = kernel.shape
    item = x.dtype.itemsize
    # A row of a tile in shared memory is of 32, 64 or 128 bytes: the least that holds c, or 128.
    channels = next((b // item for b in (32, 64) if c * item <= b), 128 // item)
    columns = 64 if o <= 64 else 128
    shapes: list[Triple] = [(1, 2, 2), (1, 1, 4), (1, 4, 1), (2, 1, 2), (2, 2, 1), (4, 1, 1)]
    if pool:
        shapes = shapes[:1]

    def tiles(slabs: Triple) -> Triple:
        n, h, w = (x.shape[0], *size)
        return -(-n // (ROWS * slabs[0])), -(-h // slabs[1]), -(-w // slabs[2])

    slabs = min(shapes, key=lambda shape: math.prod(tiles(shape)))
    blocks = math.prod(tiles(slabs)) * -(-o // columns)
    steps = kh * kw * -(-c // channels)
    splits = 1
    if may_split and blocks < FILL:
        # Minimise rounds of blocks times their length, over splits that leave 16 steps or more.
        able = [1, *(s for s in range(2, kh + 1) if kh % s == 0 and steps // s >= 16)]
        splits = min(able, key=lambda s: -(-s * blocks // FILL) / s)
    left = SHARED_BYTES - 2 * ROWS * columns * (4 if splits > 1 else item)
    stages = min(4, left // ((SLABS * ROWS + columns) * channels * item), steps // splits)
    return Plan(slabs, tiles(slabs), columns, channels, stages, splits)


def convolve(
    x: jax.Array,
    kernel: jax.Array,
    bias: jax.Array | None,
    motion: Params,
    epilogue: Epilogue,
    *,
    kernel_transposed: bool,
) -> jax.Array:
    """Convolve on the tensor cores, with optional bias, ReLU and 2x2 max pooling.

    Args:
        x: `(N, H, W, C)`, float32, bfloat16 or float16.
        kernel: `(KH, KW, C, O)`, the dtype of `x`.
        bias: `(O,)`, the dtype of `x`.
        motion: parameters, with one group. Input dilation is applied to `x` beforehand.
        epilogue: operations after the bias.
        kernel_transposed: whether the tensor cores read the kernel as `(O, C)`. In float32 they
            must; in 16 bits they can read both.

    Returns:
        `(N, OH, OW, O)`, with pooling `(N, OH // 2, OW // 2, O)`; the dtype of `x`.
    """
    n, o = x.shape[0], kernel.shape[3]
    height, width = out_size(x.shape, kernel.shape, motion)
    linear = bias is None and epilogue == Epilogue()
    how = plan(x, kernel, (height, width), pool=epilogue.pool, may_split=linear)
    # Pad to whole tiles and whole steps: the kernel reads and writes only inside its arrays.
    padding = [(0, how.tiles[0] * how.slabs[0] * ROWS - n, 0)]
    for a in (0, 1):
        last = (how.tiles[1 + a] * how.slabs[1 + a] - 1) * motion.stride[a]
        needed = last + (kernel.shape[a] - 1) * motion.dilation[a] + 1
        before, gap = motion.padding[a][0], motion.in_dilation[a]
        padding.append((before, needed - before - (x.shape[1 + a] - 1) * gap - 1, gap - 1))
    channels, filters = -x.shape[3] % how.channels, -o % how.columns
    zero = jnp.zeros((), x.dtype)
    x = lax.pad(x, zero, [*padding, (0, channels, 0)])
    kernel = lax.pad(kernel, zero, [(0, 0, 0), (0, 0, 0), (0, channels, 0), (0, filters, 0)])
    operands = [x, kernel.swapaxes(2, 3) if kernel_transposed else kernel]
    if bias is not None:  # as a tile: a row alone has no layout that both JAX versions can load
        row = lax.pad(bias, zero, [(0, filters, 0)])
        operands.append(jnp.broadcast_to(row, (ROWS, row.size)))
    y = _call(operands, how, motion, epilogue, kernel_transposed)
    y = y[0] if how.splits == 1 else y.sum(axis=0).astype(x.dtype)
    window = 2 if epilogue.pool else 1
    return y[:n, : height // window, : width // window, :o]


def _call(
    operands: list[jax.Array], how: Plan, motion: Params, epilogue: Epilogue, transposed: bool
) -> jax.Array:
    """Run the kernel on padded operands; the result `(splits, N, OH, OW, O)` is padded, too."""
    x, kernel = operands[:2]
    kh, kw = kernel.shape[:2]
    filters = kernel.shape[2 if transposed else 3]
    channel_blocks = x.shape[3] // how.channels
    kernel_rows = kh // how.splits
    steps = kernel_rows * kw * channel_blocks
    images, rows, columns = how.slabs
    dtype = x.dtype if how.splits == 1 else jnp.dtype(jnp.float32)

    def place(slab: Any) -> tuple[Any, Any, Any]:
        """First image, output row and output column of one of this block's slabs."""
        return (
            (lax.axis_index("n") * images + slab // (rows * columns)) * ROWS,
            lax.axis_index("h") * rows + slab // columns % rows,
            lax.axis_index("w") * columns + slab % columns,
        )

    def body(x_gmem: Any, k_gmem: Any, *rest: Any) -> None:
        *bias_gmem, y_gmem, x_smem, k_smem, y_smem, filled, emptied, bias_in, row_in = rest
        group = lax.axis_index("group")
        split = lax.axis_index("split")
        o = pl.ds(lax.axis_index("o") * how.columns, how.columns)

        def fetch(t: jax.Array, _: None) -> None:
            slot = lax.rem(t, how.stages)

            @pl.when(t >= how.stages)
            def _wait() -> None:
                plgpu.barrier_wait(emptied.at[slot])

            cell = lax.div(t, channel_blocks)
            i, j = split * kernel_rows + lax.div(cell, kw), lax.rem(cell, kw)
            c = pl.ds(lax.rem(t, channel_blocks) * how.channels, how.channels)
            for slab in range(SLABS):
                n, h, w = place(slab)
                row = h * motion.stride[0] + i * motion.dilation[0]
                column = w * motion.stride[1] + j * motion.dilation[1]
                plgpu.copy_gmem_to_smem(
                    x_gmem.at[pl.ds(n, ROWS), row, column, c],
                    x_smem.at[slot, pl.ds(slab * ROWS, ROWS)],
                    filled.at[slot],
                )
            tile = k_gmem.at[i, j, o, c] if transposed else k_gmem.at[i, j, c, o]
            plgpu.copy_gmem_to_smem(tile, k_smem.at[slot], filled.at[slot])

        def multiply(sums: Any) -> jax.Array:
            def step(t: jax.Array, _: None) -> None:
                slot = lax.rem(t, how.stages)
                plgpu.barrier_wait(filled.at[slot])
                slabs = x_smem.at[slot, pl.ds(group * (2 * ROWS), 2 * ROWS)]
                tile = k_smem.at[slot]
                plgpu.wgmma(sums, slabs, tile.transpose((1, 0)) if transposed else tile)
                # The product before this one is done: its stage may be filled again.
                plgpu.wgmma_wait(1)
                before = t - 1

                @pl.when((before >= 0) & (before + how.stages < steps))
                def _release() -> None:
                    plgpu.barrier_arrive(emptied.at[lax.rem(before, how.stages)])

            lax.fori_loop(jnp.int32(0), jnp.int32(steps), step, None)
            done: jax.Array = sums[...]
            return done

        def finish(sums: jax.Array) -> None:
            halves = [sums[:ROWS], sums[ROWS:]]
            if bias_gmem:
                plgpu.barrier_wait(bias_in.at[group])
                bias = y_smem[group].astype(jnp.float32)
                halves = [half + bias for half in halves]
            if epilogue.relu:
                halves = [jnp.maximum(half, 0.0) for half in halves]
            if epilogue.pool:
                store_larger(jnp.maximum(*halves))
            else:
                for k, half in enumerate(halves):
                    store(half, *place(group * 2 + k))

        def store(values: jax.Array, n: Any, h: Any, w: Any) -> None:
            plgpu.wait_smem_to_gmem(0, wait_read_only=True)
            y_smem[group] = values.astype(dtype)
            plgpu.commit_smem()
            plgpu.copy_smem_to_gmem(y_smem.at[group], y_gmem.at[split, pl.ds(n, ROWS), h, w, o])

        def store_larger(row: jax.Array) -> None:
            """Each warpgroup has the maxima of one row of the window; group 0 stores the larger."""

            @pl.when(group == 1)
            def _give() -> None:
                y_smem[1] = row.astype(dtype)
                plgpu.commit_smem()
                plgpu.barrier_arrive(row_in)

            @pl.when(group == 0)
            def _take() -> None:
                plgpu.barrier_wait(row_in)
                larger = jnp.maximum(row, y_smem[1].astype(jnp.float32))
                n, _, _ = place(0)
                store(larger, n, lax.axis_index("h"), lax.axis_index("w"))

        @pl.when(group == 2)
        def _fetch() -> None:
            plgpu.set_max_registers(40, action="decrease")
            lax.fori_loop(jnp.int32(0), jnp.int32(steps), fetch, None)

        @pl.when(group < 2)
        def _multiply() -> None:
            plgpu.set_max_registers(232, action="increase")
            if bias_gmem:
                plgpu.copy_gmem_to_smem(bias_gmem[0].at[:, o], y_smem.at[group], bias_in.at[group])
            finish(
                pl.run_scoped(
                    multiply, plgpu.WGMMAAccumulatorRef((2 * ROWS, how.columns), jnp.float32)
                )
            )
            plgpu.wait_smem_to_gmem(0)

    window = 2 if epilogue.pool else 1
    size = [how.tiles[0] * images * ROWS, how.tiles[1] * rows, how.tiles[2] * columns]
    shape = (how.splits, size[0], size[1] // window, size[2] // window, filters)
    k_tile = (how.columns, how.channels) if transposed else (how.channels, how.columns)
    operand = _tiled(how.channels, x.dtype)
    run = plgpu.kernel(
        body,
        out_type=jax.ShapeDtypeStruct(shape, dtype),
        scratch_types=[
            plgpu.SMEM((how.stages, SLABS * ROWS, how.channels), x.dtype, transforms=operand),
            plgpu.SMEM((how.stages, *k_tile), x.dtype, transforms=operand),
            plgpu.SMEM((2, ROWS, how.columns), dtype, transforms=_tiled(how.columns, dtype)),
            plgpu.Barrier(num_arrivals=SLABS + 1, num_barriers=how.stages),  # filled
            plgpu.Barrier(num_arrivals=2, num_barriers=how.stages),  # emptied
            plgpu.Barrier(num_arrivals=1, num_barriers=2),  # bias_in
            plgpu.Barrier(num_arrivals=1),  # row_in
        ],
        # Blocks that run at the same time share slabs: the filters vary fastest.
        grid=(how.splits, *how.tiles, filters // how.columns),
        grid_names=("split", "n", "h", "w", "o"),
        num_threads=3,
        thread_name="group",
        compiler_params=plgpu.CompilerParams(lowering_semantics=plgpu.LoweringSemantics.Warpgroup),
    )
    y: jax.Array = run(*operands)
    return y


def _tiled(row: int, dtype: jnp.dtype) -> tuple[Any, Any]:
    """The order of a tile in shared memory: 8 rows of at most 128 bytes, their bytes swizzled."""
    width = min(128, row * dtype.itemsize)
    return plgpu.TilingTransform((8, width // dtype.itemsize)), plgpu.SwizzleTransform(width)
