"""Argument types and initializers of the layers."""

from collections.abc import Callable

import jax

Function = Callable[[jax.Array], jax.Array]
Initializer = Callable[..., jax.Array]
Layer = Callable[[jax.Array], jax.Array]

# Fan in and fan out count the kernel's height times width, as in Keras.
glorot_uniform: Initializer = jax.nn.initializers.glorot_uniform()
he_normal: Initializer = jax.nn.initializers.he_normal()
he_uniform: Initializer = jax.nn.initializers.he_uniform()
