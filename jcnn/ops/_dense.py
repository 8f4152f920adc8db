"""Flatten and dense."""

import math

import jax
import jax.numpy as jnp

from jcnn.ops._bias import add_bias
from jcnn.ops._check import check_bias, check_floating, check_rank, check_same_dtype
from jcnn.ops._recordable import recordable
from jcnn.ops.conv.method import Precision


@recordable
def flatten(x: jax.Array) -> jax.Array:
    """Reshape each example to one row, in the order rows, columns, channels.

    Args:
        x: `(N, ...)`, any type; `(N, H, W, C)` puts pixel `(r, c)` of channel `k` at
            `(r * W + c) * C + k`.

    Returns:
        `(N, D)` with D the product of the other axes.

    Raises:
        ValueError: `x` has no axes.
    """
    if x.ndim < 1:
        raise ValueError(f"x: got shape {x.shape}; expected at least one axis (N, ...)")
    return x.reshape(x.shape[0], math.prod(x.shape[1:]))


@recordable
def dense(
    x: jax.Array,
    kernel: jax.Array,
    bias: jax.Array | None = None,
    *,
    precision: Precision = None,
) -> jax.Array:
    """Dense (fully connected) layer: `x @ kernel + bias`.

    Args:
        x: `(N, D)`, a floating-point type; images are flattened first.
        kernel: `(D, U)`, the dtype of `x`.
        bias: `(U,)`, the dtype of `x`.
        precision: as in `jax.numpy.matmul`.

    Returns:
        `(N, U)`, the dtype of `x`; 16-bit inputs are summed in 32 bits.

    Raises:
        ValueError: a shape or dtype does not fit; the message names the argument.
    """
    check_rank("x", x, "N, D")
    check_rank("kernel", kernel, "D, U")
    check_floating("x", x)
    check_same_dtype(x, kernel=kernel, bias=bias)
    check_bias(bias, kernel)
    if x.shape[1] != kernel.shape[0]:
        raise ValueError(
            f"kernel: got shape {kernel.shape} for x {x.shape}; "
            f"its first axis must be D = {x.shape[1]}"
        )
    y = jnp.matmul(
        x,
        kernel,
        precision=precision,
        preferred_element_type=jnp.promote_types(x.dtype, jnp.float32),
    ).astype(x.dtype)
    return add_bias(y, bias)
