"""Learning rate schedules."""

import math
from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp

from jcnn.config import TrainConfig

# The share of one_cycle's updates in which the factor rises, and the factor it starts from.
ONE_CYCLE_RISE, ONE_CYCLE_START = 0.3, 1 / 25

LAST_COUNT = 2**31 - 1


def learning_rate_factor(
    config: TrainConfig, updates_per_epoch: float
) -> Callable[[jax.Array], jax.Array]:
    """The factor of the learning rate at each update.

    The warm-up comes first: W = warmup_epochs * updates_per_epoch updates, in which the factor is
    count / W. Then the schedule starts. Below, c is the number of updates since the warm-up, e the
    number of epochs since the warm-up, and C the total number of updates after the warm-up.

    - constant: 1.
    - cosine: (1 + cos(pi c / C)) / 2, 1 at first and 0 after the last update
      (Loshchilov and Hutter 2017; Keras's `CosineDecay`, its warm-up included).
    - one_cycle: half a cosine from 1/25 up to 1 at c = 0.3 C, half a cosine from there to 0 after
      the last update (Smith and Topin 2018, as in fastai, but with constant momentum). It starts
      with a rise and allows no warm-up.
    - exponential: decay_rate ** (e / decay_epochs) (Keras's `ExponentialDecay`).
    - piecewise: decay_rate ** (number of passed boundaries in decay_epochs). As in Keras's
      `PiecewiseConstantDecay`, the first update at a boundary still has the factor before it.

    Args:
        config: its `schedule`, `epochs`, `warmup_epochs`, `decay_rate` and `decay_epochs`.
        updates_per_epoch: steps per epoch divided by accumulate_steps. It may be fractional:
            gradients are accumulated across the end of an epoch.

    Returns:
        A function of the number of updates so far, int32, 0 at the first update, to float32 of
        the same shape. Boundaries are compared as int32, so they are exact at any count.
    """

    def updates(epochs: float) -> int:
        return min(round(epochs * updates_per_epoch), LAST_COUNT)

    warmup = updates(config.warmup_epochs)
    length = max(config.epochs * updates_per_epoch - warmup, 1)
    rate = config.decay_rate

    def cosine(c: jax.Array) -> jax.Array:
        return _fall(_share(c, length))

    def one_cycle(c: jax.Array) -> jax.Array:
        done = _share(c, length)
        rising = 1 - (1 - ONE_CYCLE_START) * _fall(done / ONE_CYCLE_RISE)
        falling = _fall((done - ONE_CYCLE_RISE) / (1 - ONE_CYCLE_RISE))
        return jnp.where(done < ONE_CYCLE_RISE, rising, falling)

    def exponential(c: jax.Array) -> jax.Array:
        return jnp.power(rate, _share(c, config.decay_epochs[0] * updates_per_epoch))

    def piecewise(c: jax.Array) -> jax.Array:
        boundaries = jnp.asarray([updates(epochs) for epochs in config.decay_epochs], jnp.int32)
        factors = jnp.asarray([rate**k for k in range(len(boundaries) + 1)], jnp.float32)
        return factors[jnp.sum(c[..., None] > boundaries, axis=-1)]

    shapes = {
        "constant": lambda c: jnp.ones_like(c, jnp.float32),
        "cosine": cosine,
        "one_cycle": one_cycle,
        "exponential": exponential,
        "piecewise": piecewise,
    }
    schedule: Callable[[jax.Array], jax.Array] = shapes[config.schedule]

    def factor(count: jax.Array) -> jax.Array:
        chex.assert_type(count, jnp.int32)
        rising = _share(count, max(warmup, 1))
        return jnp.where(count < warmup, rising, schedule(jnp.maximum(count - warmup, 0)))

    return factor


def _share(count: jax.Array, whole: float) -> jax.Array:
    return count.astype(jnp.float32) / float(whole)


def _fall(x: jax.Array) -> jax.Array:
    """Half a cosine, from 1 at x = 0 to 0 at x = 1, and flat on both sides."""
    return (1 + jnp.cos(math.pi * jnp.clip(x, 0, 1))) / 2
