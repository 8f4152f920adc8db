"""Activation functions and dropout, number by number, against NumPy and `jcnn.ops`."""

import math
import re
from collections.abc import Callable
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import pytest

from jcnn import ops, trace
from tests.trace.test_arithmetic import array, stack

Array = npt.NDArray[np.float64]
_ERF = np.vectorize(math.erf)

# From their definitions, in float64.
DEFINED: dict[str, Callable[[Array], Array]] = {
    "relu": lambda x: np.where(x > 0, x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "elu": lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * (np.exp(x) - 1)),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": lambda x: (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x)),
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "gelu": lambda x: x * (1 + _ERF(x / np.sqrt(2))) / 2,
    "silu": lambda x: x / (1 + np.exp(-x)),
    "mish": lambda x: x * np.tanh(np.log(1 + np.exp(x))),
    "hard_sigmoid": lambda x: np.clip((x + 3) / 6, 0, 1),
    "hard_swish": lambda x: x * np.clip((x + 3) / 6, 0, 1),
}
NUMBERS = np.array([[-7.5, -3, -2.25, -0.5], [0, 0.125, 1, 2.5], [3, 5.75, 6, 8]])
GRID: trace.Stack = (tuple(tuple(map(Fraction, row)) for row in NUMBERS.tolist()),)


@pytest.mark.parametrize("name", DEFINED)
def test_a_function_against_its_definition_and_ops(name: str) -> None:
    found = np.array(trace.activate(GRID, name).values[0], float)
    np.testing.assert_allclose(found, DEFINED[name](NUMBERS), rtol=1e-13, atol=1e-14)
    of_ops: Callable[[jax.Array], jax.Array] = getattr(ops, name)
    np.testing.assert_allclose(found, of_ops(jnp.asarray(NUMBERS, "float32")), 1e-5, 1e-6)


def test_no_function_is_left_out() -> None:
    assert set(trace.ACTIVATIONS) == set(DEFINED)


@pytest.mark.parametrize("name", DEFINED)
@pytest.mark.parametrize("number", [-7.5, -2.25, 0.0, 0.125, 5.75])
def test_the_formula_has_the_value_that_is_shown(name: str, number: float) -> None:
    """The formula is read as Python; its printed constants have five digits."""
    found = trace.activate((((Fraction(number),),),), name)
    scope = {x: getattr(math, x) for x in ("exp", "log", "tanh", "erf", "sqrt")}
    value = eval(found.why(0, 0, 0), scope | {"min": min, "max": max})
    assert value == pytest.approx(float(found.values[0][0][0]), rel=1e-4, abs=1e-14)
    assert "x" not in re.findall(r"\w+", found.why(0, 0, 0))


@pytest.mark.parametrize("name", DEFINED)
def test_large_numbers_do_not_overflow(name: str) -> None:
    large = trace.parse_stack("1e30 -1e30")
    above, below = trace.activate(large, name).values[0][0]
    bounded = {"sigmoid": 1, "tanh": 1, "hard_sigmoid": 1, "relu6": 6}
    scale = {"selu": 1.0507009873554805}
    expected = bounded.get(name, 10**30 * scale.get(name, 1))
    assert float(above) == pytest.approx(float(expected))
    low = {"tanh": -1, "elu": -1, "selu": -1.7580993408473768, "leaky_relu": -2e29}
    assert float(below) == pytest.approx(low.get(name, 0))


def test_lines_are_exact() -> None:
    found = trace.activate(trace.parse_stack("-0.1 0.1"), "leaky_relu")
    assert found.values == (((Fraction(-1, 50), Fraction(1, 10)),),)
    assert trace.activate(trace.parse_stack("-2 3"), "relu").values == (((0, 3),),)


@pytest.mark.parametrize(
    ("shape", "rate", "seed"),
    [((3, 4, 2), "0.5", 0), ((1, 9, 1), "0.3", 12), ((2, 5, 3), "0.875", 2**32 - 1)],
)
def test_dropout_is_that_of_ops(shape: tuple[int, int, int], rate: str, seed: int) -> None:
    x = array(np.random.default_rng(3), *shape)
    x[x == 0] = 4
    found = trace.dropout(stack(x), trace.parse_number(rate), seed)
    key = jax.random.key(seed)
    y = ops.dropout(jnp.asarray(x[None], "float32"), float(rate), key=key)[0]
    values = np.moveaxis(np.array(found.values, float), 0, -1)
    np.testing.assert_allclose(values, y, rtol=1e-6)
    bits = np.asarray(jax.random.bits(key, (1, *shape), jnp.uint16))[0]
    kept = 65536 - round(float(rate) * 65536)
    np.testing.assert_array_equal(np.moveaxis(np.array(found.mask), 0, -1), bits < kept)
    assert found.scale == Fraction(65536, kept)
    for k, r, c in np.ndindex(shape[2], shape[0], shape[1]):
        number, on, _ = re.split(r" \* | / ", found.why(k, r, c))
        assert int(number) == int(x[r, c, k])
        assert on == ("1" if bits[r, c, k] < kept else "0")


@pytest.mark.parametrize(
    ("rate", "seed", "message"),
    [
        ("1", 0, "rate: got 1; accepted: 0 <= rate < 1"),
        ("-0.5", 0, "rate: got -0.5; accepted"),
        ("0.5", -1, "seed: got -1; accepted: 0 to 4294967295"),
        ("0.5", 2**32, "seed: got 4294967296; accepted"),
    ],
)
def test_what_dropout_refuses(rate: str, seed: int, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        trace.dropout(GRID, trace.parse_number(rate), seed)


def test_a_rate_near_one_keeps_a_scale() -> None:
    found = trace.dropout(GRID, trace.parse_number("0.9999999"), 0)
    assert found.scale == 65536


def test_no_rate_changes_nothing() -> None:
    found = trace.dropout(GRID, 0, 5)
    assert (found.values, found.scale) == (GRID, 1)
