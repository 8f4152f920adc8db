"""Rotates, zooms, flips and shifts images: one affine map and one interpolation each."""

from typing import NamedTuple

import jax
import jax.numpy as jnp


class Pose(NamedTuple):
    """The affine transform of each image of a batch, `(B,)` each, applied in this order.

    Args:
        mirror_y: -1 to flip vertically, else 1.
        mirror_x: -1 to flip horizontally, else 1.
        zoom: scale factor about the centre.
        angle: rotation about the centre, in radians, from the y axis (down) to the x axis (right).
        shift_y: shift down, in pixels.
        shift_x: shift right, in pixels.
    """

    mirror_y: jax.Array
    mirror_x: jax.Array
    zoom: jax.Array
    angle: jax.Array
    shift_y: jax.Array
    shift_x: jax.Array


def warp(images: jax.Array, pose: Pose) -> jax.Array:
    """Apply a pose to each image, with one bilinear interpolation.

    Outside its edges, an image continues as its reflection ("d c b a | a b c d | d c b a", with
    the edge row repeated). A pose that maps pixels to pixels copies them exactly.

    Args:
        images: `(B, H, W, C)` floats.
        pose: of each.

    Returns:
        `(B, H, W, C)` of the same dtype.
    """
    batch, height, width, channels = images.shape
    y, x = _sources(pose, height, width)
    row, down = _cell(y, height)
    column, right = _cell(x, width)
    down, right = down[..., None], right[..., None]
    pixels = images.reshape(-1, channels)
    first = (jnp.arange(batch)[:, None, None] * height + row) * width + column

    def neighbours(further: int) -> jax.Array:
        # The index exceeds the last pixel only where the weight is 0.
        return jnp.take(pixels, first + further, axis=0, mode="clip")

    # With both weights written out: a + right * (b - a) is not exactly b at right = 1.
    upper = neighbours(0) * (1 - right) + neighbours(1) * right
    lower = neighbours(width) * (1 - right) + neighbours(width + 1) * right
    return (upper * (1 - down) + lower * down).astype(images.dtype)


def _sources(pose: Pose, height: int, width: int) -> tuple[jax.Array, jax.Array]:
    """The source position of each output pixel: y and x, `(B, H, W)`, in pixels."""
    p = Pose(*(value[:, None, None] for value in pose))
    centre_y, centre_x = (height - 1) / 2, (width - 1) / 2
    y = jnp.arange(height)[:, None] - centre_y - p.shift_y
    x = jnp.arange(width) - centre_x - p.shift_x
    cosine, sine = jnp.cos(p.angle) / p.zoom, jnp.sin(p.angle) / p.zoom
    return (
        p.mirror_y * (cosine * y + sine * x) + centre_y,
        p.mirror_x * (cosine * x - sine * y) + centre_x,
    )


def _cell(position: jax.Array, size: int) -> tuple[jax.Array, jax.Array]:
    """The pixel at or before each position on one axis, and the distance from it.

    Positions outside are first reflected at the edges, -1/2 and size - 1/2. The image and its
    reflection have the same pixel on both sides of an edge, so the value is constant between the
    edge and the first pixel's centre.
    """
    from_edge = position + 0.5
    inside = from_edge - 2 * size * jnp.floor(from_edge / (2 * size))
    folded = jnp.clip(jnp.minimum(inside, 2 * size - inside) - 0.5, 0, size - 1)
    pixel = jnp.clip(jnp.floor(folded), 0, max(size - 2, 0))
    return pixel.astype(jnp.int32), folded - pixel
