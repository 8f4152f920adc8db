"""Keras's activations and their gradients, by name and with its defaults."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcnn import ops

pytestmark = pytest.mark.slow

# Each with Keras's name.
NAMES = {
    "relu": "relu",
    "relu6": "relu6",
    "leaky_relu": "leaky_relu",
    "elu": "elu",
    "selu": "selu",
    "hard_sigmoid": "hard_sigmoid",
    "hard_swish": "hard_silu",
    "silu": "swish",
    "mish": "mish",
    "softplus": "softplus",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
}


@pytest.mark.parametrize("name", NAMES)
def test_the_same_numbers(keras: Any, name: str) -> None:
    theirs = keras.activations.get(NAMES[name])
    ours = getattr(ops, name)
    # No corner is among them, where Keras splits some gradients.
    x = jnp.asarray(np.random.default_rng(0).normal(0, 4, 500), jnp.float32)
    np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-5, atol=1e-6)
    slope, want = (jax.vmap(jax.grad(function))(x) for function in (ours, theirs))
    np.testing.assert_allclose(slope, want, rtol=1e-4, atol=2e-6)
