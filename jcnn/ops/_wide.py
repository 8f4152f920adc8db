"""Computing 16-bit numbers in float32."""

from collections.abc import Callable

import jax
import jax.numpy as jnp


def in_32_bits(function: Callable[[jax.Array], jax.Array], x: jax.Array) -> jax.Array:
    """`function(x)`, computed in at least 32 bits and rounded once to the dtype of `x`."""
    return function(x.astype(jnp.promote_types(x.dtype, jnp.float32))).astype(x.dtype)
