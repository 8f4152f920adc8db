"""Activations, softmax and the cross-entropy of logits.

16-bit inputs are computed in float32 and rounded once. Where a textbook formula subtracts nearly
equal numbers in a tail (`1 + erf`, `s * (1 - s)`, `1 - tanh^2`), another formula is used, so that
values and gradients keep their relative precision down to the smallest normal number.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from jcnn.ops._check import check_floating
from jcnn.ops._recordable import recordable


@recordable
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


@recordable
def leaky_relu(x: jax.Array, slope: float = 0.2) -> jax.Array:
    """`x` where positive, `slope * x` elsewhere; the default slope is that of Keras's activation.

    Args:
        x: any shape, a floating-point type.
        slope: slope for negative inputs.

    Returns:
        The shape and dtype of `x`.

    Raises:
        ValueError: `x` is not of a floating-point type.
    """
    check_floating("x", x)
    return _in_32_bits(lambda x: jnp.where(x > 0, x, x * jnp.asarray(slope, x.dtype)), x)


@recordable
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
    return _in_32_bits(_gelu, x)


@recordable
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
    return _in_32_bits(_sigmoid, x)


@recordable
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
    return _in_32_bits(_tanh, x)


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
        if logits.shape[-1] == 0:
            return jnp.full(labels.shape, jnp.nan, logits.dtype)
        picked = jnp.take_along_axis(
            log_probabilities, labels[..., None], axis=-1, mode="fill", fill_value=jnp.nan
        )[..., 0]
        # A negative index would count from the end, but is no class.
        return -jnp.where(labels < 0, jnp.nan, picked).astype(logits.dtype)
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


# --- computed in at least 32 bits -----------------------------------------------------------------


def _in_32_bits(function: Callable[[jax.Array], jax.Array], x: jax.Array) -> jax.Array:
    return function(x.astype(jnp.promote_types(x.dtype, jnp.float32))).astype(x.dtype)


def _gelu(x: jax.Array) -> jax.Array:
    # 1 + erf(z) = erfc(-z), which has no cancellation. Beyond 50 Phi is 0 or 1 in every dtype;
    # without the bounds an infinity would be multiplied by zero.
    within = lax.clamp(jnp.asarray(-50, x.dtype), x, jnp.asarray(50, x.dtype))
    return jnp.maximum(x, -50) / 2 * lax.erfc(within * -math.sqrt(0.5))


@jax.custom_jvp
def _sigmoid(x: jax.Array) -> jax.Array:
    return lax.logistic(x)


@jax.custom_jvp
def _tanh(x: jax.Array) -> jax.Array:
    return lax.tanh(x)


@jax.custom_jvp
def _bell(x: jax.Array) -> jax.Array:
    """The derivative of the sigmoid: `s(x) s(-x) = exp(-|x|) / (1 + exp(-|x|))^2`."""
    power = jnp.exp(-jnp.abs(x))
    return power / (1 + power) ** 2


_sigmoid.defjvps(lambda dx, y, x: dx * _bell(x))
_tanh.defjvps(lambda dx, y, x: dx * 4 * _bell(2 * x))
_bell.defjvps(lambda dx, y, x: -dx * y * _tanh(x / 2))
