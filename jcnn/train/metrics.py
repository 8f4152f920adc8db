"""Running totals of an epoch: each example counts once, for any batch size."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Totals(NamedTuple):
    """Sums over the examples so far: the loss, float32, and the correct predictions, int32."""

    loss: jax.Array
    correct: jax.Array


def zero_totals(shape: tuple[int, ...] = ()) -> Totals:
    """Totals of no example; `shape` is `(M,)` for a population."""
    # Copied to the device: `jnp.zeros` would compile two programs.
    return Totals(*jax.device_put((np.zeros(shape, np.float32), np.zeros(shape, np.int32))))


def correct(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Number of rows of `logits (N, K)` whose largest value is at the label `(N,)`; int32."""
    return jnp.sum(jnp.argmax(logits, axis=-1) == labels, dtype=jnp.int32)
