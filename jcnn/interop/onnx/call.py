"""One operation of an ONNX program with its inputs, checked when they are asked for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from jcnn.interop.onnx.decode import OnnxOperation
from jcnn.interop.onnx.functions import ITSELF, MOST_STEPS, Expression
from jcnn.interop.onnx.graph import Builder
from jcnn.interop.onnx.values import NCHW, Shape, Value, shown_shape, value_of

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Constant:
    """A known array; `stored` says that it is one of the file's, not computed."""

    array: Array
    name: str = ""
    stored: bool = False


@dataclass(frozen=True)
class Call:
    """A node of the file with its inputs, as the table of operations takes it."""

    node: OnnxOperation
    label: str
    inputs: Sequence[Value | Constant | None]
    opset: int
    to: Builder
    fixed: int | None = None
    """The number of images, in a file for one number only."""

    def value(self, number: int = 0) -> Value:
        """An input that depends on the images."""
        found = self.inputs[number] if number < len(self.inputs) else None
        if not isinstance(found, Value):
            raise ValueError(f"input {number}: is a constant; accepted: what images give")
        return found

    def constant(self, number: int) -> Constant | None:
        """An input that does not depend on the images; None if there is none."""
        found = self.inputs[number] if number < len(self.inputs) else None
        if isinstance(found, Value):
            raise ValueError(f"input {number}: depends on the images; accepted: a constant")
        return found

    def known(self, number: int) -> Array | None:
        """The numbers of such an input."""
        found = self.constant(number)
        return None if found is None else found.array

    def floats(self, number: int, shape: Shape | None = None) -> Array:
        """The weights of a layer.

        Raises:
            ValueError: they are missing, have another shape, or are integers.
        """
        array = self.known(number)
        if array is None:
            raise ValueError(f"input {number}: is missing; accepted: an array")
        if shape is not None and array.shape != shape:
            raise ValueError(f"input {number}: has shape {array.shape}; expected {shape}")
        return self.as_float32(array)

    def as_float32(self, array: Array) -> Array:
        """An array of weights in the dtype that jcnn keeps them in."""
        if array.dtype == np.float32:
            return array
        if array.dtype.name not in ("float16", "bfloat16", "float64"):
            raise ValueError(f"has weights of {array.dtype}; accepted: floating-point numbers")
        self.to.notes[f"weights are {array.dtype} in the file, and float32 here"] = None
        return array.astype(np.float32)

    def number(self, name: str, default: float) -> float:
        """An attribute that is a number."""
        found = self.node.attributes.get(name, default)
        if not isinstance(found, int | float):
            raise ValueError(f"{name}: got {str(found)[:60]!r}; accepted: a number")
        return found

    def whole(self, name: str, default: int) -> int:
        """An attribute that is an int."""
        found = self.node.attributes.get(name, default)
        if not isinstance(found, int):
            raise ValueError(f"{name}: got {str(found)[:60]!r}; accepted: an int")
        return found

    def text(self, name: str, default: str) -> str:
        """An attribute that is a text."""
        found = self.node.attributes.get(name, default)
        if not isinstance(found, str):
            raise ValueError(f"{name}: got {str(found)[:60]!r}; accepted: a text")
        return found

    def numbers(self, name: str, default: Sequence[int]) -> tuple[int, ...]:
        """An attribute that is a list of ints, as many as the default has."""
        found = self.node.attributes.get(name, default)
        if not isinstance(found, list | tuple) or len(found) != len(default):
            raise ValueError(f"{name}: got {str(found)[:60]!r}; accepted: {len(default)} ints")
        return tuple(int(one) for one in found)

    def map(self, number: int = 0) -> str:
        """The node of an input `(N, C, H, W)`."""
        value = self.value(number)
        if len(value.axes) != 4:
            raise ValueError(f"of {shown_shape(value.shape)}; accepted: (N, C, H, W)")
        return self.to.arranged(value, NCHW)

    def maps(self, key: str) -> Value:
        """The value `(N, C, H, W)` of a node."""
        return value_of(key, self.to.shape(key), NCHW)


def stepped(kind: str, name: str, operands: Sequence[Any], numbers: Sequence[float] = ()) -> Value:
    """A value and what is still to be computed of it.

    Args:
        kind: ONNX's operation.
        name: of the node.
        operands: numbers, and values of one node with the same axes.
        numbers: further ones of the operation.
    """
    base = next(one for one in operands if isinstance(one, Value))
    parts = tuple(
        (one.expression or ITSELF) if isinstance(one, Value) else float(one) for one in operands
    )
    steps = 1 + sum(one.steps for one in parts if isinstance(one, Expression))
    made = Expression(kind, parts, tuple(numbers), name, steps)
    return replace(base, expression=made)


def is_short(*values: Value) -> bool:
    """Whether what is still to be computed may grow."""
    return sum(one.expression.steps if one.expression else 0 for one in values) < MOST_STEPS
