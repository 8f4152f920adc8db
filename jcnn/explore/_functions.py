"""Functions of numbers that the page knows, and which of them a given function is.

A function is known by its values and not by its name, so `lambda x: jnp.maximum(x, 0)` is relu.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from jcnn import ops

Array = npt.NDArray[np.float32]

# leaky_relu, which has a slope, and softmax, which is no function of single numbers, come besides.
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

# Of `typical_numbers`.
EXAMPLES = 20
MIXED = 4

_SAMPLES = 4096


def apply_function(settings: dict[str, Any], x: jax.Array) -> jax.Array:
    """What an activation layer with these settings makes of `x`."""
    name = settings["function"]
    if name == "softmax":
        return ops.softmax(x)
    if name == "leaky_relu":
        return ops.leaky_relu(x, settings["slope"])
    return ELEMENTWISE[name](x)


def settings_of(function: Callable[[jax.Array], jax.Array]) -> dict[str, Any] | None:
    """Settings of the activation layer that is this function; None where the page knows none.

    `{}` is the identity.
    """
    x = typical_numbers((EXAMPLES, 4, 4, 16), seed=0)
    try:
        y = np.asarray(function(jnp.asarray(x)))
    except (TypeError, ValueError):
        return None
    return settings_between(x, y)


def settings_between(x: Array, y: Array) -> dict[str, Any] | None:
    """Settings of the activation that makes `y` of `x`, both `(N, ...)`; as for `settings_of`."""
    if x.shape != y.shape:
        return None
    if np.array_equal(x, y):
        return {}
    # Always as many numbers, so that each function is compiled once.
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
    """Random `(EXAMPLES, ..., C)` by which any two functions, and any order of them, differ.

    Sizes go from 0.05 to 30. In the first examples both signs stand side by side, as the mean of a
    window needs; in the others a channel has one sign, or a maximum would never be negative.
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
    slope = float(f"{np.median(y[below] / x[below]):.6g}")  # 0.2, which float32 has not exactly
    return slope if equal(np.where(x > 0, x, x * np.float32(slope)), y) else None


def equal(found: Any, expected: Array) -> bool:
    """Whether two computations of the same function gave these; other functions differ by more."""
    return bool(np.allclose(np.asarray(found), expected, rtol=1e-5, atol=1e-6))
