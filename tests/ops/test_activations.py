"""Activations, softmax and cross-entropy against NumPy float64, and at their extremes."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcnn import ops
from tests.ops.conv import oracle
from tests.ops.conv.cases import DTYPES, draw, naming, precision_for, rounded, together
from tests.ops.conv.oracle import Array
from tests.ops.conv.tolerances import EPS

Function = Callable[[jax.Array], jax.Array]

# Of selu; from the conditions that it keeps mean 0 and variance 1, to 15 digits.
ALPHA, SCALE = 1.67326324235437728, 1.05070098735548049

X = np.array([-30.0, -5.5, -1.0, -0.25, -1e-3, 0.0, 1e-3, 0.25, 1.0, 5.5, 30.0])


def _gelu(x: Array) -> Array:
    return np.array([v * (1 + math.erf(v / math.sqrt(2))) / 2 for v in x])


def _gelu_slope(x: Array) -> Array:
    density = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    return np.array([(1 + math.erf(v / math.sqrt(2))) / 2 for v in x]) + x * density


def _sigmoid(x: Array) -> Array:
    value: Array = 1 / (1 + np.exp(-x))
    return value


def _mish_slope(x: Array) -> Array:
    gate = np.tanh(np.log1p(np.exp(x)))
    slope: Array = gate + x * (1 - gate**2) * _sigmoid(x)
    return slope


# Each function, its definition in NumPy, and the definition of its derivative.
ACTIVATIONS: dict[str, tuple[Function, Callable[[Array], Array], Callable[[Array], Array]]] = {
    "relu": (ops.relu, lambda x: np.where(x > 0, x, 0), lambda x: np.where(x > 0, 1.0, 0)),
    "leaky_relu": (
        ops.leaky_relu,
        lambda x: np.where(x > 0, x, 0.2 * x),
        lambda x: np.where(x > 0, 1, 0.2),
    ),
    "gelu": (ops.gelu, _gelu, _gelu_slope),
    "sigmoid": (
        ops.sigmoid,
        lambda x: 1 / (1 + np.exp(-x)),
        lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2,
    ),
    "tanh": (ops.tanh, np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "relu6": (
        ops.relu6,
        lambda x: np.minimum(np.maximum(x, 0), 6),
        lambda x: np.where((x > 0) & (x < 6), 1.0, 0),
    ),
    "hard_sigmoid": (
        ops.hard_sigmoid,
        lambda x: np.clip(x + 3, 0, 6) / 6,
        lambda x: np.where(np.abs(x) < 3, 1 / 6, 0),
    ),
    "hard_swish": (
        ops.hard_swish,
        lambda x: x * np.clip(x + 3, 0, 6) / 6,
        lambda x: np.where(np.abs(x) < 3, (2 * x + 3) / 6, x > 0),
    ),
    "elu": (
        lambda x: ops.elu(x, alpha=0.7),
        lambda x: np.where(x > 0, x, 0.7 * np.expm1(x)),
        lambda x: np.where(x > 0, 1, 0.7 * np.exp(x)),
    ),
    "selu": (
        ops.selu,
        lambda x: SCALE * np.where(x > 0, x, ALPHA * np.expm1(x)),
        lambda x: SCALE * np.where(x > 0, 1, ALPHA * np.exp(x)),
    ),
    "silu": (
        ops.silu,
        lambda x: x * _sigmoid(x),
        lambda x: _sigmoid(x) * (1 + x * _sigmoid(-x)),
    ),
    "softplus": (ops.softplus, lambda x: np.log1p(np.exp(x)), _sigmoid),
    "mish": (ops.mish, lambda x: x * np.tanh(np.log1p(np.exp(x))), _mish_slope),
}


@pytest.mark.parametrize("dtype", DTYPES)
def test_value_and_derivative(dtype: str) -> None:
    """Of all functions, in one program."""

    def both(function: Function) -> Callable[[jax.Array], tuple[jax.Array, jax.Array]]:
        def run(x: jax.Array) -> tuple[jax.Array, jax.Array]:
            y, pull_back = jax.vjp(function, x)
            return y, pull_back(jnp.ones_like(x))[0]

        return run

    with precision_for(dtype):
        x = rounded(X, dtype)
        exact = oracle.float64(x)
        functions = [both(function) for function, _, _ in ACTIVATIONS.values()]
        results = together(functions, [(x,)] * len(functions))
        for name, (y, by_x) in zip(ACTIVATIONS, results, strict=True):
            _, value, slope = ACTIVATIONS[name]
            with naming(name):
                assert (y.shape, y.dtype) == (x.shape, x.dtype)
                # Four roundings of numbers no larger than the result, or than 1 inside the
                # function.
                eps = 4 * EPS[dtype]
                np.testing.assert_allclose(oracle.float64(y), value(exact), rtol=eps, atol=eps)
                np.testing.assert_allclose(oracle.float64(by_x), slope(exact), rtol=eps, atol=eps)


def test_leaky_relu_slope() -> None:
    y = ops.leaky_relu(jnp.array([-2.0, 3.0]), slope=0.5)
    np.testing.assert_array_equal(y, [-1, 3])


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_nan_stays_nan(name: str) -> None:
    x = jax.device_put(np.array([np.nan, 1.0], "float32"))
    for function in (ACTIVATIONS[name][0], jax.jit(ACTIVATIONS[name][0])):
        np.testing.assert_array_equal(np.isnan(function(x)), [True, False])


def test_elu_of_alpha_1_is_the_default() -> None:
    x = jnp.asarray(X, jnp.float32)
    np.testing.assert_array_equal(ops.elu(x), ops.elu(x, 1.0))
    assert float(ops.elu(jnp.float32(-30.0))) == -1


def test_selu_keeps_mean_0_and_variance_1() -> None:
    """The integrals over a standard normal density that define its two constants."""
    x = np.linspace(-12, 12, 200_001)
    weights = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi) * (x[1] - x[0])
    with jax.enable_x64(True):
        y = np.asarray(ops.selu(jnp.asarray(x)))
    assert np.sum(weights * y) == pytest.approx(0, abs=1e-8)
    assert np.sum(weights * y**2) == pytest.approx(1, abs=1e-8)


@pytest.mark.parametrize(
    ("function", "corners", "slopes"),
    [
        (ops.relu6, (0.0, 6.0), (0, 0)),
        (ops.hard_sigmoid, (-3.0, 3.0), (0, 0)),
        (ops.hard_swish, (-3.0, 3.0), (0, 1)),
        (ops.elu, (-0.0, 0.0), (1, 1)),
        (lambda x: ops.elu(x, 0.5), (-0.0, 0.0), (0.5, 0.5)),
    ],
)
def test_gradients_at_corners(
    function: Function, corners: tuple[float, float], slopes: tuple[float, float]
) -> None:
    got = jax.vmap(jax.grad(function))(jnp.array(corners))
    np.testing.assert_array_equal(got, slopes)


# --- softmax --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_equals_the_oracle(dtype: str) -> None:
    with precision_for(dtype):
        logits = 3 * draw("logits", (4, 5, 10), dtype)
        probabilities = oracle.float64(ops.softmax(logits))
        want = oracle.softmax(oracle.float64(logits))
        # exp turns the absolute error of a logit, up to 10, into a relative one.
        np.testing.assert_allclose(probabilities, want, rtol=20 * EPS[dtype], atol=0)
        np.testing.assert_allclose(probabilities.sum(axis=-1), 1, rtol=20 * EPS[dtype])


def test_softmax_does_not_see_a_shift() -> None:
    # Multiples of 1/16 stay exact when 1024 is added.
    logits = jnp.round(16 * draw("logits", (6, 10))) / 16
    np.testing.assert_array_equal(ops.softmax(logits), ops.softmax(logits + 1024))


def test_softmax_of_extreme_logits() -> None:
    y = ops.softmax(jnp.array([[1e4, 0.0, -1e4], [-1e4, -1e4, -1e4]]))
    np.testing.assert_allclose(y, np.array([[3, 0, 0], [1, 1, 1]]) / 3, rtol=2**-22)


# --- cross-entropy --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_cross_entropy_equals_the_oracle(dtype: str) -> None:
    with precision_for(dtype):
        logits = draw("logits", (8, 10), dtype)
        labels = np.arange(8)
        got = ops.cross_entropy(logits, jnp.asarray(labels))
        assert got.dtype == logits.dtype
        want = oracle.cross_entropy(oracle.float64(logits), labels)
        np.testing.assert_allclose(oracle.float64(got), want, rtol=8 * EPS[dtype])


def test_class_numbers_are_one_hot_rows() -> None:
    logits, labels = draw("logits", (2, 4, 10)), jnp.arange(8).reshape(2, 4)
    one_hot = jax.nn.one_hot(labels, 10)
    losses = ops.cross_entropy(logits, labels)
    assert losses.shape == (2, 4)
    np.testing.assert_allclose(losses, ops.cross_entropy(logits, one_hot), rtol=2**-22)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32"])
def test_labels_of_any_integer_type(dtype: str) -> None:
    logits = draw("logits", (3, 10))
    labels = jnp.array([0, 5, 9], dtype)
    want = oracle.cross_entropy(oracle.float64(logits), np.array([0, 5, 9]))
    np.testing.assert_allclose(ops.cross_entropy(logits, labels), want, rtol=2**-20)


def test_smoothed_labels() -> None:
    logits = draw("logits", (3, 4))
    smooth = jnp.full((3, 4), 0.05).at[:, 1].set(0.85)
    want = -np.sum(oracle.float64(smooth) * np.log(oracle.softmax(oracle.float64(logits))), -1)
    np.testing.assert_allclose(ops.cross_entropy(logits, smooth), want, rtol=2**-20)


def test_extreme_logits_are_exact() -> None:
    """A loss taken from rounded probabilities would be infinite here, or zero."""
    logits = jnp.array([[1e4, 0.0, -1e4]] * 3)
    losses = ops.cross_entropy(logits, jnp.arange(3))
    np.testing.assert_array_equal(losses, [0, 1e4, 2e4])
    gradient = jax.jit(jax.grad(lambda z: ops.cross_entropy(z, jnp.arange(3)).sum()))(logits)
    np.testing.assert_array_equal(gradient, [[0, 0, 0], [1, -1, 0], [1, 0, -1]])


@pytest.mark.parametrize("label", [-1, -10, 10, 1000])
def test_a_label_that_is_no_class_gives_nan(label: int) -> None:
    logits = draw("logits", (3, 10))
    losses = ops.cross_entropy(logits, jnp.array([3, label, 9]))
    np.testing.assert_array_equal(jnp.isnan(losses), [False, True, False])


def test_gradient_is_softmax_minus_one_hot() -> None:
    logits, labels = draw("logits", (6, 10)), jnp.array([0, 3, 9, 9, 1, 5])
    want = oracle.softmax(oracle.float64(logits)) - np.eye(10)[labels]
    for target in (labels, jax.nn.one_hot(labels, 10)):
        gradient = jax.jit(jax.grad(lambda z, target: ops.cross_entropy(z, target).sum()))(
            logits, target
        )
        np.testing.assert_allclose(gradient, want, rtol=0, atol=4 * EPS["float32"])


def test_second_derivative_of_cross_entropy() -> None:
    """Its Hessian is `diag(p) - p p^T`: the subtracted maximum must not take part."""
    z = draw("z", (5,))
    hessian = jax.jit(jax.hessian(lambda z: ops.cross_entropy(z, jnp.array(2))))(z)
    p = oracle.softmax(oracle.float64(z))
    np.testing.assert_allclose(
        hessian, np.diag(p) - np.outer(p, p), rtol=0, atol=4 * EPS["float32"]
    )
