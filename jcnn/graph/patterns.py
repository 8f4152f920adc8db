"""Find a function in a program: the equations that compute a value, compared with its own."""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jcnn.graph.program import Program, Value, traced

Function = Callable[..., jax.Array]

_COMMUTATIVE = ("add", "mul", "max", "min")

# Functions of one array, each in the ways in which it is usually written.
FUNCTIONS: dict[str, tuple[Function, ...]] = {
    "relu": (jax.nn.relu, lambda x: jnp.maximum(x, 0), lambda x: jnp.where(x > 0, x, 0)),
    "relu6": (jax.nn.relu6, lambda x: jnp.clip(x, 0, 6)),
    "sigmoid": (jax.nn.sigmoid,),
    "tanh": (jnp.tanh,),
    "silu": (jax.nn.silu,),
    "gelu": (functools.partial(jax.nn.gelu, approximate=False),),
    "gelu_tanh": (jax.nn.gelu,),
    "softplus": (jax.nn.softplus,),
    "elu": (jax.nn.elu,),
    "selu": (jax.nn.selu,),
    "mish": (jax.nn.mish,),
    "hard_sigmoid": (jax.nn.hard_sigmoid,),
    "hard_swish": (jax.nn.hard_swish,),
    "softmax": (jax.nn.softmax,),
}
# Functions with one number, which is read from the program: its name, and the functions.
WITH_NUMBER: dict[str, tuple[str, tuple[Function, ...]]] = {
    "leaky_relu": (
        "slope",
        (jax.nn.leaky_relu, lambda x, slope: jnp.where(x > 0, x, x * slope)),
    ),
    "elu": ("alpha", (jax.nn.elu,)),
}
# Means and maxima over height and width, and whether these axes stay, with size 1.
OVER_SPACE: dict[tuple[str, bool], tuple[Function, ...]] = {
    ("global_average_pool", False): (lambda x: jnp.mean(x, (1, 2)),),
    ("global_average_pool", True): (lambda x: jnp.mean(x, (1, 2), keepdims=True),),
    ("global_max_pool", False): (lambda x: jnp.max(x, (1, 2)),),
    ("global_max_pool", True): (lambda x: jnp.max(x, (1, 2), keepdims=True),),
}


class Found(NamedTuple):
    """A function in a program: its name, its settings, its input, and how it is written."""

    name: str
    settings: dict[str, Any]
    x: Value
    function: Function


def function_of(program: Program, value: Value) -> Found | None:
    """The function that gives `value`; None for none."""
    last = program.by(value)
    assert last is not None
    dtype = str(value.dtype)
    for name, ways in FUNCTIONS.items():
        for way in ways:
            x = _matches(program, value, way, last.primitive, value.shape, dtype)
            if x is not None:
                return Found(name, {}, x, way)
    for name, (number, ways) in WITH_NUMBER.items():
        for found in _numbers(program, value):
            for way in ways:
                one = with_number(way, found)
                x = _matches(program, value, one, last.primitive, value.shape, dtype)
                if x is not None:
                    return Found(name, {number: found}, x, one)
    return None


@functools.lru_cache(256)
def with_number(function: Function, number: float) -> Function:
    """The function with its number; the same object for the same two."""
    return lambda x: function(x, number)


def pooling_of(program: Program, value: Value) -> Found | None:
    """The mean or maximum over height and width that gives `value`; None for none."""
    last = program.by(value)
    assert last is not None
    for operand in _four_axes(program, value):
        for (name, keepdims), ways in OVER_SPACE.items():
            for way in ways:
                dtype = str(value.dtype)
                x = _matches(program, value, way, last.primitive, operand.shape, dtype)
                if x is not None:
                    return Found(name, {"keepdims": keepdims}, x, way)
    return None


def _matches(
    program: Program, value: Value, function: Function, last: str, shape: Any, dtype: str
) -> Value | None:
    """The input from which `function` gives `value`, or None."""
    # The last equation alone excludes most functions; it does not depend on the shape.
    if _last(function, len(shape), dtype) != last:
        return None
    template = _template(function, shape, dtype)
    bound: dict[Value, Value] = {}
    if template.outputs[0].shape != value.shape:
        return None
    if not _unify(template, template.outputs[0], program, value, bound):
        return None
    return bound.get(template.inputs[0])


@functools.lru_cache(1024)
def _last(function: Function, rank: int, dtype: str) -> str | None:
    """The primitive of a function's last equation; None if it takes no such array."""
    try:
        template = _template(function, (7, *range(2, rank + 1)), dtype)
    except (TypeError, ValueError, IndexError):
        return None
    last = template.by(template.outputs[0])
    return None if last is None else last.primitive


@functools.lru_cache(4096)
def _template(function: Function, shape: tuple[int, ...], dtype: str) -> Program:
    return traced(function, shape, dtype=dtype)


def _unify(
    template: Program, t: Value, program: Program, g: Value, bound: dict[Value, Value]
) -> bool:
    """Whether `g` is computed as `t` is; binds the template's inputs to values."""
    if t is template.inputs[0]:
        if g.shape != t.shape or program.is_constant(g):
            return False
        return bound.setdefault(t, g) is g
    if template.is_constant(t):
        known = program.is_constant(g) and g.shape == t.shape
        return known and np.array_equal(template.constant(t), program.constant(g))
    if t in bound:
        return bound[t] is g
    ours, theirs = template.by(t), program.by(g)
    if ours is None or theirs is None or ours.primitive != theirs.primitive:
        return False
    if len(ours.inputs) != len(theirs.inputs) or not _same(ours.params, theirs.params):
        return False
    orders = [theirs.inputs]
    if ours.primitive in _COMMUTATIVE:
        orders.append(theirs.inputs[::-1])
    for order in orders:
        trial = dict(bound)
        pairs = zip(ours.inputs, order, strict=True)
        if all(_unify(template, a, program, b, trial) for a, b in pairs):
            bound.update(trial)
            bound[t] = g
            return True
    return False


def _same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return a.keys() == b.keys() and all(bool(a[key] == b[key]) for key in a)


def _cone(program: Program, value: Value, depth: int) -> Iterator[Value]:
    """The values from which `value` is computed, at most `depth` equations before it."""
    equation = program.by(value)
    if equation is None or depth == 0:
        return
    for operand in equation.inputs:
        yield operand
        yield from _cone(program, operand, depth - 1)


def _numbers(program: Program, value: Value) -> list[float]:
    """The numbers, other than 0 and 1, among the last few equations that give `value`."""
    found: list[float] = []
    for one in _cone(program, value, 4):
        if one.shape == () and one.constant is not None and isinstance(one.constant, np.ndarray):
            number = float(f"{float(one.constant):.7g}")
            if number not in (0.0, 1.0, *found):
                found.append(number)
    return found


def _four_axes(program: Program, value: Value) -> list[Value]:
    """The images among the last few values from which `value` is computed."""
    return [v for v in _cone(program, value, 4) if len(v.shape) == 4 and 1 not in v.shape[1:3]]
