"""A training state with distinct numbers, for the tests of checkpoints."""

from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from jcnn.layers import BatchNormalization, Dense, Sequential
from jcnn.layers.model import split_model

# What JSON can hold: text of any kind, numbers that are no short decimals, nothing at all.
META: dict[str, Any] = {
    "history": [{"loss": 1 / 3, "val_loss": None, "seconds": 1e-30}],
    "position": {"epoch": 3, "step": 2**53 + 1},
    "name": "Ölfisch \n\x00\u2028",
}


def model_state(inputs: int = 500, seed: int = 0) -> dict[str, Any]:
    """Parameters, batch statistics and the Adam state after one step."""
    rngs = nnx.Rngs(seed)
    parts = split_model(Sequential([Dense(inputs, 4, rngs=rngs), BatchNormalization(4, rngs=rngs)]))
    random = np.random.default_rng(seed)
    params, rest = jax.tree.map(
        lambda a: jnp.asarray(random.standard_normal(a.shape), a.dtype), (parts.params, parts.rest)
    )
    adam = optax.adam(1e-3)
    _, moments = adam.update(params, adam.init(params), params)
    return {"params": params, "rest": rest, "optimizer": moments}


def assert_same_bits(a: Any, b: Any) -> None:
    """Compare two trees: structure, dtypes and every number."""
    chex.assert_trees_all_equal_structs(a, b)
    for one, other in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
