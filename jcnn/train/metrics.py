"""Running totals of an epoch: each example counts once, for any batch size."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Totals(NamedTuple):
    """Sums over the examples so far.

    Attributes:
        loss: float32.
        correct: the correct predictions, int32; 0 for labels `(N, K)`.
        metrics: float32 by name; () without metrics.
    """

    loss: jax.Array
    correct: jax.Array
    metrics: Any = ()


def zero_totals(
    shape: tuple[int, ...] = (),
    metrics: Sequence[str] = (),
    place: Callable[[Any], Any] = jax.device_put,
) -> Totals:
    """Totals of no example; `shape` is `(M,)` for a population, `place` copies to the devices."""
    # Copied to the device: `jnp.zeros` would compile two programs.
    named = {name: np.zeros(shape, np.float32) for name in metrics}
    totals = (np.zeros(shape, np.float32), np.zeros(shape, np.int32), named or ())
    return Totals(*place(totals))


def correct(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Number of rows of `logits (N, K)` whose largest value is at the label `(N,)`; int32."""
    return jnp.sum(jnp.argmax(logits, axis=-1) == labels, dtype=jnp.int32)
