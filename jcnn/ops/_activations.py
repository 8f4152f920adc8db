"""Activations made of pieces: lines, and exponentials below zero.

16-bit inputs are computed in float32 and rounded once. At a corner the gradient is that of one
piece, which the function's documentation names; `jnp.clip` would take the mean of both.
"""

import jax
import jax.numpy as jnp
from jax import lax

from jcnn.ops._check import check_floating
from jcnn.ops._recordable import recordable
from jcnn.ops._wide import in_32_bits

# Klambauer, Unterthiner, Mayr and Hochreiter, "Self-Normalizing Neural Networks", 2017, eq. 14.
_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


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
    return _relu(x)


@jax.custom_jvp
def _relu(x: jax.Array) -> jax.Array:
    return jnp.maximum(x, 0)


@_relu.defjvp
def _relu_derivative(at: tuple[jax.Array], along: tuple[jax.Array]) -> tuple[jax.Array, jax.Array]:
    # By the result, not by `x`: then only the result is kept for the gradient, and on a GPU ReLU
    # is done inside of the convolution before it. (XLA would turn `y > 0` into `x > 0`.)
    y = _relu(at[0])
    return y, jnp.where(y == 0, jnp.zeros_like(along[0]), along[0])


@recordable
def relu6(x: jax.Array) -> jax.Array:
    """Rectified linear unit with a ceiling, `min(max(x, 0), 6)`; its gradient at 0 and 6 is 0.

    Args:
        x: any shape, a floating-point type.

    Returns:
        The shape and dtype of `x`, between 0 and 6.

    Raises:
        ValueError: `x` is not of a floating-point type.

    Reference: Howard et al., "MobileNets", 2017.
    """
    check_floating("x", x)
    return _clamp(0, x, 6)


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
    return in_32_bits(lambda x: jnp.where(x > 0, x, x * jnp.asarray(slope, x.dtype)), x)


@recordable
def elu(x: jax.Array, alpha: float = 1.0) -> jax.Array:
    """Exponential linear unit: `x` where positive, `alpha * (exp(x) - 1)` elsewhere.

    Its gradient at 0 is `alpha`.

    Args:
        x: any shape, a floating-point type.
        alpha: the result goes to `-alpha` for large negative inputs.

    Returns:
        The shape and dtype of `x`.

    Raises:
        ValueError: `x` is not of a floating-point type.

    Reference: Clevert, Unterthiner and Hochreiter, "Exponential Linear Units", 2015.
    """
    check_floating("x", x)
    return in_32_bits(lambda x: _elu(x, 1.0, alpha), x)


@recordable
def selu(x: jax.Array) -> jax.Array:
    """Scaled exponential linear unit: `elu` with two constants that keep mean 0 and variance 1.

    Its gradient at 0 is that of its lower piece, 1.7581.

    Args:
        x: any shape, a floating-point type.

    Returns:
        The shape and dtype of `x`: `1.0507 * x` where positive, else `1.7581 * (exp(x) - 1)`.

    Raises:
        ValueError: `x` is not of a floating-point type.

    Reference: Klambauer et al., "Self-Normalizing Neural Networks", 2017.
    """
    check_floating("x", x)
    return in_32_bits(lambda x: _elu(x, _SELU_SCALE, _SELU_SCALE * _SELU_ALPHA), x)


@recordable
def hard_sigmoid(x: jax.Array) -> jax.Array:
    """Piecewise linear sigmoid, `relu6(x + 3) / 6`; its gradient at -3 and 3 is 0.

    Args:
        x: any shape, a floating-point type.

    Returns:
        The shape and dtype of `x`, between 0 and 1.

    Raises:
        ValueError: `x` is not of a floating-point type.

    Reference: Howard et al., "Searching for MobileNetV3", 2019.
    """
    check_floating("x", x)
    return in_32_bits(lambda x: (_clamp(-3, x, 3) + 3) / 6, x)


@recordable
def hard_swish(x: jax.Array) -> jax.Array:
    """`x * hard_sigmoid(x)`, an approximation of `silu`; Keras calls it `hard_silu`, too.

    Its gradient is 0 at -3 and 1 at 3.

    Args:
        x: any shape, a floating-point type.

    Returns:
        The shape and dtype of `x`.

    Raises:
        ValueError: `x` is not of a floating-point type.

    Reference: Howard et al., "Searching for MobileNetV3", 2019.
    """
    check_floating("x", x)
    return in_32_bits(_hard_swish, x)


# --- computed in at least 32 bits -----------------------------------------------------------------


def _clamp(low: float, x: jax.Array, high: float) -> jax.Array:
    """`x` between bounds, where its gradient is 0; `jnp.clip` splits the gradient there."""
    return lax.clamp(jnp.asarray(low, x.dtype), x, jnp.asarray(high, x.dtype))


def _elu(x: jax.Array, scale: float, alpha: float) -> jax.Array:
    # Positive numbers are kept out of the exponential: its infinities would spoil the gradient.
    below = jnp.where(x > 0, 0, x)
    return jnp.where(
        x > 0, x * jnp.asarray(scale, x.dtype), jnp.asarray(alpha, x.dtype) * _expm1(below)
    )


@jax.custom_jvp
def _expm1(x: jax.Array) -> jax.Array:
    return lax.expm1(x)


# JAX's own derivative is `expm1(x) + 1`, which cancels where exp(x) is small.
_expm1.defjvps(lambda dx, y, x: dx * jnp.exp(x))


def _hard_swish(x: jax.Array) -> jax.Array:
    inner = _clamp(-3, x, 3)
    return jnp.where(x >= 3, x, inner * ((inner + 3) / 6))
