"""Schedules: how the learning rate goes on while a training does."""

import math
from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp

from jcnn.config import TrainConfig

# The share of one_cycle's updates in which it rises, and the factor that it rises from.
ONE_CYCLE_RISE, ONE_CYCLE_START = 0.3, 1 / 25

LAST_COUNT = 2**31 - 1


def learning_rate_factor(
    config: TrainConfig, updates_per_epoch: float
) -> Callable[[jax.Array], jax.Array]:
    """What the settings' learning rate is multiplied by at each update.

    The warm-up comes first: W = warmup_epochs * updates_per_epoch updates, in which the factor is
    count / W. Then the schedule begins as if training did: below, c is the count since the
    warm-up, e the epochs since then, and C the number of all updates without the warm-up.

    - constant: 1.
    - cosine: (1 + cos(pi c / C)) / 2, 1 at first and 0 after the last update
      (Loshchilov and Hutter 2017; Keras's `CosineDecay`, its warm-up included).
    - one_cycle: half a cosine from 1/25 up to 1 at c = 0.3 C, half a cosine from there to 0 after
      the last update (Smith and Topin 2018, in the form of fastai; the momentum stays as it is).
      It rises by itself and takes no warm-up.
    - exponential: decay_rate ** (e / decay_epochs) (Keras's `ExponentialDecay`).
    - piecewise: decay_rate ** (how many of decay_epochs are behind). As in Keras's
      `PiecewiseConstantDecay` the first update after a boundary still belongs to the time before.

    Args:
        config: of it `schedule`, `epochs`, `warmup_epochs`, `decay_rate` and `decay_epochs`.
        updates_per_epoch: the steps of an epoch, divided by accumulate_steps. It need not be
            whole: gradients are gathered on over an epoch's end.

    Returns:
        A function of the count of updates made so far, int32, 0 at the first; to float32 of the
        same shape. No two counts are taken for one where a warm-up ends or a piece begins,
        however long the training.
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
