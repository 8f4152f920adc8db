"""Arrays, gradients and learning rates that the tests of optimizers go through."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jcnn.config import TrainConfig
from jcnn.train.optimizers import optimizer

Array = np.ndarray[Any, Any]
Arrays = dict[str, Array]
UPDATES = 40
SHAPES = {"conv": (3, 2, 2, 5), "dense": (7, 3), "wide": (3, 8), "bias": (5,), "scale": ()}


def drawn(seed: int = 0) -> Arrays:
    """An array of each shape, of sizes that differ by array."""
    rng = np.random.default_rng(seed)
    return {
        name: (rng.normal(0, 0.3 + i, shape)).astype(np.float32)
        for i, (name, shape) in enumerate(SHAPES.items())
    }


def gradients(t: int) -> Arrays:
    """Those of update t = 1, 2, ...; every fifth is far smaller, and the first bias's stay 0."""
    arrays = drawn(1000 + t)
    for array in arrays.values():
        array *= np.float32(1e-3 if t % 5 == 0 else 1)
    arrays["bias"][0] = 0
    return arrays


def learning_rate(t: int) -> float:
    """It rises, falls, and stands still for no two updates."""
    return 0.02 * (1 + 0.5 * math.sin(t)) / (1 + t / 20)


def trained(config: TrainConfig, updates: int = UPDATES) -> Arrays:
    """The arrays after so many updates by jcnn, each compiled."""
    rule = optimizer(config)

    @jax.jit
    def step(params: Any, state: Any, g: Any, rate: jax.Array) -> tuple[Any, Any]:
        changes, state = rule.update(g, state, params, learning_rate=rate)
        return jax.tree.map(jnp.add, params, changes), state

    params: Any = jax.tree.map(jnp.asarray, drawn())
    state = rule.init(params)
    for t in range(1, updates + 1):
        params, state = step(params, state, gradients(t), jnp.float32(learning_rate(t)))
    return {name: np.asarray(array) for name, array in params.items()}
