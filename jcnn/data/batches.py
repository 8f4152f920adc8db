"""Batches of an epoch, taken from images on the device inside the compiled program."""

from collections.abc import Callable
from typing import NamedTuple
from zlib import crc32

import jax
import jax.numpy as jnp
from jax import lax


class Window(NamedTuple):
    """The images on the device for some or all steps of an epoch.

    Attributes:
        images: `(M, H, W, C)` uint8; `(S, B, H, W, C)` where a batch is split over devices.
        labels: `(M,)` int32, or `(M, K)` float32; likewise with a second axis.
        order: int32, the rows in the order of the steps; None for `(S, B, ...)`.
        first: the step of the epoch whose batch is at the start of `order`.
    """

    images: jax.Array
    labels: jax.Array
    order: jax.Array | None
    first: jax.Array | int


def normalise(images: jax.typing.ArrayLike) -> jax.Array:
    """Convert uint8 images 0..255 to a model's input, float32 0..1; any shape."""
    return jnp.asarray(images, jnp.float32) / 255


def shuffle_key(seed: jax.Array, epoch: jax.Array | int) -> jax.Array:
    """The key of an epoch's shuffle."""
    return jax.random.split(jax.random.fold_in(seed, epoch))[0]


def step_key(seeds: jax.Array, epoch: jax.Array | int) -> jax.Array:
    """The key of an epoch's steps, for one seed or an array of seeds."""

    def key(seed: jax.Array) -> jax.Array:
        return jax.random.split(jax.random.fold_in(seed, epoch))[1]

    return jax.vmap(key)(seeds) if seeds.ndim else key(seeds)


def augment_keys(key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The keys of `augment` and of `mix`, of the key of one step."""
    # No path in a model starts with "//": these keys differ from those of its random streams.
    one, other = jax.random.split(jax.random.fold_in(key, crc32(b"//augment")))
    return one, other


def epoch_order(key: jax.Array, examples: int) -> jax.Array:
    """The order of one epoch's examples, `(N,)` int32."""
    return jax.random.permutation(key, examples)


def _whole(rows: jax.Array) -> jax.Array:
    return rows


def take_batch(
    window: Window,
    step: jax.Array | int,
    size: int,
    *,
    batch_size: int,
    split: Callable[[jax.Array], jax.Array] = _whole,
) -> tuple[jax.Array, jax.Array]:
    """The batch of one step of an epoch.

    Args:
        window: holds at least the examples of this step.
        step: 0 for the first batch of the epoch.
        size: examples in this batch: `batch_size`, or fewer in the last batch.
        batch_size: examples in every earlier batch.
        split: splits the rows of a batch over devices.

    Returns:
        `(size, H, W, C)` uint8, and `(size,)` int32 or `(size, K)` float32.
    """
    if window.order is None:
        images, labels = (
            lax.dynamic_index_in_dim(x, step - window.first, keepdims=False)[:size]
            for x in (window.images, window.labels)
        )
        return images, labels
    start = (step - window.first) * batch_size
    rows = split(lax.dynamic_slice_in_dim(window.order, start, size))
    return window.images[rows], window.labels[rows]
