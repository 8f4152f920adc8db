"""Dropout: of single numbers, of whole feature maps, and of whole examples."""

import jax
import jax.numpy as jnp

from jcnn.ops._check import check_floating, check_rank, check_rate
from jcnn.ops._random import less_than


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
    return _drop(x, rate, key, x.shape)


def spatial_dropout2d(x: jax.Array, rate: float | jax.Array, *, key: jax.Array) -> jax.Array:
    """Dropout of whole feature maps: the pixels of a channel are dropped or kept together.

    Neighbouring pixels are alike, so `dropout` of one of them hides little.

    Args:
        x: `(N, H, W, C)`, a floating-point type.
        rate, key: as for `dropout`; 16 bits for each example and channel.

    Returns:
        The shape and dtype of `x`.

    Raises:
        ValueError: `rate` is not in [0, 1), or `x` is not of that rank or type.

    Reference: Tompson et al., "Efficient Object Localization Using Convolutional Networks", 2015.
    """
    check_rank("x", x, "N, H, W, C")
    check_floating("x", x)
    return _drop(x, rate, key, (x.shape[0], 1, 1, x.shape[3]))


def stochastic_depth(x: jax.Array, rate: float | jax.Array, *, key: jax.Array) -> jax.Array:
    """Dropout of whole examples: of a residual branch `x`, before it is added.

    An example whose branch is dropped passes the block unchanged. It is the mode "row" of
    torchvision's `stochastic_depth`.

    Args:
        x: `(N, ...)`, a floating-point type.
        rate, key: as for `dropout`; 16 bits for each example.

    Returns:
        The shape and dtype of `x`.

    Raises:
        ValueError: `rate` is not in [0, 1), or `x` has no axis or is not of a floating-point type.

    Reference: Huang et al., "Deep Networks with Stochastic Depth", 2016 (here scaled while
    training).
    """
    if x.ndim < 1:
        raise ValueError(f"x: got shape {x.shape}; expected at least one axis (N, ...)")
    check_floating("x", x)
    return _drop(x, rate, key, (x.shape[0], *(1 for _ in x.shape[1:])))


def _drop(
    x: jax.Array, rate: float | jax.Array, key: jax.Array, mask_shape: tuple[int, ...]
) -> jax.Array:
    """Drop by a mask of `mask_shape`, which is broadcast to `x`."""
    # Scaled in 32 bits: 1 / (1 - rate) may overflow float16 where the product does not.
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    if isinstance(rate, jax.core.Tracer):
        kept = jnp.clip(65536 - jnp.round(rate * 65536).astype(jnp.int32), 1, 65536)
        valid = (rate >= 0) & (rate < 1)
        scale = jnp.where(valid, 65536 / kept, jnp.nan).astype(wide.dtype)
        dropped = jnp.where(valid, 0, jnp.nan).astype(x.dtype)
        return jnp.where(less_than(key, mask_shape, kept), (wide * scale).astype(x.dtype), dropped)
    whole = max(65536 - round(check_rate(rate) * 65536), 1)
    if whole == 65536:
        return x
    mask = less_than(key, mask_shape, whole)
    return jnp.where(mask, (wide * (65536 / whole)).astype(x.dtype), 0)
