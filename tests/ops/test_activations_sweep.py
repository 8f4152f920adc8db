"""Every activation and its gradient against float64 over all magnitudes, in units of last place.

One unit is `eps * |value|`, and for subnormal results, which XLA's CPU backend flushes to zero,
that of the smallest normal number. Arguments are logarithmic from the smallest normal number to the
largest, and dense in [-100, 100], where the functions bend.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcnn import ops
from tests.ops.conv import oracle
from tests.ops.conv.oracle import Array
from tests.ops.conv.tolerances import EPS

Function = Callable[[jax.Array], jax.Array]
Formula = Callable[[Array], Array]

DTYPES = ("float32", "bfloat16", "float16")
# Of each: the smallest normal number, and the largest.
TINY = {"float32": 2.0**-126, "bfloat16": 2.0**-126, "float16": 2.0**-14}
LARGEST = {"float32": 2.0**128 - 2.0**104, "bfloat16": 2.0**128 - 2.0**120, "float16": 65504.0}
ALPHA, SCALE = 1.67326324235437728, 1.05070098735548049  # of selu
erfc = np.vectorize(math.erfc, otypes=[np.float64])


def _phi(x: Array) -> Array:
    phi: Array = erfc(-x / math.sqrt(2)) / 2
    return phi


def _density(x: Array) -> Array:
    density: Array = np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    return density


def sigmoid(x: Array) -> Array:
    power = np.exp(-np.abs(x))
    value: Array = np.where(x > 0, 1, power) / (1 + power)
    return value


def bell(x: Array) -> Array:
    power = np.exp(-np.abs(x))
    slope: Array = power / (1 + power) ** 2
    return slope


def exponential(x: Array) -> Array:
    """Below zero exp(x), above 1."""
    power: Array = np.exp(np.minimum(x, 0))
    return power


def tanh_of_softplus(x: Array) -> Array:
    """((1 + e^x)^2 - 1) / ((1 + e^x)^2 + 1), multiplied out and divided by the larger power."""
    power = np.exp(-np.abs(x))
    n = np.where(x > 0, 1 + 2 * power, power * (power + 2))
    gate: Array = n / (n + 2 * np.where(x > 0, power**2, 1))
    return gate


def slope_of_tanh_of_softplus(x: Array) -> Array:
    """4 e^x (1 + e^x) / ((1 + e^x)^2 + 1)^2, multiplied out and divided by the larger power."""
    power = np.exp(-np.abs(x))
    below = 4 * power * (1 + power) / (power * (power + 2) + 2) ** 2
    above = 4 * power**2 * (1 + power) / (1 + 2 * power + 2 * power**2) ** 2
    slope: Array = np.where(x > 0, above, below)
    return slope


# The two terms of the slopes that have a root.
TERMS: dict[str, Callable[[Array], tuple[Array, Array]]] = {
    "gelu": lambda x: (_phi(x), x * _density(x)),
    "silu": lambda x: (sigmoid(x), x * bell(x)),
    "mish": lambda x: (tanh_of_softplus(x), x * slope_of_tanh_of_softplus(x)),
    "hard_swish": lambda x: (
        np.clip(x + 3, 0, 6) / 6,
        np.where(np.abs(x) < 3, x / 6, 0),
    ),
}


def slope_of(name: str) -> Formula:
    """The sum of the two terms."""
    return lambda x: sum(TERMS[name](x), np.zeros_like(x))


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


ACTIVATIONS: dict[str, tuple[Function, Formula, Formula]] = {
    "relu": (ops.relu, relu, lambda x: np.where(x > 0, 1.0, 0)),
    "leaky_relu": (
        ops.leaky_relu,
        lambda x: np.where(x > 0, x, 0.2 * x),
        lambda x: np.where(x > 0, 1, 0.2),
    ),
    "gelu": (ops.gelu, lambda x: x * _phi(x), slope_of("gelu")),
    "sigmoid": (ops.sigmoid, sigmoid, bell),
    "tanh": (ops.tanh, np.tanh, lambda x: 4 * bell(2 * x)),
    "relu6": (
        ops.relu6,
        lambda x: np.clip(x, 0, 6),
        lambda x: np.where((x > 0) & (x < 6), 1.0, 0),
    ),
    "hard_sigmoid": (
        ops.hard_sigmoid,
        lambda x: np.clip(x + 3, 0, 6) / 6,
        lambda x: np.where(np.abs(x) < 3, 1 / 6, 0),
    ),
    "hard_swish": (
        ops.hard_swish,
        lambda x: x * (np.clip(x + 3, 0, 6) / 6),
        slope_of("hard_swish"),
    ),
    "elu": (ops.elu, lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))), exponential),
    "selu": (
        ops.selu,
        lambda x: SCALE * np.where(x > 0, x, ALPHA * np.expm1(np.minimum(x, 0))),
        lambda x: SCALE * np.where(x > 0, 1, ALPHA * exponential(x)),
    ),
    "silu": (ops.silu, lambda x: x * sigmoid(x), slope_of("silu")),
    "softplus": (
        ops.softplus,
        lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
        sigmoid,
    ),
    "mish": (ops.mish, lambda x: x * tanh_of_softplus(x), slope_of("mish")),
}


def arguments(dtype: str) -> jax.Array:
    ends = math.log10(TINY[dtype]), math.log10(LARGEST[dtype])
    positive = np.concatenate([np.logspace(*ends, 500)[:-1], np.linspace(0.01, 100, 2000)])
    numbers = np.concatenate([-positive, [0.0], positive]).astype(jnp.dtype(dtype))
    array: jax.Array = jax.device_put(numbers)
    return array


def allowed(name: str, dtype: str, x: Array) -> Array:
    """Units of last place.

    16-bit results are those of float32, rounded once: half a unit. In float32, XLA's elementary
    functions are good to a few units, and an `exp(-z)` loses one for each 2 of its argument: of
    `exp(-x^2 / 2)` and the erfc that is made of it, x^2.
    """
    if dtype != "float32":
        return np.full_like(x, 0.52)
    return 4 + x * x if name == "gelu" else np.full_like(x, 4)


def cancelled(name: str, dtype: str, x: Array) -> Array:
    """How many times larger the terms of a slope are than the slope: at gelu's root, -0.75."""
    if name not in TERMS or dtype != "float32":
        return np.ones_like(x)
    one, other = TERMS[name](x)
    return np.maximum((np.abs(one) + np.abs(other)) / np.maximum(np.abs(one + other), 1e-300), 1)


