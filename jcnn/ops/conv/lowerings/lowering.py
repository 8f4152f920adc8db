"""What a lowering is: one way to write one convolution of the primitive for the compiler.

Two lowerings of the same convolution give the same numbers up to rounding and differ in speed alone.
Lowerings have no gradients of their own: they are what the primitive is lowered to, and each of its
derivatives is the primitive again, with a lowering of its own.
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
    """How the kernel moves; every pair is (rows, columns). Padding may be negative: it crops."""

    stride: Pair
    padding: Pads
    in_dilation: Pair
    dilation: Pair
    groups: int


@dataclass(frozen=True)
class Conv:
    """One convolution as the primitive has it, without its values."""

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
        """Whether the kernel is larger than the result, as in a gradient by kernel."""
        return math.prod(self.kernel[:2]) > math.prod(self.out)

    @property
    def extents(self) -> tuple[int, int, int]:
        """Positions of the output in all pictures, channels and filters of the real kernel.

        Where each filter has channels of its own, those of all filters count as positions.
        """
        positions, channels, filters = self.x[0] * math.prod(self.out), *self.kernel[2:]
        if self.is_by_kernel:  # the batch and the channels have changed places
            positions, channels = channels * math.prod(self.kernel[:2]), self.x[0]
        alone = self.params.groups == filters > 1
        return (positions * filters, channels, 1) if alone else (positions, channels, filters)

    @functools.cached_property
    def kind(self) -> tuple[Any, ...]:
        """What must be equal of two convolutions for one to speak for the other."""
        cells = [_size(n) for n in (self.out if self.is_by_kernel else self.kernel[:2])]
        moves = (self.params.stride, self.params.in_dilation, self.params.dilation)
        return (*self.family[:-1], *cells, moves)

    @functools.cached_property
    def family(self) -> tuple[Any, ...]:
        """What is equal of all convolutions of one sort, whatever their kernel's size and step."""
        groups = "one" if self.params.groups == 1 else "several"
        if self.params.groups > 1 and self.kernel[3] == self.params.groups:
            groups = "depthwise"
        moves = (
            max(self.params.stride) > 1,
            max(self.params.in_dilation) > 1,
            max(self.params.dilation) > 1,
        )
        return (self.platform, self.dtype, self.is_by_kernel, groups, moves)


def _size(cells: int) -> int | str:
    """The side of a kernel; of large ones, those within a fifth of one another are one size."""
    return cells if cells < 9 else f"about {2 ** (round(2 * math.log2(cells)) / 2):.0f}"


@dataclass(frozen=True)
class Lowering:
    """One way to write a convolution.

    Attributes:
        fn: `fn(x (N, H, W, C), kernel (KH, KW, C // groups, O), precision, params)` to
            `(N, OH, OW, O)`, the dtype of `x`; 16-bit inputs are summed in 32 bits.
        unsupported: `unsupported(conv)` to the reason why `fn` cannot do this convolution, or
            would be absurd for it; None where it can.
        plain: whether it rounds as XLA's convolution does and needs nothing but XLA. What is
            exported, and what asks for a precision, takes plain lowerings only.
        remark: what it costs besides time, for `explain_conv`; empty where nothing.
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


def asks_for_more(precision: Any) -> bool:
    """Whether a precision, as in `jax.lax.conv_general_dilated`, is more than the default."""
    words = {str(one).rpartition(".")[2].lower() for one in jax.tree.leaves(precision)}
    return not words <= {"default", "fastest", "bfloat16"}


def is_empty(x: jax.Array, kernel: jax.Array) -> bool:
    """Whether a convolution has no examples, no channels, no filters or no models."""
    # Not by membership: a size may be a symbol (`jax.export`).
    return any(isinstance(size, int) and size == 0 for size in (*x.shape, *kernel.shape))


def wide(x: jax.Array) -> Any:
    """The dtype in which products are added: at least 32 bits."""
    return jnp.promote_types(x.dtype, jnp.float32)


def pad(x: jax.Array, padding: Pads, in_dilation: Pair = (1, 1)) -> jax.Array:
    """`x` with its padding, which may crop, and its inserted zeros written out."""
    rows, columns = ((*pads, gap - 1) for pads, gap in zip(padding, in_dilation, strict=True))
    return lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), rows, columns, (0, 0, 0)])


def under(padded: jax.Array, start: Pair, count: Pair, step: Pair) -> jax.Array:
    """The cells `start, start + step, ...` of both axes of a padded input, `count` of them."""
    n, _, _, c = padded.shape
    last = [a + (k - 1) * s + 1 for a, k, s in zip(start, count, step, strict=True)]
    return lax.slice(padded, (0, *start, 0), (n, *last, c), (1, *step, 1))
