"""Identify activation functions.

A function is identified by its values, not its name, so `lambda x: jnp.maximum(x, 0)` is relu.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from jcnn import ops

Array = npt.NDArray[np.float32]

# Besides these: leaky_relu, which has a slope, and softmax, which is not elementwise.
ELEMENTWISE: dict[str, Callable[[jax.Array], jax.Array]] = {
    "relu": ops.relu,
    "sigmoid": ops.sigmoid,
    "tanh": ops.tanh,
    "gelu": ops.gelu,
    "gelu_tanh": jax.nn.gelu,
    "swish": jax.nn.swish,
    "softplus": jax.nn.softplus,
    "elu": jax.nn.elu,
    "selu": jax.nn.selu,
    "relu6": jax.nn.relu6,
}
ACCEPTED = ", ".join([*ELEMENTWISE, "leaky_relu", "softmax"])

# Of `typical_numbers`: all examples, and those with mixed signs in a channel.
EXAMPLES = 20
MIXED = 4

_SAMPLES = 4096


def apply_function(settings: dict[str, Any], x: jax.Array) -> jax.Array:
    """Apply an activation layer with these settings to `x`."""
    name = settings["function"]
    if name == "softmax":
        return ops.softmax(x)
    if name == "leaky_relu":
        return ops.leaky_relu(x, settings["slope"])
    return ELEMENTWISE[name](x)


def settings_of(function: Callable[[jax.Array], jax.Array]) -> dict[str, Any] | None:
    """The settings of the activation layer that equals `function`; `{}` is the identity.

    None if there is no such layer.
    """
    x = typical_numbers((EXAMPLES, 4, 4, 16), seed=0)
    try:
        y = np.asarray(function(jnp.asarray(x)))
    except (TypeError, ValueError):
        return None
    return settings_between(x, y)


def settings_between(x: Array, y: Array) -> dict[str, Any] | None:
    """The settings of the activation that maps `x` to `y`, both `(N, ...)`; see `settings_of`."""
    if x.shape != y.shape:
        return None
    if np.array_equal(x, y):
        return {}
    # Always the same number of samples, so that each function is compiled once.
    chosen = np.linspace(0, x.size - 1, _SAMPLES).astype(int)
    some_x, some_y = x.ravel()[chosen], y.ravel()[chosen]
    for name, function in ELEMENTWISE.items():
        if equal(function(jnp.asarray(some_x)), some_y):
            return {"function": name}
    slope = _slope(some_x, some_y)
    if slope is not None:
        return {"function": "leaky_relu", "slope": slope}
    return {"function": "softmax"} if equal(ops.softmax(jnp.asarray(x)), y) else None


def typical_numbers(shape: tuple[int, ...], seed: int) -> Array:
    """Random `(EXAMPLES, ..., C)` that distinguish any two functions and their order.

    Magnitudes go from 0.05 to 30. The first examples mix both signs within a channel, which means
    of windows need; in the others a channel has one sign, so that some maxima are negative.
    """
    random = np.random.default_rng(seed)
    sizes = np.geomspace(0.05, 30, (EXAMPLES - MIXED) // 2)
    levels = np.concatenate([sizes, -sizes])
    examples = np.arange(EXAMPLES).reshape(-1, *[1] * (len(shape) - 1))
    centres = levels[(examples + 5 * np.arange(shape[-1])) % len(levels)]
    signs = np.where(examples < MIXED, random.choice([-1, 1], shape), 1)
    numbers: Array = (centres * signs * random.normal(1, 0.25, shape)).astype(np.float32)
    return numbers


def _slope(x: Array, y: Array) -> float | None:
    below = x < -1
    if not below.any():
        return None
    slope = float(
        f"{np.median(y[below] / x[below]):.6g}"
    )  # such as 0.2, which is not exact in float32
    return slope if equal(np.where(x > 0, x, x * np.float32(slope)), y) else None


def equal(found: Any, expected: Array) -> bool:
    """Whether two arrays agree up to rounding; different functions differ by more."""
    return bool(np.allclose(np.asarray(found), expected, rtol=1e-5, atol=1e-6))
