"""Turning, zooming, mirroring and moving images: one mapping for each, one interpolation."""

from typing import NamedTuple

import jax
import jax.numpy as jnp


class Pose(NamedTuple):
    """How each image of a batch comes to lie, `(B,)` each, applied in this order.

    Args:
        mirror_y: -1 where top and bottom change places, else 1.
        mirror_x: -1 where left and right change places, else 1.
        zoom: how many times as large, about the centre.
        angle: turned about the centre, in radians, from the y axis (down) to the x axis (right).
        shift_y: moved down, in pixels.
        shift_x: moved right, in pixels.
    """

    mirror_y: jax.Array
    mirror_x: jax.Array
    zoom: jax.Array
    angle: jax.Array
    shift_y: jax.Array
    shift_x: jax.Array


def warp(images: jax.Array, pose: Pose) -> jax.Array:
    """Every image in its pose, interpolated once, bilinearly.

    What lies outside an image is its mirror image in the edge ("d c b a | a b c d | d c b a", the
    edge row doubled). A pose that takes pixels to pixels copies them exactly.

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
        # Past the last pixel only where its weight is 0: any number will do there.
        return jnp.take(pixels, first + further, axis=0, mode="clip")

    # Both weights are written out: a + right * (b - a) would not give b exactly at right = 1.
    upper = neighbours(0) * (1 - right) + neighbours(1) * right
    lower = neighbours(width) * (1 - right) + neighbours(width + 1) * right
    return (upper * (1 - down) + lower * down).astype(images.dtype)


def _sources(pose: Pose, height: int, width: int) -> tuple[jax.Array, jax.Array]:
    """Where each pixel of the result comes from: y and x, `(B, H, W)`, in pixels."""
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
    """The pixel at or before each position of one axis, and how far the position is past it.

    Positions outside are first folded back in at the edges, at -1/2 and size - 1/2; there the
    image and its mirror image have the same pixel on both sides, so between a fold and the
    first pixel's centre nothing changes.
    """
    from_edge = position + 0.5
    inside = from_edge - 2 * size * jnp.floor(from_edge / (2 * size))
    folded = jnp.clip(jnp.minimum(inside, 2 * size - inside) - 0.5, 0, size - 1)
    pixel = jnp.clip(jnp.floor(folded), 0, max(size - 2, 0))
    return pixel.astype(jnp.int32), folded - pixel
