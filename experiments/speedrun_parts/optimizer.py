"""The optimizer of a speedrun: Muon for convolution kernels, SGD for the rest."""

import math
from collections.abc import Hashable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from experiments.speedrun_parts.settings import Settings


def optimizer(settings: Settings, steps: int, whitening_steps: int) -> optax.GradientTransformation:
    """Muon for convolution kernels, SGD with Nesterov momentum and decoupled decay for the rest.

    The learning rate rises linearly from a fifth until the share `peak` of the steps, then falls to
    zero. That of the whitening layer's bias also falls to zero within `whitening_steps`.

    Reference: Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024.
    """
    top = settings.peak * steps

    def cycle(count: Any) -> jax.Array:
        rise = 0.2 + 0.8 * (count + 1) / max(top, 1)
        return jnp.clip(jnp.minimum(rise, (steps - count) / max(steps - top, 1)), 0, 1)

    def early(count: Any) -> jax.Array:
        return cycle(count) * jnp.clip(1 - count / whitening_steps, 0, 1)

    def sgd(rate: float, schedule: optax.Schedule) -> optax.GradientTransformation:
        return optax.chain(
            optax.trace(0.85, nesterov=True),
            optax.scale(rate),
            optax.add_decayed_weights(settings.decay),
            optax.scale_by_schedule(schedule),
            optax.scale(-1),
        )

    matrix = optax.contrib.MuonDimensionNumbers((0, 1, 2), 3)
    muon = optax.chain(
        optax.contrib.scale_by_muon(
            ns_steps=3,
            beta=0.6,
            weight_dimension_numbers=lambda kernels: jax.tree.map(lambda _: matrix, kernels),
        ),
        optax.scale(settings.kernel_rate),
        optax.scale_by_schedule(cycle),
        optax.scale(-1),
    )
    kinds: dict[Hashable, optax.GradientTransformation] = {
        "kernel": muon,
        "head": sgd(settings.head_rate, cycle),
        "bias": sgd(settings.bias_rate, cycle),
        "whitening": sgd(settings.bias_rate, early),
    }
    return optax.partition(kinds, lambda params: jax.tree.map_with_path(_kind, params))


def _kind(path: tuple[Any, ...], leaf: jax.Array) -> str:
    if "whitening_bias" in jax.tree_util.keystr(path):
        return "whitening"
    return {1: "bias", 2: "head", 4: "kernel"}[leaf.ndim]


def unit_scale(params: Any) -> Any:
    """Give each filter of the kernels norm 1 on average; batch normalisation undoes the scale."""

    def scaled(leaf: jax.Array) -> jax.Array:
        if leaf.ndim != 4:
            return leaf
        return leaf * (math.sqrt(leaf.shape[3]) * jax.lax.rsqrt(jnp.sum(leaf * leaf)))

    return jax.tree.map(scaled, params)
