"""The interface of a lowering: one implementation of the convolution primitive.

Lowerings of the same convolution agree up to rounding and differ in speed. They need no gradients
of their own: each gradient is written as a convolution again, with its own lowering.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

Pair = tuple[int, int]
Pads = tuple[Pair, Pair]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Params:
    """Parameters of a convolution; every pair is (rows, columns). Negative padding crops."""

    stride: Pair
    padding: Pads
    in_dilation: Pair
    dilation: Pair
    groups: int


@dataclass(frozen=True)
class Conv:
    """One convolution of the primitive: its shapes and parameters, without values."""

    platform: str
    dtype: str
    x: Shape
    kernel: Shape
    params: Params

    @property
    def out(self) -> Pair:
        """Height and width of the result."""
        return out_size(self.x, self.kernel, self.params)

    @property
    def is_by_kernel(self) -> bool:
        """Whether it is like a gradient by the kernel.

        That has a kernel larger than the result. If it is of a depthwise convolution, it has one
        image, and the examples are the channels of each filter.
        """
        large = math.prod(self.kernel[:2]) > math.prod(self.out)
        if self.params.groups == self.kernel[3] > 1:
            return self.x[0] == 1 and (large or self.kernel[2] > 1)
        return large

    @property
    def extents(self) -> tuple[int, int, int]:
        """Output positions in all images, channels, and filters.

        For a gradient by the kernel, these are those of the forward convolution. For a depthwise
        convolution, positions count once per filter, and filters are 1.
        """
        positions, channels, filters = self.x[0] * math.prod(self.out), *self.kernel[2:]
        if self.is_by_kernel:  # batch and channels are exchanged
            positions, channels = channels * math.prod(self.kernel[:2]), self.x[0]
        alone = self.params.groups == filters > 1
        return (positions * filters, channels, 1) if alone else (positions, channels, filters)

    @functools.cached_property
    def kind(self) -> tuple[Any, ...]:
        """What two convolutions must have in common for one to take the other's lowering."""
        cells = [_size(n) for n in (self.out if self.is_by_kernel else self.kernel[:2])]
        moves = (self.params.stride, self.params.in_dilation, self.params.dilation)
        return (*self.family[:-1], *cells, moves)

    @functools.cached_property
    def family(self) -> tuple[Any, ...]:
        """`kind` without the kernel's size and with strides and dilations only as 1 or larger."""
        groups = "one" if self.params.groups == 1 else "several"
        if self.params.groups > 1 and self.kernel[3] == self.params.groups:
            # With several channels for each filter it is a gradient by the kernel, or by the input
            # of a layer with several filters for each channel, which has other lowerings.
            groups = "depthwise" if self.kernel[2] == 1 or self.is_by_kernel else "summed"
        moves = (
            max(self.params.stride) > 1,
            max(self.params.in_dilation) > 1,
            max(self.params.dilation) > 1,
        )
        return (self.platform, self.dtype, self.is_by_kernel, groups, moves)


def _size(cells: int) -> int | str:
    """The size of a kernel's side; large ones within a fifth of one another count as equal."""
    return cells if cells < 9 else f"about {2 ** (round(2 * math.log2(cells)) / 2):.0f}"


@dataclass(frozen=True)
class Lowering:
    """One implementation of a convolution.

    Attributes:
        fn: `fn(x (N, H, W, C), kernel (KH, KW, C // groups, O), precision, params)` returns
            `(N, OH, OW, O)`, the dtype of `x`; 16-bit inputs are summed in 32 bits.
        unsupported: `unsupported(conv)` returns the reason why `fn` cannot do this convolution,
            or would be far too slow for it; None if it can.
        plain: whether it rounds as XLA's convolution does and needs nothing but XLA. Exported
            programs, and calls with a `precision` above the default, use only plain lowerings.
        remark: its cost other than time, for `explain_conv`; empty if there is none.
    """

    fn: Callable[[jax.Array, jax.Array, Any, Params], jax.Array]
    unsupported: Callable[[Conv], str | None]
    plain: bool = True
    remark: str = ""


def out_size(x_shape: Shape, kernel_shape: Shape, p: Params) -> Pair:
    """Height and width of the result."""
    rows, columns = (
        (
            dilated(x_shape[1 + a], p.in_dilation[a])
            + sum(p.padding[a])
            - dilated(kernel_shape[a], p.dilation[a])
        )
        // p.stride[a]
        + 1
        for a in (0, 1)
    )
    return rows, columns


def dilated(size: int, dilation: int) -> int:
    """Cells of an axis with `dilation - 1` zeros between neighbours."""
    return (size - 1) * dilation + 1


def is_above_default(precision: Any) -> bool:
    """Whether a precision, as in `jax.lax.conv_general_dilated`, is above the default."""
    words = {str(one).rpartition(".")[2].lower() for one in jax.tree.leaves(precision)}
    return not words <= {"default", "fastest", "bfloat16"}


def is_empty(x: Shape, kernel: Shape) -> bool:
    """Whether a convolution of these shapes has no examples, channels or filters."""
    # Not `0 in shape`: a size may be symbolic (`jax.export`).
    return any(isinstance(size, int) and size == 0 for size in (*x, *kernel))


def wide(x: jax.Array) -> Any:
    """The dtype in which products are summed: at least 32 bits."""
    return jnp.promote_types(x.dtype, jnp.float32)


def pad(x: jax.Array, padding: Pads, in_dilation: Pair = (1, 1)) -> jax.Array:
    """Apply padding, which may crop, and input dilation to `x`."""
    rows, columns = ((*pads, gap - 1) for pads, gap in zip(padding, in_dilation, strict=True))
    return lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), rows, columns, (0, 0, 0)])


def under(padded: jax.Array, start: Pair, count: Pair, step: Pair) -> jax.Array:
    """The cells `start, start + step, ...` of both axes of a padded input, `count` of them."""
    n, _, _, c = padded.shape
    last = [a + (k - 1) * s + 1 for a, k, s in zip(start, count, step, strict=True)]
    return lax.slice(padded, (0, *start, 0), (n, *last, c), (1, *step, 1))
