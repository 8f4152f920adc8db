"""Functions of one number that a program writes out, such as `x * (1 + erf(x / sqrt(2))) / 2`.

They are recognised by their values, so it does not matter how an exporter wrote them.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# Operations of an expression; beyond, it is no function of jcnn.
MOST_STEPS = 24


@dataclass(frozen=True, eq=False)
class Expression:
    """A function of one array, number by number.

    Attributes:
        kind: ONNX's operation, or "" for the array itself.
        operands: expressions and numbers.
        numbers: other numbers of the operation, such as a slope.
        name: of the node in the file.
        steps: number of operations.
    """

    kind: str = ""
    operands: tuple["Expression | float", ...] = ()
    numbers: tuple[float, ...] = ()
    name: str = ""
    steps: int = 0


ITSELF = Expression()


def _grid() -> Array:
    """Numbers of all sizes, and many where functions bend."""
    far = np.logspace(1.08, 30, 60)
    return np.concatenate([-far[::-1], np.linspace(-12, 12, 961), [1e-4, -1e-4, 0.3], far])


GRID = _grid()


def recognised(expression: Expression) -> tuple[Expression, str, dict[str, float]] | None:
    """The function of `jcnn.ops` that an expression ends in.

    Returns:
        The part of the expression that the function is applied to, its name ("" for no function)
        and its numbers; None if it is no function that jcnn has.
    """
    parts = _parts(expression)
    with np.errstate(all="ignore"):
        for start in parts[:-1]:
            values = _values(expression, start)
            found = None if values is None else _function(values)
            if found is not None:
                return start, *found
    return None


def _parts(expression: Expression) -> list[Expression]:
    """An expression and all that it is made of, operands first."""
    found: list[Expression] = []

    def visit(one: Expression) -> None:
        if any(one is other for other in found):
            return
        for operand in one.operands:
            if isinstance(operand, Expression):
                visit(operand)
        found.append(one)

    visit(expression)
    return found


def _values(expression: Expression, start: Expression) -> Array | None:
    """The values where those of `start` are `GRID`; None if it depends on more than `start`."""
    known: dict[int, Array] = {id(start): GRID}
    for part in _parts(expression):
        if id(part) in known:
            continue
        operands = [
            known.get(id(one)) if isinstance(one, Expression) else np.float64(one)
            for one in part.operands
        ]
        if not operands or any(one is None for one in operands):
            continue  # what comes before `start`, or beside it
        known[id(part)] = UNARY[part.kind](*operands, *part.numbers)
    return known.get(id(expression))


def _function(values: Array) -> tuple[str, dict[str, float]] | None:
    at = {number: values[np.argmin(abs(GRID - number))] for number in (-1.0, -12.0, 1.0)}
    for name, wanted in _known().items():
        if _same(values, wanted):
            return name, {}
    slope, alpha = shortest(-at[-1.0]), shortest(at[-12.0] / math.expm1(-12))
    if _same(values, np.where(GRID > 0, GRID, GRID * slope)):
        return "leaky_relu", {"slope": slope}
    if _same(values, _elu(GRID, alpha)):
        return "elu", {"alpha": alpha}
    return None


def shortest(number: float) -> float:
    """The number with the fewest digits that is the same in float32."""
    return float(str(np.float32(number)))


def _same(values: Array, wanted: Array) -> bool:
    near = abs(values - wanted) <= 1e-6 * np.maximum(1, abs(wanted))
    # Exponentials that are written out overflow.
    return bool(np.all(near | ((abs(GRID) > 80) & ~np.isfinite(values))))


@functools.cache
def _known() -> dict[str, Array]:
    return {name: function(GRID) for name, function in _FUNCTIONS.items()}


# --- what operations mean -------------------------------------------------------------------------


def _erf(x: Array) -> Array:
    return np.array([math.erf(one) for one in np.ravel(x)]).reshape(np.shape(x))


def _elu(x: Array, alpha: float = 1.0) -> Array:
    return np.asarray(np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))))


def _sigmoid(x: Array) -> Array:
    return 0.5 * (1 + np.tanh(x / 2))


def _softplus(x: Array) -> Array:
    return np.logaddexp(0, x)


def _hard_sigmoid(x: Array, alpha: float = 1 / 6, beta: float = 0.5) -> Array:
    return _clip(alpha * x + beta, 0, 1)


def _gelu(x: Array, tanh: float = 0) -> Array:
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    part = np.tanh(inner) if tanh else _erf(x / math.sqrt(2))
    return np.asarray(0.5 * x * (1 + part))


def _selu(x: Array, alpha: float = 1.6732632423543772, gamma: float = 1.0507009873554805) -> Array:
    return gamma * _elu(x, alpha)


def _clip(x: Array, low: float = -math.inf, high: float = math.inf) -> Array:
    return np.asarray(np.minimum(np.maximum(x, low), high))


_FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "silu": lambda x: x * _sigmoid(x),
    "gelu": _gelu,
    "gelu_tanh": lambda x: _gelu(x, 1),
    "softplus": _softplus,
    "elu": _elu,
    "selu": _selu,
    "mish": lambda x: x * np.tanh(_softplus(x)),
    "hard_sigmoid": _hard_sigmoid,
    "hard_swish": lambda x: x * _hard_sigmoid(x),
}

# ONNX's operations on each number; the operands come first, then the numbers of `Expression`.
UNARY: dict[str, Callable[..., Array]] = {
    "Relu": lambda x: np.maximum(x, 0),
    "LeakyRelu": lambda x, slope: np.where(x > 0, x, x * slope),
    "PRelu": lambda x, slope: np.where(x > 0, x, x * slope),
    "Elu": _elu,
    "Selu": _selu,
    "Celu": lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(np.minimum(x / alpha, 0))),
    "Sigmoid": _sigmoid,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": lambda x: x * _hard_sigmoid(x),
    "Swish": lambda x, alpha: x * _sigmoid(alpha * x),
    "Tanh": np.tanh,
    "Softplus": _softplus,
    "Softsign": lambda x: x / (1 + abs(x)),
    "Gelu": _gelu,
    "Mish": lambda x: x * np.tanh(_softplus(x)),
    "Erf": _erf,
    "Clip": _clip,
    "Exp": np.exp,
    "Log": np.log,
    "Sqrt": np.sqrt,
    "Abs": abs,
    "Neg": lambda x: -x,
    "Reciprocal": lambda x: 1 / x,
    "Max": np.maximum,
    "Min": np.minimum,
    "Pow": np.power,
    "Add": lambda a, b: a + b,
    "Sub": lambda a, b: a - b,
    "Mul": lambda a, b: a * b,
    "Div": lambda a, b: a / b,
}
