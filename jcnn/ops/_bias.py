"""The bias of convolution and dense: one number for each output channel."""

import jax
import jax.numpy as jnp


def add_bias(y: jax.Array, bias: jax.Array | None) -> jax.Array:
    """Add `bias (O,)` to the last axis of `y`, in the dtype of `y`.

    The gradient of the bias is summed over all examples and positions in at least 32 bits: in
    bfloat16 that sum stops growing at a few hundred terms. The addition is in `y`'s dtype, since
    only then does XLA fuse it, and a ReLU after it, into cuDNN's convolution.
    """
    if bias is None:
        return y
    wide = bias.astype(jnp.promote_types(y.dtype, jnp.float32))
    return y + jnp.broadcast_to(wide, y.shape).astype(y.dtype)
