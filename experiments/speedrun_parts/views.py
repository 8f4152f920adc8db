"""Views of images: mirrored and shifted, for training and for test-time augmentation."""

import jax
import jax.numpy as jnp


def moved(images: jax.Array, rows: jax.Array, mirrored: jax.Array, shift: jax.Array) -> jax.Array:
    """Select images, mirror some of them, then shift them over their reflection.

    Args:
        images: `(N, H, W, C)`.
        rows: `(B,)` int32, which images.
        mirrored: `(B,)` bool, whether the columns are reversed.
        shift: `(B, 2)` int32; pixel `(y, x)` of the result is pixel `(y + shift[0], x + shift[1])`.

    Returns:
        `(B, H, W, C)`, the dtype of `images`.
    """
    _, height, width, _ = images.shape
    y = _reflected(jnp.arange(height) + shift[:, :1], height)
    x = _reflected(jnp.arange(width) + shift[:, 1:], width)
    x = jnp.where(mirrored[:, None], width - 1 - x, x)
    return images[rows[:, None, None], y[:, :, None], x[:, None, :]]


def _reflected(position: jax.Array, size: int) -> jax.Array:
    inside = jnp.abs(position)
    return jnp.where(inside >= size, 2 * (size - 1) - inside, inside)


def mirrored_in(epoch: jax.Array, first: jax.Array) -> jax.Array:
    """Whether images are mirrored in an epoch: `first` in epoch 0, then alternating."""
    return (epoch + first) % 2 == 1
