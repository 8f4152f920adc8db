"""Builds a graph from the operations of an ONNX program, as they are read one by one."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np
import numpy.typing as npt

from jcnn.graph import INPUT, Node
from jcnn.graph.shapes import shaped
from jcnn.interop.onnx.functions import ITSELF, Expression, recognised
from jcnn.interop.onnx.labels import label_of_array
from jcnn.interop.onnx.values import (
    BATCH,
    NCHW,
    NHWC,
    Shape,
    Value,
    check_size,
    copy_sizes,
    groups_of,
    in_order,
    shown_shape,
    value_of,
)

Array = npt.NDArray[Any]

# Which of a layer's arrays an operation after it may be: a sum the bias, a product the scale.
_NORMS = ("group_norm", "layer_norm")
_FUSED = {"bias": ("conv", "depthwise_conv", "conv_transpose", "dense", *_NORMS), "scale": _NORMS}
_LINEAR = ("conv", "depthwise_conv", "dense")


class Builder:
    """The nodes so far, and what turns values into their inputs.

    Args:
        input_shape: `(H, W, C)` of the images.
        own: whether jcnn wrote the file, so that its names and arrays are taken as they are.
        with_arrays: whether arrays are kept; otherwise they stand for their shapes.
    """

    def __init__(self, input_shape: Shape, *, own: bool, with_arrays: bool) -> None:
        check_size(*input_shape)
        self.input_shape = input_shape
        self.nodes: dict[str, Node] = {}
        self.labels: dict[str, str] = {}
        self.notes: dict[str, None] = {}  # in the order of finding, each once
        self._own, self._with_arrays = own, with_arrays
        self._settled: dict[tuple[str, int], tuple[Expression, Value]] = {}
        self._read: set[str] = set()

    def shape(self, node: str) -> Shape:
        """Of a node's output, without the batch axis."""
        return self.input_shape if node == INPUT else self.nodes[node].shape

    def add(
        self,
        label: str,
        kind: str,
        inputs: Sequence[str],
        settings: Mapping[str, Any] | None = None,
        arrays: Mapping[str, Array] | None = None,
        *,
        channels: int = 0,
        stored: bool = False,
    ) -> str:
        """Add a node; its key.

        Args:
            label: its name, if it is free in the end.
            kind, inputs, settings, arrays: of the node.
            channels: of its output, for convolutions.
            stored: whether its constant is trained.
        """
        key = f"#{len(self.labels)}"
        kept = {role: self._kept(array) for role, array in (arrays or {}).items()}
        paths = {"constant": f"{key}/constant"} if stored else {}
        start = (0, 0, channels)
        node = Node(key, kind, dict(settings or {}), tuple(inputs), kept, start, paths)
        shapes = [self.shape(one) for one in inputs]
        # Tracing takes its time.
        if kind in ("activation", "dropout", "batch_norm"):
            node = replace(node, shape=shapes[0])
        elif kind in ("add", "multiply", "divide"):
            both = (*shapes, *(array.shape for array in kept.values()))
            node = replace(node, shape=np.broadcast_shapes(*both))
        else:
            node = shaped(node, shapes)
        check_size(*node.shape)
        self.nodes[key], self.labels[key] = node, label
        self._read.update(inputs)
        return key

    def _kept(self, array: Array) -> Any:
        if not self._with_arrays:
            return array
        # A copy: the file may change or go.
        return jax.device_put(np.array(array, np.float32, order="C"))

    # --- values -----------------------------------------------------------------------------------

    def settled(self, value: Value) -> Value:
        """With everything computed that it still says is to be computed.

        Raises:
            ValueError: jcnn has no such function.
        """
        if value.ending:
            kind, label = value.ending
            if kind != "Softmax":
                raise ValueError(f"reads a {kind}; accepted: at the end of the model")
            key = self.add(label, "activation", [value.node], {"function": "softmax"})
            return replace(value, node=key, ending=None)
        if value.expression is None:
            return value
        expression = value.expression
        known = self._settled.get((value.node, id(expression)))
        if known is not None:  # the factors and axes may be others
            return replace(value, node=known[1].node, expression=None)
        made = self._function(replace(value, expression=None), expression)
        self._settled[value.node, id(expression)] = (expression, made)
        return made

    def _function(self, value: Value, expression: Expression) -> Value:
        found = recognised(expression)
        if found is not None:
            start, name, numbers = found
            base = self.settled(replace(value, expression=_or_none(start)))
            if not name:
                return base
            settings = {"function": name, **numbers}
            label = expression.name
            if not self._own and "/" not in label:  # such as "Mul_2"
                label = f"{self.labels.get(base.node, 'input')} {name}"
            return replace(base, node=self.add(label, "activation", [base.node], settings))
        operands: list[Value | float] = [
            self.settled(replace(value, expression=_or_none(one)))
            if isinstance(one, Expression)
            else one
            for one in expression.operands
        ]
        if len(operands) != 2 or expression.kind not in ("Add", "Sub", "Mul", "Div"):
            raise ValueError(
                f"{expression.kind} of {expression.name!r} is no function that jcnn has, alone or "
                "with the operations around it"
            )
        first, second = operands
        if not isinstance(second, Value):
            assert isinstance(first, Value)
            node = self.by_constant(expression, first.node, np.float32(second))
        elif not isinstance(first, Value):
            node = self.to_constant(expression, np.float32(first), second.node)
        else:
            node = self.between(expression, first.node, second.node)
        return replace(value, node=node)

    def between(self, how: Expression, first: str, second: str) -> str:
        """A sum, difference, product or quotient of two nodes."""
        if how.kind == "Sub":
            second = self.add(how.name, "multiply", [second], arrays={"constant": np.array(-1.0)})
        kind = {"Add": "add", "Sub": "add", "Mul": "multiply", "Div": "divide"}[how.kind]
        return self.add(how.name, kind, [first, second])

    def by_constant(self, how: Expression, node: str, array: Any, *, stored: bool = False) -> str:
        """A node plus, minus, times or divided by an array."""
        array = -array if how.kind == "Sub" else array
        kind = {"Add": "add", "Sub": "add", "Mul": "multiply", "Div": "divide"}[how.kind]
        arrays = {"constant": np.asarray(array)}
        return self.add(how.name, kind, [node], arrays=arrays, stored=stored)

    def to_constant(self, how: Expression, array: Any, node: str) -> str:
        """An array plus, minus or times a node."""
        if how.kind == "Div":
            raise ValueError("divides by an array of the images")
        if how.kind == "Sub":
            node = self.add(how.name, "multiply", [node], arrays={"constant": np.array(-1.0)})
        kind = "Mul" if how.kind == "Mul" else "Add"
        return self.by_constant(Expression(kind, name=how.name), node, array)

    def arranged(self, value: Value, layout: Sequence[int]) -> str:
        """A node whose axes are those of a value in the order of `layout`.

        Raises:
            ValueError: no reshaping of its node gives this order.
        """
        value = self.settled(value)
        if not in_order(value, layout):
            raise ValueError(
                f"needs the axes of {shown_shape(value.shape)} in an order "
                "that would move channels or pixels"
            )
        target = tuple(int(size) for size in self._sizes(value, layout))
        have = self.shape(value.node)
        if have == target:
            return value.node
        if len(target) == 1:
            return self.vector(value)
        label = value.label or f"{self.labels.get(value.node, 'input')} reshape"
        return self.add(label, "reshape", [value.node], {"shape": target})

    def _sizes(self, value: Value, layout: Sequence[int]) -> list[int]:
        sizes = value.shape
        return [size for axis in layout if isinstance(size := sizes[axis], int)]

    def repeated(self, value: Value) -> Value:
        """With the copies of rows and columns made, as an enlargement.

        Raises:
            ValueError: other axes are repeated, or as a whole rather than each cell.
        """
        if not value.copies:
            return value
        own = tuple(tuple(one for one in axis if one >= BATCH) for axis in value.axes)
        base = replace(value, axes=own, copies=())
        layout = self.layout(base)
        sizes = copy_sizes(value.copies)
        added = [axis[len(kept) :] for axis, kept in zip(value.axes, own, strict=True)]
        after = all(
            axis == (*kept, *more) for axis, kept, more in zip(value.axes, own, added, strict=True)
        )
        outside = [axis for axis, more in enumerate(added) if more and axis not in layout[:2]]
        if len(layout) != 3 or outside or not after:
            raise ValueError(f"repeats {shown_shape(base.shape)} to {shown_shape(value.shape)}")
        rows, columns = (math.prod(sizes[one] for one in added[axis]) for axis in layout[:2])
        node = self.arranged(base, layout)
        check_size(rows, columns, *self.shape(node))
        label = f"{self.labels.get(node, 'input')} upsample"
        settings = {"size": (rows, columns), "interpolation": "nearest"}
        key = self.add(label, "upsample", [node], settings)
        return value_of(key, self.shape(key), layout)

    def vector(self, value: Value) -> str:
        """A node with one axis, in the order of the node's own axes."""
        value = self.settled(value)
        node = self.nodes.get(value.node)
        if len(self.shape(value.node)) == 1:
            return value.node
        if node is not None and node.settings.get("keepdims") and value.node not in self._read:
            # Nothing has used the two axes of size 1 of this global pooling.
            self.nodes[value.node] = replace(
                node, settings={"keepdims": False}, shape=node.shape[-1:]
            )
            return value.node
        label = value.label or f"{self.labels.get(value.node, 'input')} flatten"
        return self.add(label, "flatten", [value.node])

    def layout(self, *values: Value) -> Sequence[int]:
        """Where height, width and channels are, in values of four axes; else their order.

        Raises:
            ValueError: their axes are in no order that jcnn has.
        """
        rank = len(values[0].axes)
        if any(len(value.axes) != rank for value in values):
            raise ValueError(f"of {', '.join(shown_shape(value.shape) for value in values)}")
        orders = (NCHW, NHWC) if rank == 4 else (tuple(range(1, rank)),)
        good = [order for order in orders if all(in_order(value, order) for value in values)]
        if not good:
            raise ValueError(
                f"needs the axes of {shown_shape(values[0].shape)} in an order "
                "that would move channels or pixels"
            )
        whole = [
            sum(self.shape(value.node) == tuple(self._sizes(value, order)) for value in values)
            for order in good
        ]
        return good[whole.index(max(whole))]

    def channels(self, value: Value, axis: int) -> tuple[Value, tuple[int, ...]]:
        """A value whose axis is the last one of its node, and the factors of that axis.

        Raises:
            ValueError: the axis is another one of the node's.
        """
        value = self.settled(value)
        factors = value.axes[axis]
        last = groups_of(value, self.shape(value.node))[-1]
        if set(factors) == set(last):
            return value, factors
        if set(factors) == set(range(len(value.factors))):
            return replace(value, node=self.vector(value)), factors
        raise ValueError(f"works along axis {axis} of {shown_shape(value.shape)}, not on channels")

    def aligned(self, value: Value, array: Array) -> Array:
        """An array that is combined with a value, with the axes of the value's node."""
        sizes = (1,) * (len(value.axes) - array.ndim) + array.shape
        if len(sizes) != len(value.axes):
            raise ValueError(f"of {shown_shape(value.shape)} and an array of {array.shape}")
        dims, order = [], []
        for size, axis, whole in zip(sizes, value.axes, value.shape, strict=True):
            if size not in (1, whole):
                raise ValueError(f"of {shown_shape(value.shape)} and an array of {array.shape}")
            factors = [one for one in axis if one != BATCH]
            order += factors
            dims += [1 if size == 1 else value.factors[one] for one in factors]
        array = array.reshape(dims).transpose(np.argsort(order))
        shape = []
        for group, size in zip(
            groups_of(value, self.shape(value.node)), self.shape(value.node), strict=True
        ):
            same = all(array.shape[one] == 1 for one in group)
            shape.append(1 if same else size)
            full = [
                value.factors[k] if k in group and not same else n
                for k, n in enumerate(array.shape)
            ]
            array = np.broadcast_to(array, full)
        while shape and shape[0] == 1:
            del shape[0]
        return array.reshape(shape)

    def fused(self, kind: str, node: str, array: Array, name: str) -> bool:
        """Make an array part of the layer before it, if nothing else has read that layer.

        Args:
            kind: "Add", "Sub", "Mul" or "Div".
            node: of the layer.
            array: that is added to it, and so on, with the axes of the node.
            name: of the array in the file.
        """
        found = self.nodes.get(node)
        if found is None or node in self._read or (self._own and found.kind not in _NORMS):
            return False
        channels = found.shape[-1]
        if array.shape != (channels,) and (array.size, channels) != (1, 1):
            return False
        array = array.reshape(channels)
        role = {"Add": "bias", "Mul": "scale"}.get(kind, "")
        if found.kind in _FUSED.get(role, ()) and not {"bias", role} & set(found.arrays):
            made = {**found.arrays, role: self._kept(array)}
        elif found.kind in _LINEAR and not self._own and found.settings.get("groups", 1) == 1:
            made = self._folded(found, kind, array)
        else:
            return False
        self.nodes[node] = replace(found, arrays=made)
        if label := label_of_array(name):
            self.labels[node] = label
        return True

    def _folded(self, node: Node, kind: str, array: Array) -> dict[str, Any]:
        """The arrays of a linear layer whose results are scaled or shifted."""
        if not self._with_arrays:
            return {**node.arrays, "bias": array}
        kernel = np.asarray(node.arrays["kernel"])
        bias = np.asarray(node.arrays.get("bias", np.zeros_like(array)))
        if kind in ("Add", "Sub"):
            bias = bias + array if kind == "Add" else bias - array
        else:
            factor = 1 / array if kind == "Div" else array
            bias = bias * factor
            # The kernel of a depthwise convolution ends in its channels and the multiples of each.
            last = kernel.shape[2:] if node.kind == "depthwise_conv" else kernel.shape[-1:]
            kernel = kernel * factor.reshape(last)
        return {"kernel": self._kept(kernel), "bias": self._kept(bias)}


def _or_none(expression: Expression) -> Expression | None:
    return None if expression is ITSELF else expression
