"""Running totals of an epoch: each example counts once, whatever its batch's size."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Totals(NamedTuple):
    """Sums over the examples seen so far: of the loss, float32, and of the correct, int32."""

    loss: jax.Array
    correct: jax.Array


def zero_totals(shape: tuple[int, ...] = ()) -> Totals:
    """Nothing seen yet; of several models with `shape` `(M,)`."""
    # Brought to the device, not made there: that would compile two programs.
    return Totals(*jax.device_put((np.zeros(shape, np.float32), np.zeros(shape, np.int32))))


def correct(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """How many rows of `logits (N, K)` are largest at their label `(N,)`; int32."""
    return jnp.sum(jnp.argmax(logits, axis=-1) == labels, dtype=jnp.int32)
