"""From the data set on the device to the batches of an epoch, inside the compiled program."""

import jax
import jax.numpy as jnp
from jax import lax


def normalise(images: jax.typing.ArrayLike) -> jax.Array:
    """Pictures as a model takes them: uint8 0..255 to float32 0..1, any shape."""
    return jnp.asarray(images, jnp.float32) / 255


def epoch_order(key: jax.Array, examples: int) -> jax.Array:
    """The order `(N,)` int32 in which one epoch sees its examples."""
    return jax.random.permutation(key, examples)


def take_batch(
    images: jax.Array,
    labels: jax.Array,
    order: jax.Array,
    step: jax.Array | int,
    size: int,
    *,
    batch_size: int,
) -> tuple[jax.Array, jax.Array]:
    """The `size` examples of an epoch's batch number `step`.

    Args:
        images: `(N, H, W, C)` uint8, the whole data set.
        labels: `(N,)` int32.
        order: `(N,)`, from `epoch_order`.
        step: 0 for the first batch.
        size: examples in this batch; `batch_size`, or what remains for the last.
        batch_size: examples in every batch before it.

    Returns:
        `(size, H, W, C)` uint8 and `(size,)` int32.
    """
    rows = lax.dynamic_slice_in_dim(order, step * batch_size, size)
    return images[rows], labels[rows]
