"""Optimizers that compute the same updates as Keras's.

The learning rate is an argument of every update, so that a schedule, a plateau or a population of
models can change it between updates. Optax's transformations are used where they agree with Keras;
the others are implemented here, each with its formula. In the formulas w is a weight, g its
gradient, lr the learning rate and t the number of the update, 1 for the first.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jcnn.config import TrainConfig

# Keras's constants.
EPSILON = 1e-7
BETA_1, BETA_2 = 0.9, 0.999
MOMENTUM = 0.9
# The constants of Keller Jordan's Muon, with the scale of Liu et al.: steps as large as Adam's.
MUON_MOMENTUM = 0.95
MUON_SCALE = 0.2
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
# Weight decay of the optimizers that have one by default.
WEIGHT_DECAY = {"adamw": 0.004, "muon": 0.004}


def optimizer(
    config: TrainConfig, own: optax.GradientTransformation | None = None
) -> optax.GradientTransformationExtraArgs:
    """The optimizer of the settings, with gradient clipping and weight decay, as in Keras.

    Gradients are clipped first. Weight decay is decoupled from the gradients: an update also
    subtracts `lr * weight_decay * w`, with the weight before the update.

    Args:
        config: its `optimizer`, `weight_decay`, `weight_decay_mask`, `clip_value`, `clip_norm`
            and `global_clip_norm`.
        own: a transformation of the user's to take instead, with its own learning rate.

    Returns:
        `init(params)` to a state, a tree of arrays; and `update(gradients, state, params,
        learning_rate=lr)`, where `lr` is a float32 scalar, to `(updates, state)`. Add the updates
        to the parameters. Both functions work under `jit` and `vmap`.
    """
    if own is not None:
        return _own(own)
    rule = _RULES[config.optimizer]
    share = config.weight_decay
    if share is None:
        share = WEIGHT_DECAY.get(config.optimizer, 0.0)
    fewest_axes = 2 if config.weight_decay_mask == "kernels" else 0

    def update(updates: Any, state: Any, params: Any = None, **extra: Any) -> tuple[Any, Any]:
        lr = extra["learning_rate"]

        def decayed(update: jax.Array, w: jax.Array) -> jax.Array:
            return update - lr * share * w if w.ndim >= fewest_axes else update

        updates, state = rule.update(_clip(updates, config), state, lr)
        return (jax.tree.map(decayed, updates, params) if share else updates), state

    return optax.GradientTransformationExtraArgs(rule.init, update)


def _own(given: optax.GradientTransformation) -> optax.GradientTransformationExtraArgs:
    def init(params: Any) -> Any:
        # Copies: a state may hold the parameters themselves, and both are donated to a program.
        return jax.tree.map(jnp.copy, given.init(params))

    def update(updates: Any, state: Any, params: Any = None, **_extra: Any) -> tuple[Any, Any]:
        return given.update(updates, state, params)

    return optax.GradientTransformationExtraArgs(init, update)


def _clip(gradients: Any, config: TrainConfig) -> Any:
    """Clip the gradients by the limit that is set, if any; NaN stays NaN."""
    if config.clip_value is not None:
        limit = config.clip_value
        return jax.tree.map(lambda g: jnp.clip(g, -limit, limit), gradients)
    if config.clip_norm is not None:
        limit = config.clip_norm
        return jax.tree.map(lambda g: g * _within(jnp.sqrt(jnp.sum(g * g)), limit), gradients)
    if config.global_clip_norm is not None:
        squares = sum(jnp.sum(g * g) for g in jax.tree.leaves(gradients))
        scale = _within(jnp.sqrt(squares), config.global_clip_norm)
        return jax.tree.map(lambda g: g * scale, gradients)
    return gradients


def _within(norm: jax.Array, limit: float) -> jax.Array:
    return limit / jnp.maximum(norm, limit)


class _Rule(NamedTuple):
    """An optimizer without gradient clipping and weight decay.

    `init(params)` to a state; `update(gradients, state, lr)` to `(updates, state)`.
    """

    init: optax.TransformInitFn
    update: Callable[[Any, Any, jax.Array], tuple[Any, Any]]


class MomentumState(NamedTuple):
    """The velocity of every weight."""

    velocity: Any


class AdamState(NamedTuple):
    """The number of updates so far, int32, and the running means of g and of its square."""

    t: jax.Array
    mean: Any
    square: Any


class NadamState(NamedTuple):
    """The state of Adam, and the product of the momenta so far."""

    t: jax.Array
    product: jax.Array
    mean: Any
    square: Any


def _against(direction: optax.GradientTransformation) -> _Rule:
    """The rule w -= lr * d, for a direction d that does not depend on the learning rate."""

    def update(gradients: Any, state: Any, lr: jax.Array) -> tuple[Any, Any]:
        directions, state = direction.update(gradients, state)
        return jax.tree.map(lambda d: -lr * d, directions), state

    return _Rule(direction.init, update)


def _momentum(*, nesterov: bool) -> _Rule:
    """SGD with Keras's momentum: the velocity includes the learning rate of each gradient.

    velocity = 0.9 velocity - lr g; w += velocity, or for Nesterov w += 0.9 velocity - lr g.
    """

    def init(params: Any) -> MomentumState:
        return MomentumState(_zeros(params))

    def update(gradients: Any, state: MomentumState, lr: jax.Array) -> tuple[Any, MomentumState]:
        def moved(velocity: jax.Array, g: jax.Array) -> jax.Array:
            return MOMENTUM * velocity - lr * g

        velocity = jax.tree.map(moved, state.velocity, gradients)
        updates = jax.tree.map(moved, velocity, gradients) if nesterov else velocity
        return updates, MomentumState(velocity)

    return _Rule(init, update)


def _adam() -> optax.GradientTransformation:
    """Adam (Kingma and Ba 2015), as reformulated before their section 2.1 and in Keras.

    m += (1 - b1) (g - m); v += (1 - b2) (g^2 - v);
    d = m sqrt(1 - b2^t) / (1 - b1^t) / (sqrt(v) + epsilon).
    Optax has their algorithm 1, which adds epsilon after the bias correction of v.
    """

    def init(params: Any) -> AdamState:
        return AdamState(jnp.zeros((), jnp.int32), _zeros(params), _zeros(params))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        t = state.t + 1
        mean, square = _moments(updates, state.mean, state.square)
        directions = jax.tree.map(lambda m, v: _adam_direction(m, v, t), mean, square)
        return directions, AdamState(t, mean, square)

    return optax.GradientTransformation(init, update)


def _zeros(params: Any) -> Any:
    """New arrays at every call: a compiled step can donate each buffer only once."""
    return jax.tree.map(jnp.zeros_like, params)


def _moments(gradients: Any, mean: Any, square: Any) -> tuple[Any, Any]:
    """The running means of g and of its square, updated by one gradient."""
    mean = jax.tree.map(lambda g, m: m + (1 - BETA_1) * (g - m), gradients, mean)
    return mean, jax.tree.map(lambda g, v: v + (1 - BETA_2) * (g * g - v), gradients, square)


def _adam_direction(m: jax.Array, v: jax.Array, t: jax.Array) -> jax.Array:
    correction = jnp.sqrt(1 - _power(BETA_2, t)) / (1 - _power(BETA_1, t))
    return m * correction / (jnp.sqrt(v) + EPSILON)


def _power(base: float, t: jax.Array) -> jax.Array:
    power: jax.Array = jnp.power(base, t.astype(jnp.float32))
    return power


def _nadam() -> optax.GradientTransformation:
    """Adam with Nesterov momentum (Dozat 2016), with rising momentum, as in Keras.

    u_t = b1 (1 - 0.96^t / 2); U_t = u_1 ... u_t; m and v are Adam's;
    d = (u_{t+1} m / (1 - U_{t+1}) + (1 - u_t) g / (1 - U_t)) / (sqrt(v / (1 - b2^t)) + epsilon).
    Optax's version has constant momentum.
    """

    def init(params: Any) -> NadamState:
        product = jnp.ones((), jnp.float32)
        return NadamState(jnp.zeros((), jnp.int32), product, _zeros(params), _zeros(params))

    def momentum(t: jax.Array) -> jax.Array:
        return BETA_1 * (1 - 0.5 * _power(0.96, t))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        t = state.t + 1
        now, following = momentum(t), momentum(t + 1)
        product: jax.Array = state.product * now
        mean, square = _moments(updates, state.mean, state.square)

        def direction(g: jax.Array, m: jax.Array, v: jax.Array) -> jax.Array:
            ahead = following * m / (1 - product * following) + (1 - now) * g / (1 - product)
            return ahead / (jnp.sqrt(v / (1 - _power(BETA_2, t))) + EPSILON)

        directions = jax.tree.map(direction, updates, mean, square)
        return directions, NadamState(t, product, mean, square)

    return optax.GradientTransformation(init, update)


def _muon() -> optax.GradientTransformation:
    """Muon (Jordan 2024) for kernels, Adam for biases and scales.

    m = 0.95 m + g; d = 0.2 sqrt(max(rows, columns)) orthogonal(g + 0.95 m), with the scale of Liu
    et al. 2025. For dense kernels the updates are those of Keras. Keras uses Adam for all other
    weights; here a convolution's kernel (KH, KW, C, O) is treated as the im2col matrix
    (KH * KW * C, O), as in Jordan's code. The last layer is no exception, as by default in Keras.
    """

    def init(params: Any) -> AdamState:
        # A kernel needs no mean square: a scalar 0 takes its place.
        square = jax.tree.map(lambda w: jnp.zeros(() if w.ndim > 1 else w.shape, w.dtype), params)
        return AdamState(jnp.zeros((), jnp.int32), _zeros(params), square)

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        t = state.t + 1

        def mean(g: jax.Array, m: jax.Array) -> jax.Array:
            return MUON_MOMENTUM * m + g if g.ndim > 1 else m + (1 - BETA_1) * (g - m)

        def square(g: jax.Array, v: jax.Array) -> jax.Array:
            return v if g.ndim > 1 else v + (1 - BETA_2) * (g * g - v)

        def direction(g: jax.Array, m: jax.Array, v: jax.Array) -> jax.Array:
            if g.ndim < 2:
                return _adam_direction(m, v, t)
            matrix = (g + MUON_MOMENTUM * m).reshape(-1, g.shape[-1])
            scale = MUON_SCALE * math.sqrt(max(matrix.shape))
            return scale * _orthogonal(matrix).reshape(g.shape)

        means = jax.tree.map(mean, updates, state.mean)
        squares = jax.tree.map(square, updates, state.square)
        directions = jax.tree.map(direction, updates, means, squares)
        return directions, AdamState(t, means, squares)

    return optax.GradientTransformation(init, update)


def _orthogonal(matrix: jax.Array) -> jax.Array:
    """An approximation of U V^T for a matrix U S V^T: nonzero singular values become about 1.

    Five Newton-Schulz iterations with Jordan's coefficients.
    """
    a, b, c = NEWTON_SCHULZ
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = wide / (jnp.sqrt(jnp.sum(wide * wide)) + EPSILON)
    for _ in range(5):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x if wide is matrix else x.T


_RULES = {
    "adam": _against(_adam()),
    "adamw": _against(_adam()),
    "sgd": _against(optax.identity()),
    "momentum": _momentum(nesterov=False),
    "nesterov": _momentum(nesterov=True),
    "rmsprop": _against(optax.scale_by_rms(decay=0.9, eps=EPSILON)),
    "nadam": _against(_nadam()),
    "adagrad": _against(optax.scale_by_rss(initial_accumulator_value=0.1, eps=EPSILON)),
    "adadelta": _against(optax.scale_by_adadelta(rho=0.95, eps=EPSILON)),
    "lion": _against(optax.scale_by_lion(b1=0.9, b2=0.99)),
    "muon": _against(_muon()),
}