def units(got: object, want: Array, dtype: str) -> Array:
    unit = np.maximum(np.abs(want), TINY[dtype]) * EPS[dtype]
    error: Array = np.abs(oracle.float64(got) - want) / unit
    # A flushed subnormal is a whole smallest normal number away from what it was.
    lost = np.abs(oracle.float64(got) - want) <= 16 * TINY[dtype]
    # Beyond the largest number, an infinity is the rounded value: of selu, which multiplies.
    beyond = (oracle.float64(got) == np.copysign(np.inf, want)) & (np.abs(want) > LARGEST[dtype])
    return np.where(beyond | (lost & (dtype != "float16")), 0, error)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_value_and_gradient(name: str, dtype: str) -> None:
    function, value, slope = ACTIVATIONS[name]
    x = arguments(dtype)
    exact = oracle.float64(x)
    y, pull_back = jax.vjp(function, x)
    (by_x,) = pull_back(jnp.ones_like(x))
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        limits = [allowed(name, dtype, exact)]
        limits.append(limits[0] * cancelled(name, dtype, exact))
        wanted = value(exact), slope(exact)
    for got, want, limit in zip((y, by_x), wanted, limits, strict=True):
        assert got.dtype == x.dtype
        error = units(got, want, dtype)
        worst = int(np.argmax(error - limit))
        assert np.all(error <= limit), (
            f"{error[worst]:.3g} units at {exact[worst]}: "
            f"{float(got[worst])} for {float(want[worst])}"
        )


