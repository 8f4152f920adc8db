"""Smooth activations, accurate in their tails.

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
from jcnn.ops._wide import in_32_bits


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
    return in_32_bits(_gelu, x)


@recordable
def silu(x: jax.Array) -> jax.Array:
    """Sigmoid-weighted linear unit, `x * sigmoid(x)`; Keras calls it `swish`, too.

    Args:
        x: any shape, a floating-point type.

    Returns:
        The shape and dtype of `x`.

    Raises:
        ValueError: `x` is not of a floating-point type.

    Reference: Elfwing, Uchibe and Doya, "Sigmoid-Weighted Linear Units", 2017.
    """
    check_floating("x", x)
    return in_32_bits(lambda x: _gated(x, _sigmoid), x)


@recordable
def mish(x: jax.Array) -> jax.Array:
    """`x * tanh(softplus(x))`.

    Args:
        x: any shape, a floating-point type.

    Returns:
        The shape and dtype of `x`.

    Raises:
        ValueError: `x` is not of a floating-point type.

    Reference: Misra, "Mish: A Self Regularized Non-Monotonic Activation Function", 2019.
    """
    check_floating("x", x)
    return in_32_bits(lambda x: _gated(x, _tanh_of_softplus), x)


@recordable
def softplus(x: jax.Array) -> jax.Array:
    """`log(1 + exp(x))`, a smooth form of `relu`; its gradient is `sigmoid(x)`.

    Args:
        x: any shape, a floating-point type.

    Returns:
        The shape and dtype of `x`, at least 0.

    Raises:
        ValueError: `x` is not of a floating-point type.
    """
    check_floating("x", x)
    return in_32_bits(_softplus, x)


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
    return in_32_bits(_sigmoid, x)


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
    return in_32_bits(_tanh, x)


# --- computed in at least 32 bits -----------------------------------------------------------------


def _gelu(x: jax.Array) -> jax.Array:
    # 1 + erf(z) = erfc(-z), which has no cancellation. Beyond 50 Phi is 0 or 1 in every dtype;
    # without the bounds an infinity would be multiplied by zero.
    within = lax.clamp(jnp.asarray(-50, x.dtype), x, jnp.asarray(50, x.dtype))
    return jnp.maximum(x, -50) / 2 * lax.erfc(within * -math.sqrt(0.5))


def _gated(x: jax.Array, gate: Callable[[jax.Array], jax.Array]) -> jax.Array:
    """`x * gate(x)`, for a gate that is exp(x) below -40 and 1 above 42, in every dtype.

    Below -87 the gate is not a normal float32 while the product may still be. There the
    exponential is multiplied in two halves. Each piece clamps its argument a little outside its
    range, so that neither its value nor its gradient is `inf * 0`.
    """
    inner = lax.clamp(jnp.asarray(-41, x.dtype), x, jnp.asarray(43, x.dtype))
    far = lax.clamp(jnp.asarray(-2000, x.dtype), x, jnp.asarray(-39, x.dtype))
    half = jnp.exp(far / 2)
    return jnp.where(x > 42, x, jnp.where(x < -40, far * half * half, inner * gate(inner)))


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


@jax.custom_jvp
def _softplus(x: jax.Array) -> jax.Array:
    return jnp.maximum(x, 0) + jnp.log1p(jnp.exp(-jnp.abs(x)))


@jax.custom_jvp
def _tanh_of_softplus(x: jax.Array) -> jax.Array:
    """`((1 + e)^2 - 1) / ((1 + e)^2 + 1)` with e = exp(x), without the difference; x up to 43."""
    n = _squared_less_1(x)
    return n / (n + 2)


def _squared_less_1(x: jax.Array) -> jax.Array:
    """`(1 + exp(x))^2 - 1`."""
    power = jnp.exp(x)
    return power * (power + 2)


def _slope_of_tanh_of_softplus(x: jax.Array, y: jax.Array) -> jax.Array:
    # (1 - y) (1 + y) s(x), where 1 - y = 2 / (n + 2) has no cancellation.
    return 2 / (_squared_less_1(x) + 2) * (1 + y) * _sigmoid(x)


_sigmoid.defjvps(lambda dx, y, x: dx * _bell(x))
_tanh.defjvps(lambda dx, y, x: dx * 4 * _bell(2 * x))
_bell.defjvps(lambda dx, y, x: -dx * y * _tanh(x / 2))
_softplus.defjvps(lambda dx, y, x: dx * _sigmoid(x))
_tanh_of_softplus.defjvps(lambda dx, y, x: dx * _slope_of_tanh_of_softplus(x, y))
