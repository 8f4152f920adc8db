"""Global pooling: one number for each channel of an image."""

import jax
import jax.numpy as jnp
from jax import lax

from jcnn.ops._check import check_floating, check_rank
from jcnn.ops._recordable import recordable


@recordable
def global_average_pool2d(x: jax.Array, *, keepdims: bool = False) -> jax.Array:
    """Mean of all pixels, per channel.

    Args:
        x: `(N, H, W, C)`, a floating-point type.
        keepdims: whether the result keeps its axes of rows and columns, of size 1.

    Returns:
        `(N, C)`, or `(N, 1, 1, C)` with `keepdims`, the dtype of `x`; 16-bit inputs are summed in
        32 bits.

    Raises:
        ValueError: `x` is not of that rank or type, or has no pixels.

    Reference: Lin, Chen and Yan, "Network In Network", 2013, section 3.2.
    """
    _check(x)
    wide = jnp.promote_types(x.dtype, jnp.float32)
    return jnp.mean(x.astype(wide), axis=(1, 2), keepdims=keepdims).astype(x.dtype)


@recordable
def global_max_pool2d(x: jax.Array, *, keepdims: bool = False) -> jax.Array:
    """Maximum of all pixels, per channel.

    Of equal maxima the first (row by row) takes the whole gradient, as in `max_pool2d`. A NaN is
    the maximum.

    Args:
        x: `(N, H, W, C)`, a floating-point type.
        keepdims: whether the result keeps its axes of rows and columns, of size 1.

    Returns:
        `(N, C)`, or `(N, 1, 1, C)` with `keepdims`, the dtype of `x`.

    Raises:
        ValueError: `x` is not of that rank or type, or has no pixels.
    """
    _check(x)
    n, h, w, c = x.shape
    y = _largest(x.reshape(n, h * w, c))
    return y[:, None, None] if keepdims else y


@jax.custom_jvp
def _largest(pixels: jax.Array) -> jax.Array:
    """Maximum of the middle axis; the gradient of `jnp.max` is split among equal pixels."""
    return jnp.max(pixels, axis=1)


@_largest.defjvp
def _largest_jvp(
    primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[jax.Array, jax.Array]:
    (pixels,), (dx,) = primals, tangents
    y = _largest(pixels)
    position = lax.broadcasted_iota(jnp.int32, pixels.shape, 1)
    equal = (pixels == y[:, None]) | jnp.isnan(pixels)
    first = jnp.min(jnp.where(equal, position, pixels.shape[1]), axis=1, keepdims=True)
    return y, jnp.sum(jnp.where(position == first, dx, 0), axis=1)


def _check(x: jax.Array) -> None:
    check_rank("x", x, "N, H, W, C")
    check_floating("x", x)
    if 0 in x.shape[1:3]:
        raise ValueError(f"x: got shape {x.shape}; expected at least one row and one column")
