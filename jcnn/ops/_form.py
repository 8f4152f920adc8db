"""What a form is: one way to write one convolution of the primitive for the compiler.

Two forms of the same convolution give the same numbers up to rounding and differ in speed alone.
Forms have no gradients of their own: they are what the primitive is lowered to, and each of its
derivatives is the primitive again, with a form of its own.
"""

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
class Form:
    """One way to write a convolution.

    Attributes:
        fn: `fn(x (N, H, W, C), kernel (KH, KW, C // groups, O), precision, params)` to
            `(N, OH, OW, O)`, the dtype of `x`; 16-bit inputs are summed in 32 bits.
        unsupported: `unsupported(x_shape, kernel_shape, params)` to the reason why `fn` cannot
            do this convolution, or would be absurd for it; None where it can.
    """

    fn: Callable[[jax.Array, jax.Array, Any, Params], jax.Array]
    unsupported: Callable[[Shape, Shape, Params], str | None]


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
