"""From images on the device to the batches of an epoch, inside the compiled program."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax


class Window(NamedTuple):
    """The images on the device from which some or all steps of an epoch take their batches.

    Attributes:
        images: `(W, H, W, C)` uint8.
        labels: `(W,)` int32.
        order: int32, the rows in the order in which the steps see them.
        first: number of the epoch's step whose batch `order` begins with.
    """

    images: jax.Array
    labels: jax.Array
    order: jax.Array
    first: jax.Array | int


def normalise(images: jax.typing.ArrayLike) -> jax.Array:
    """Images as a model takes them: uint8 0..255 to float32 0..1, any shape."""
    return jnp.asarray(images, jnp.float32) / 255


def shuffle_key(seed: jax.Array, epoch: jax.Array | int) -> jax.Array:
    """The key of an epoch's order."""
    return jax.random.split(jax.random.fold_in(seed, epoch))[0]


def step_key(seeds: jax.Array, epoch: int) -> jax.Array:
    """The key of an epoch's steps, for one seed or for each of an array of them."""

    def key(seed: jax.Array) -> jax.Array:
        return jax.random.split(jax.random.fold_in(seed, epoch))[1]

    return jax.vmap(key)(seeds) if seeds.ndim else key(seeds)


def epoch_order(key: jax.Array, examples: int) -> jax.Array:
    """The order `(N,)` int32 in which one epoch sees its examples."""
    return jax.random.permutation(key, examples)


def take_batch(
    window: Window, step: jax.Array | int, size: int, *, batch_size: int
) -> tuple[jax.Array, jax.Array]:
    """The `size` examples of an epoch's batch number `step`.

    Args:
        window: it holds at least the examples of this step.
        step: 0 for the first batch of the epoch.
        size: examples in this batch; `batch_size`, or what remains for the last.
        batch_size: examples in every batch before it.

    Returns:
        `(size, H, W, C)` uint8 and `(size,)` int32.
    """
    start = (step - window.first) * batch_size
    rows = lax.dynamic_slice_in_dim(window.order, start, size)
    return window.images[rows], window.labels[rows]