@pytest.mark.parametrize(
    ("name", "low", "high", "slopes"),
    [
        ("relu", 0.0, math.inf, (0, 1)),
        ("leaky_relu", -math.inf, math.inf, (0.2, 1)),
        ("gelu", 0.0, math.inf, (0, 1)),
        ("sigmoid", 0.0, 1.0, (0, 0)),
        ("tanh", -1.0, 1.0, (0, 0)),
        ("relu6", 0.0, 6.0, (0, 0)),
        ("hard_sigmoid", 0.0, 1.0, (0, 0)),
        ("hard_swish", 0.0, math.inf, (0, 1)),
        ("elu", -1.0, math.inf, (0, 1)),
        ("selu", -SCALE * ALPHA, math.inf, (0, SCALE)),
        ("silu", 0.0, math.inf, (0, 1)),
        ("softplus", 0.0, math.inf, (0, 1)),
        ("mish", 0.0, math.inf, (0, 1)),
    ],
)
def test_infinities_and_nan(
    name: str, low: float, high: float, slopes: tuple[float, float]
) -> None:
    x = jnp.array([-jnp.inf, jnp.inf, jnp.nan])
    y, pull_back = jax.vjp(ACTIVATIONS[name][0], x)
    np.testing.assert_array_equal(y, np.array([low, high, np.nan], "float32"))
    np.testing.assert_array_equal(pull_back(jnp.ones(3))[0][:2], np.array(slopes, "float32"))


@pytest.mark.parametrize("name", ["gelu", "sigmoid", "tanh", "silu", "softplus", "mish"])
def test_derivatives_of_second_and_third_order(name: str) -> None:
    function = ACTIVATIONS[name][0]
    with jax.enable_x64(True):
        x, step = jnp.array([-7.0, -1.3, 0.0, 0.4, 3.0]), 1e-4
        for order in (2, 3):
            lower = function
            for _ in range(order - 1):
                lower = jax.grad(lower)
            got = jax.vmap(jax.grad(lower))(x)
            lower = jax.vmap(lower)
            want = (lower(x + step) - lower(x - step)) / (2 * step)
            np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-8)


def softmax_gradient(p: Array, g: Array) -> Array:
    inner: Array = p * (g - np.sum(p * g, axis=-1, keepdims=True))
    return inner


@pytest.mark.parametrize("scale", [1e-3, 1.0, 10.0, 40.0])
@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_and_its_gradient(dtype: str, scale: float) -> None:
    rng = np.random.default_rng(3)
    logits = jnp.asarray((scale * rng.standard_normal((20, 50))).astype(jnp.dtype(dtype)))
    g = jnp.asarray(rng.standard_normal((20, 50)).astype(jnp.dtype(dtype)))
    y, pull_back = jax.vjp(ops.softmax, logits)
    want = oracle.softmax(oracle.float64(logits))
    # The error of exp grows with its argument, up to 88 where float32 ends.
    limit = 60 if dtype == "float32" else 0.52
    assert np.all(units(y, want, dtype) <= limit)
    np.testing.assert_allclose(
        oracle.float64(y).sum(axis=-1), 1, rtol=2e-6 if dtype == "float32" else 8e-3
    )
    (by_logits,) = pull_back(g)
    wanted = softmax_gradient(want, oracle.float64(g))
    # `g` less its mean may cancel: the unit is that of the larger of the two.
    unit = EPS[dtype] * want * np.abs(oracle.float64(g)).max()
    error = np.abs(oracle.float64(by_logits) - wanted)
    assert np.all(error <= limit * unit + 16 * TINY[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
def test_cross_entropy_of_many_classes(dtype: str) -> None:
    """Sums of 1000 terms, of which 16 bits would lose the most."""
    rng = np.random.default_rng(4)
    logits = jnp.asarray(rng.standard_normal((8, 1000)).astype(jnp.dtype(dtype)))
    labels = np.arange(8) * 100
    want = oracle.cross_entropy(oracle.float64(logits), labels)
    one_hot = jax.nn.one_hot(labels, 1000, dtype=dtype)
    for target in (jnp.asarray(labels), one_hot):
        got = ops.cross_entropy(logits, target)
        assert got.dtype == logits.dtype
        assert np.all(units(got, want, dtype) <= (4 if dtype == "float32" else 0.52))
