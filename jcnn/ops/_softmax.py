"""Softmax, and the cross-entropy of logits, computed in at least 32 bits."""

import jax
import jax.numpy as jnp
from jax import lax

from jcnn.ops._check import check_floating
from jcnn.ops._recordable import recordable


@recordable
def softmax(logits: jax.Array) -> jax.Array:
    """Probabilities `exp(z) / sum(exp(z))` over the last axis.

    The largest logit is subtracted first, which keeps `exp` in range.

    Args:
        logits: `(..., K)`, a floating-point type.

    Returns:
        `(..., K)`, the dtype of `logits`; each row adds to 1.

    Raises:
        ValueError: `logits` has no axis, or is not of a floating-point type.
    """
    shifted = _shifted(logits)
    powers = jnp.exp(shifted)
    return (powers / jnp.sum(powers, axis=-1, keepdims=True)).astype(logits.dtype)


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Cross-entropy of each row of logits with its label: `-log softmax(logits)[label]`.

    Computed from the logits, never from probabilities that may have been rounded to zero.

    Args:
        logits: `(..., K)`, a floating-point type.
        labels: `(...)` class indices of an integer type, in 0..K-1 (others give a NaN loss);
            or `(..., K)` probabilities (one-hot, smoothed) of a floating-point type.

    Returns:
        `(...)` losses in nats, the dtype of `logits`.

    Raises:
        ValueError: the shape or dtype of `labels` does not fit `logits`.
    """
    log_probabilities = _log_softmax(logits)
    if jnp.issubdtype(labels.dtype, jnp.integer):
        if labels.shape != logits.shape[:-1]:
            raise ValueError(
                f"labels: got shape {labels.shape} for logits {logits.shape}; "
                f"class numbers must have shape {logits.shape[:-1]}"
            )
        # A comparison, not an index: its gradient is no scatter, and fuses with the softmax.
        classes = jnp.arange(logits.shape[-1])
        is_label = labels[..., None] == classes
        picked = jnp.sum(jnp.where(is_label, log_probabilities, 0), axis=-1)
        is_class = (labels >= 0) & (labels < len(classes))
        return -jnp.where(is_class, picked, jnp.nan).astype(logits.dtype)
    check_floating("labels", labels)
    if labels.shape != logits.shape:
        raise ValueError(
            f"labels: got shape {labels.shape} for logits {logits.shape}; "
            "probabilities must have the shape of the logits"
        )
    losses = -jnp.sum(labels.astype(log_probabilities.dtype) * log_probabilities, axis=-1)
    return losses.astype(logits.dtype)


def _log_softmax(logits: jax.Array) -> jax.Array:
    """Log-softmax, computed in at least 32 bits."""
    shifted = _shifted(logits)
    return shifted - jnp.log(jnp.sum(jnp.exp(shifted), axis=-1, keepdims=True))


def _shifted(logits: jax.Array) -> jax.Array:
    """Logits minus the largest of their row, in at least 32 bits."""
    check_floating("logits", logits)
    if logits.ndim < 1:
        raise ValueError(f"logits: got shape {logits.shape}; expected at least one axis (..., K)")
    wide = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
    # `initial` is the maximum if there are no classes.
    largest = jnp.max(wide, axis=-1, keepdims=True, initial=-jnp.inf)
    return wide - lax.stop_gradient(largest)
