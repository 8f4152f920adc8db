"""The bias of convolution and dense: one number for each output channel."""

import jax
import jax.numpy as jnp


def add_bias(y: jax.Array, bias: jax.Array | None) -> jax.Array:
    """Add `bias (O,)` to the last axis of `y`, in at least 32 bits, and return `y`'s dtype.

    The width matters for the gradient, which sums over all examples and positions: in bfloat16
    that sum stops growing at a few hundred terms.
    """
    if bias is None:
        return y
    wide = jnp.promote_types(y.dtype, jnp.float32)
    return (y.astype(wide) + bias.astype(wide)).astype(y.dtype)
