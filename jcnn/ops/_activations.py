"""Activations, softmax and the cross-entropy of logits."""

import math

import jax
import jax.numpy as jnp
from jax import lax

from jcnn.ops._check import check_floating


def relu(x: jax.Array) -> jax.Array:
    """Rectified linear unit, `max(x, 0)`; its gradient at 0 is 0.

    Args:
        x: any shape, a floating-point type.

    Returns:
        The shape and dtype of `x`.

    Raises:
        ValueError: `x` is not of a floating-point type.
    """
    check_floating("x", x)
    return jax.nn.relu(x)


def leaky_relu(x: jax.Array, slope: float = 0.2) -> jax.Array:
    """`x` where positive, `slope * x` elsewhere; slope 0.2 is Keras's for the activation.

    Args:
        x: any shape, a floating-point type.
        slope: of the negative side.

    Returns:
        The shape and dtype of `x`.

    Raises:
        ValueError: `x` is not of a floating-point type.
    """
    check_floating("x", x)
    return jnp.where(x > 0, x, x * jnp.asarray(slope, x.dtype))


def gelu(x: jax.Array) -> jax.Array:
    """Gaussian error linear unit in its exact form, `x * Phi(x)`, as Keras computes it.

    Args:
        x: any shape, a floating-point type.

    Returns:
        The shape and dtype of `x`.

    Raises:
        ValueError: `x` is not of a floating-point type.

    Reference: Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016.
    """
    check_floating("x", x)
    return x * (lax.erf(x / math.sqrt(2)) + 1) / 2


def sigmoid(x: jax.Array) -> jax.Array:
    """Logistic function, `1 / (1 + exp(-x))`.

    Args:
        x: any shape, a floating-point type.

    Returns:
        The shape and dtype of `x`, between 0 and 1.

    Raises:
        ValueError: `x` is not of a floating-point type.
    """
    check_floating("x", x)
    return lax.logistic(x)


def tanh(x: jax.Array) -> jax.Array:
    """Hyperbolic tangent.

    Args:
        x: any shape, a floating-point type.

    Returns:
        The shape and dtype of `x`, between -1 and 1.

    Raises:
        ValueError: `x` is not of a floating-point type.
    """
    check_floating("x", x)
    return lax.tanh(x)


def softmax(logits: jax.Array) -> jax.Array:
    """Probabilities `exp(z) / sum(exp(z))` over the last axis.

    The largest logit is subtracted first, which changes nothing but keeps `exp` in range.

    Args:
        logits: `(..., K)`, a floating-point type.

    Returns:
        `(..., K)`, the dtype of `logits`; each row adds to 1.

    Raises:
        ValueError: `logits` has no axis, or is not of a floating-point type.
    """
    return jnp.exp(_log_softmax(logits))


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Cross-entropy of each row of logits with its label: `-log softmax(logits)[label]`.

    Computed from the logits, never from probabilities that may have been rounded to zero.

    Args:
        logits: `(..., K)`, a floating-point type.
        labels: `(...)` class numbers of an integer type, in 0..K-1 (the loss of another is NaN);
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
        picked = jnp.take_along_axis(
            log_probabilities, labels[..., None], axis=-1, mode="fill", fill_value=jnp.nan
        )[..., 0]
        # A negative number would count from the end, as an index does: it is no class either.
        return -jnp.where(labels < 0, jnp.nan, picked)
    check_floating("labels", labels)
    if labels.shape != logits.shape:
        raise ValueError(
            f"labels: got shape {labels.shape} for logits {logits.shape}; "
            "probabilities must have the shape of the logits"
        )
    return -jnp.sum(labels.astype(logits.dtype) * log_probabilities, axis=-1)


def _log_softmax(logits: jax.Array) -> jax.Array:
    check_floating("logits", logits)
    if logits.ndim < 1:
        raise ValueError(f"logits: got shape {logits.shape}; expected at least one axis (..., K)")
    shifted = logits - lax.stop_gradient(jnp.max(logits, axis=-1, keepdims=True))
    return shifted - jnp.log(jnp.sum(jnp.exp(shifted), axis=-1, keepdims=True))
