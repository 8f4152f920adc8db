"""The equations of a traced model, without nested programs, and the values of its constants."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal, Primitive

# Equations whose result is the result of the program inside them.
_NESTED = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "custom_vjp_call_jaxpr": "fun_jaxpr",
    "remat": "jaxpr",
    "remat2": "jaxpr",
    "checkpoint": "jaxpr",
}
# Equations that change no number.
_UNCHANGED = ("copy", "copy_p", "stop_gradient", "optimization_barrier", "sharding_constraint")


@dataclass(frozen=True, eq=False)
class Value:
    """A number or an array of the program; `constant` is its value where it is known."""

    shape: tuple[int, ...]
    dtype: Any
    constant: Any = None


@dataclass(frozen=True, eq=False)
class Equation:
    """One equation: `output = primitive(*inputs, **params)`.

    Attributes:
        layer: path of the module whose call it is part of; "" for the model itself.
        call: which call of this module it is part of, from 1.
        line: file and line of the first frame outside JAX, Flax and jcnn; "" if there is none.
    """

    primitive: str
    params: dict[str, Any]
    inputs: tuple[Value, ...]
    output: Value
    layer: str
    call: int
    line: str
    bind: Primitive


class Program:
    """Equations in order, and which of them gives each value.

    Args:
        closed: the traced program.
        given: values of its first inputs, which count as constants.
    """

    def __init__(self, closed: ClosedJaxpr, given: Sequence[Any] = ()) -> None:
        self.equations: list[Equation] = []
        self._known: dict[Value, Any] = {}
        avals: list[Any] = list(closed.in_avals)
        known = [*given, *[None] * (len(avals) - len(given))]
        inputs = [
            Value(tuple(aval.shape), aval.dtype, constant)
            for aval, constant in zip(avals, known, strict=True)
        ]
        outputs = self._inline(closed.jaxpr, inputs, _constants(closed))
        self.inputs, self.outputs = inputs[len(given) :], outputs
        self._producer = {equation.output: equation for equation in self.equations}
        self._constant: set[Value] = set()
        for equation in self.equations:
            if all(self.is_constant(value) for value in equation.inputs):
                self._constant.add(equation.output)

    def by(self, value: Value) -> Equation | None:
        """The equation that gives a value."""
        return self._producer.get(value)

    def is_constant(self, value: Value) -> bool:
        """Whether a value does not depend on the program's inputs."""
        return value.constant is not None or value in self._constant

    def constant(self, value: Value) -> Any:
        """The value of a constant; it is computed if it is the result of equations."""
        if value.constant is not None:
            return value.constant
        if value not in self._known:
            equation = self.by(value)
            assert equation is not None
            operands = [self.constant(one) for one in equation.inputs]
            result = equation.bind.bind(*operands, **equation.params)
            self._known[value] = result[0] if equation.bind.multiple_results else result
        return self._known[value]

    def _inline(
        self,
        jaxpr: Jaxpr,
        inputs: Sequence[Value],
        constants: Sequence[Value],
    ) -> list[Value]:
        values = _Values(zip([*jaxpr.invars, *jaxpr.constvars], [*inputs, *constants], strict=True))
        for eqn in jaxpr.eqns:
            name = eqn.primitive.name
            operands = [values.of(atom) for atom in eqn.invars]
            if name in _NESTED:
                inner = eqn.params[_NESTED[name]]
                closed = isinstance(inner, ClosedJaxpr)
                body, consts = (inner.jaxpr, _constants(inner)) if closed else (inner, [])
                results = self._inline(body, operands, consts)
                values.update(zip(eqn.outvars, results, strict=True))
            elif name in _UNCHANGED or _is_same_type(eqn):
                values.update(zip(eqn.outvars, operands, strict=True))
            else:
                for i, var in enumerate(eqn.outvars):
                    aval: Any = var.aval
                    values[var] = Value(tuple(aval.shape), aval.dtype)
                    self.equations.append(
                        Equation(
                            name if len(eqn.outvars) == 1 else f"{name}[{i}]",
                            dict(eqn.params),
                            tuple(operands),
                            values[var],
                            *_layer(str(eqn.source_info.name_stack)),
                            _line(eqn.source_info.traceback),
                            eqn.primitive,
                        )
                    )
        return [values.of(atom) for atom in jaxpr.outvars]


class _Values(dict[Any, Value]):
    """The value of each variable of a program."""

    def of(self, atom: Any) -> Value:
        if isinstance(atom, Literal):
            aval: Any = atom.aval
            return Value(tuple(aval.shape), aval.dtype, np.asarray(atom.val))
        return self[atom]


def _constants(closed: ClosedJaxpr) -> list[Value]:
    return [Value(tuple(np.shape(c)), jnp.result_type(c), c) for c in closed.consts]


def _is_same_type(eqn: Any) -> bool:
    if eqn.primitive.name != "convert_element_type":
        return False
    return bool(eqn.invars[0].aval.dtype == eqn.outvars[0].aval.dtype)


def _layer(scopes: str) -> tuple[str, int]:
    """The path of the innermost module of a name stack, and the number of its call."""
    found = re.findall(r"\[([^\]]*)\]\((\d+)\)", scopes)
    return "/".join(inner for inner, _ in found), int(found[-1][1]) if found else 1


def _line(traceback: Any) -> str:
    if traceback is None:
        return ""
    for frame in traceback.frames:
        parts = frame.file_name.replace("\\", "/").split("/")
        if not {"jax", "flax", "jcnn", "jaxlib"} & set(parts[:-1]):
            return f"{parts[-1]}:{frame.line_num}"
    return ""


def traced(function: Any, *shapes: tuple[int, ...], dtype: Any = jnp.float32) -> Program:
    """The program of a function of arrays."""
    examples = [jax.ShapeDtypeStruct(shape, dtype) for shape in shapes]
    with jax.disable_jit():
        return Program(jax.make_jaxpr(function)(*examples))
