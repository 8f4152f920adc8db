"""Flatten, dense and dropout."""

import math

import jax
import jax.numpy as jnp

from jcnn.ops._bias import add_bias
from jcnn.ops._check import check_bias, check_floating, check_rank, check_rate, check_same_dtype
from jcnn.ops._random import less_than
from jcnn.ops._recordable import recordable
from jcnn.ops.conv.method import Precision


@recordable
def flatten(x: jax.Array) -> jax.Array:
    """Reshape each example to one row, in the order rows, columns, channels.

    Args:
        x: `(N, ...)`, any type; `(N, H, W, C)` puts pixel `(r, c)` of channel `k` at
            `(r * W + c) * C + k`.

    Returns:
        `(N, D)` with D the product of the other axes.

    Raises:
        ValueError: `x` has no axes.
    """
    if x.ndim < 1:
        raise ValueError(f"x: got shape {x.shape}; expected at least one axis (N, ...)")
    return x.reshape(x.shape[0], math.prod(x.shape[1:]))


@recordable
def dense(
    x: jax.Array,
    kernel: jax.Array,
    bias: jax.Array | None = None,
    *,
    precision: Precision = None,
) -> jax.Array:
    """Dense (fully connected) layer: `x @ kernel + bias`.

    Args:
        x: `(N, D)`, a floating-point type; images are flattened first.
        kernel: `(D, U)`, the dtype of `x`.
        bias: `(U,)`, the dtype of `x`.
        precision: as in `jax.numpy.matmul`.

    Returns:
        `(N, U)`, the dtype of `x`; 16-bit inputs are summed in 32 bits.

    Raises:
        ValueError: a shape or dtype does not fit; the message names the argument.
    """
    check_rank("x", x, "N, D")
    check_rank("kernel", kernel, "D, U")
    check_floating("x", x)
    check_same_dtype(x, kernel=kernel, bias=bias)
    check_bias(bias, kernel)
    if x.shape[1] != kernel.shape[0]:
        raise ValueError(
            f"kernel: got shape {kernel.shape} for x {x.shape}; "
            f"its first axis must be D = {x.shape[1]}"
        )
    y = jnp.matmul(
        x,
        kernel,
        precision=precision,
        preferred_element_type=jnp.promote_types(x.dtype, jnp.float32),
    ).astype(x.dtype)
    return add_bias(y, bias)


def dropout(x: jax.Array, rate: float | jax.Array, *, key: jax.Array) -> jax.Array:
    """Set a random share of the numbers to zero and scale the others to keep the mean.

    The mask takes 16 random bits per number: `rate` is rounded to a multiple of 1/65536. The scale
    is that of the rounded rate, so the expectation is exactly `x`.

    Args:
        x: any shape, a floating-point type.
        rate: share to drop, `0 <= rate < 1`: a number or a scalar array. A traced rate cannot be
            checked; out of range, it makes the whole result NaN.
        key: one `jax.random.key`; the same key drops the same numbers.

    Returns:
        The shape and dtype of `x`: zero with probability `rate`, else `x / (1 - rate)`.

    Raises:
        ValueError: `rate` is not in [0, 1), or `x` is not of a floating-point type.

    Reference: Srivastava et al., "Dropout", JMLR 15, 2014 (inverted: scaled while training).
    """
    check_floating("x", x)
    # Scaled in 32 bits: 1 / (1 - rate) may overflow float16 where the product does not.
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    if isinstance(rate, jax.core.Tracer):
        kept = jnp.clip(65536 - jnp.round(rate * 65536).astype(jnp.int32), 1, 65536)
        valid = (rate >= 0) & (rate < 1)
        scale = jnp.where(valid, 65536 / kept, jnp.nan).astype(wide.dtype)
        dropped = jnp.where(valid, 0, jnp.nan).astype(x.dtype)
        return jnp.where(less_than(key, x.shape, kept), (wide * scale).astype(x.dtype), dropped)
    whole = max(65536 - round(check_rate(rate) * 65536), 1)
    if whole == 65536:
        return x
    mask = less_than(key, x.shape, whole)
    return jnp.where(mask, (wide * (65536 / whole)).astype(x.dtype), 0)
