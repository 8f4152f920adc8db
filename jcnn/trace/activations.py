"""Activation functions number by number: the formula, with each number in the place of x."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

from jcnn.trace.grids import Stack
from jcnn.trace.numbers import Number, exact, show_number

# Klambauer, Unterthiner, Mayr and Hochreiter, "Self-Normalizing Neural Networks", 2017, eq. 14.
_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


@dataclass(frozen=True)
class Activated:
    """An activation function of every number of an image.

    Attributes:
        name: the function, as in `ACTIVATIONS`.
        formula: its definition, in x.
        inputs, values: one grid per channel, before and after.
    """

    name: str
    formula: str
    inputs: Stack
    values: Stack

    def why(self, channel: int, row: int, column: int) -> str:
        """The formula with the number in the place of x, such as "max(-3, 0)"."""
        return _filled_in(self.formula, self.inputs[channel][row][column])


def activate(inputs: Stack, name: str) -> Activated:
    """Apply an activation function of `jcnn.ops`, with its default arguments.

    Functions made of lines are exact; in the others exp and its kin are rounded to float64.

    Args:
        inputs: one grid per channel.
        name: one of `ACTIVATIONS`.

    Raises:
        ValueError: there is no such function.
    """
    if name not in ACTIVATIONS:
        raise ValueError(f"name: got {name!r}; accepted: {', '.join(ACTIVATIONS)}")
    formula, function = ACTIVATIONS[name]
    values = tuple(tuple(tuple(map(function, row)) for row in grid) for grid in inputs)
    return Activated(name, formula, inputs, values)


def _filled_in(formula: str, value: Number) -> str:
    """The formula with a number for x; a negative one is in brackets after an operator."""
    number = show_number(value)

    def put(found: re.Match[str]) -> str:
        before = formula[: found.start()].rstrip()
        return f"({number})" if value < 0 and before and before[-1] not in "(," else number

    return re.sub(r"\bx\b", put, formula)


def _of_float(function: Callable[[float], float]) -> Callable[[Number], Number]:
    return lambda x: exact(function(float(x)))


def _relu6(x: Number) -> Number:
    return min(max(x, 0), 6)


def _hard_sigmoid(x: Number) -> Number:
    return exact(Fraction(_relu6(x + 3)) / 6)


def _below(x: Number) -> Fraction:
    """`min(exp(x) - 1, 0)`, which does not overflow."""
    return Fraction(math.expm1(min(float(x), 0.0)))


def _selu(x: Number) -> Number:
    above = Fraction(_SELU_SCALE) * max(x, 0)
    return exact(above + Fraction(_SELU_SCALE) * Fraction(_SELU_ALPHA) * _below(x))


def _sigmoid(x: float) -> float:
    power = math.exp(-abs(x))
    return (1 if x >= 0 else power) / (1 + power)


def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


ACTIVATIONS: Mapping[str, tuple[str, Callable[[Number], Number]]] = MappingProxyType(
    {
        "relu": ("max(x, 0)", lambda x: max(x, 0)),
        "relu6": ("min(max(x, 0), 6)", _relu6),
        "leaky_relu": ("max(x, 0.2 * x)", lambda x: exact(max(x, Fraction(1, 5) * x))),
        "elu": ("max(x, 0) + min(exp(x) - 1, 0)", lambda x: exact(max(x, 0) + _below(x))),
        "selu": ("1.0507 * max(x, 0) + 1.7581 * min(exp(x) - 1, 0)", _selu),
        "sigmoid": ("1 / (1 + exp(-x))", _of_float(_sigmoid)),
        "tanh": ("tanh(x)", _of_float(math.tanh)),
        "softplus": ("log(1 + exp(x))", _of_float(_softplus)),
        "gelu": (
            "x * (1 + erf(x / sqrt(2))) / 2",
            _of_float(lambda x: x * math.erfc(-x / math.sqrt(2)) / 2),
        ),
        "silu": ("x / (1 + exp(-x))", _of_float(lambda x: x * _sigmoid(x))),
        "mish": ("x * tanh(log(1 + exp(x)))", _of_float(lambda x: x * math.tanh(_softplus(x)))),
        "hard_sigmoid": ("min(max(x + 3, 0), 6) / 6", _hard_sigmoid),
        "hard_swish": (
            "x * min(max(x + 3, 0), 6) / 6",
            lambda x: exact(x * Fraction(_hard_sigmoid(x))),
        ),
    }
)
"""The formula and the value of each function, by its name in `jcnn.ops`."""
