"""Computes the parts of an ONNX program that do not depend on the images' numbers.

Sizes that depend on the number of images are `Images` in arrays of objects.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from jcnn.interop.onnx.decode import DTYPES, OnnxOperation, OnnxTensor
from jcnn.interop.onnx.values import Images, Sizes

Array = npt.NDArray[Any]

_FREE = 2**20  # results up to this size are always computed


class Folder:
    """Computes operations of constants; what it makes together has a limit.

    Args:
        opset: version of ONNX's operations.
        known: how many numbers the file has.
    """

    def __init__(self, opset: int, known: int) -> None:
        self.opset = opset
        self.left = 4 * known + 32 * _FREE

    def __call__(self, node: OnnxOperation, arrays: Sequence[Array | None]) -> list[Array]:
        """The outputs of a node.

        Raises:
            ValueError: an argument does not fit, or a result would be too large.
        """
        shapes = [array.shape for array in arrays if array is not None]
        if node.kind in _BROADCAST:
            self._take(np.broadcast_shapes(*shapes))
        elif node.kind in ("ConstantOfShape", "Expand"):
            sizes = ints(arrays[-1])
            self._take(np.broadcast_shapes(*shapes[:-1], sizes))
        elif node.kind == "Gather":
            data, indices = shapes
            self._take((*data, *indices))  # not more than this
        else:
            self._take((sum(array.size for array in arrays if array is not None),))
        with np.errstate(all="ignore"):
            return [np.asarray(FOLDS[node.kind](node, *arrays))]

    def _take(self, shape: Sequence[int]) -> None:
        size = 1
        for one in shape:
            size *= max(one, 1)
        self.left -= size
        if min(shape, default=0) < 0 or self.left < 0:
            raise ValueError(f"computes an array of {tuple(shape)}, more than the file has")


def shape_array(sizes: Sizes) -> Array:
    """An array of sizes, as the operation Shape gives it."""
    if all(isinstance(size, int) for size in sizes):
        return np.array(sizes, np.int64)
    made = np.empty(len(sizes), object)
    made[:] = sizes
    return made


def sizes_of(array: Array | None) -> list[int | Images]:
    """The numbers of an array of sizes."""
    if array is None or array.ndim > 1 or array.size > 16:
        raise ValueError("sizes: accepted: up to 16 known numbers")
    found: list[int | Images] = []
    for one in array.reshape(-1).tolist():
        if not isinstance(one, Images) and (isinstance(one, str) or int(one) != one):
            raise ValueError(f"sizes: got {one!r}")
        found.append(one if isinstance(one, Images) else int(one))
    return found


def ints(array: Array | None) -> tuple[int, ...]:
    """The numbers of an array of sizes that do not depend on the number of images."""
    found = sizes_of(array)
    if any(isinstance(one, Images) for one in found):
        raise ValueError("sizes: depend on the number of images")
    return tuple(one for one in found if isinstance(one, int))


def axes_of(node: OnnxOperation, given: Array | None) -> tuple[int, ...] | None:
    """The axes of an operation: an attribute in old versions, an input in new ones."""
    if given is not None:
        return ints(given)
    listed = node.attributes.get("axes")
    return None if listed is None else tuple(int(axis) for axis in listed)


def axis_of(axis: int, rank: int) -> int:
    """An axis from 0."""
    if not -rank <= axis < rank:
        raise ValueError(f"axis: got {axis} for {rank} axes")
    return axis % rank


# --- operations -----------------------------------------------------------------------------------


def _constant(node: OnnxOperation) -> Array:
    for name, value in node.attributes.items():
        if name == "value" and isinstance(value, OnnxTensor):
            return value.array()
        if name in ("value_int", "value_ints"):
            return np.array(value, np.int64)
        if name in ("value_float", "value_floats"):
            return np.array(value, np.float32)
    raise ValueError("has no numbers")


def _constant_of_shape(node: OnnxOperation, sizes: Array) -> Array:
    value = node.attributes.get("value")
    fill = value.array().reshape(-1) if isinstance(value, OnnxTensor) else np.zeros(1, np.float32)
    if fill.size != 1:
        raise ValueError(f"value: got {fill.size} numbers; accepted: one")
    return np.full(ints(sizes), fill[0], fill.dtype)


def _cast(node: OnnxOperation, array: Array) -> Array:
    kind = node.attributes.get("to")
    if kind not in DTYPES:
        raise ValueError(f"to: got the data type {kind}")
    return array if array.dtype == object else array.astype(DTYPES[kind])


def _reshape(node: OnnxOperation, array: Array, sizes: Array) -> Array:
    target = list(ints(sizes))
    if not node.attributes.get("allowzero"):
        target = [array.shape[k] if size == 0 else size for k, size in enumerate(target)]
    return array.reshape(target)


def _transpose(node: OnnxOperation, array: Array) -> Array:
    order = node.attributes.get("perm")
    return array.transpose() if order is None else array.transpose(order)


def _squeeze(node: OnnxOperation, array: Array, axes: Array | None = None) -> Array:
    found = axes_of(node, axes)
    return array.squeeze(found)


def _unsqueeze(node: OnnxOperation, array: Array, axes: Array | None = None) -> Array:
    return np.expand_dims(array, axes_of(node, axes) or ())


def _concat(node: OnnxOperation, *arrays: Array) -> Array:
    return np.concatenate(arrays, node.attributes.get("axis", 0))


def _gather(node: OnnxOperation, array: Array, indices: Array) -> Array:
    return np.take(array, indices.astype(np.int64), node.attributes.get("axis", 0))


def slices_of(
    node: OnnxOperation, rank: int, arrays: Sequence[Array | None]
) -> dict[int, tuple[int, int, int]]:
    """Start, stop and step of each axis that a Slice cuts, as the file has them."""
    listed: list[tuple[int, ...] | None] = [
        None if name not in node.attributes else tuple(node.attributes[name])
        for name in ("starts", "ends", "axes")
    ] + [None]
    for number, array in enumerate(arrays):
        listed[number] = None if array is None else ints(array)
    starts, stops, axes, steps = listed
    if starts is None or stops is None:
        raise ValueError("starts and ends: are missing")
    axes = tuple(range(len(starts))) if axes is None else axes
    steps = (1,) * len(starts) if steps is None else steps
    return {
        axis_of(axis, rank): (start, stop, step)
        for axis, start, stop, step in zip(axes, starts, stops, steps, strict=True)
    }


def _slice(node: OnnxOperation, array: Array, *rest: Array | None) -> Array:
    cut = [slice(None)] * array.ndim
    for axis, (start, stop, step) in slices_of(node, array.ndim, rest).items():
        # A stop far below 0 means the beginning, going backwards.
        cut[axis] = slice(start, None if step < 0 and stop < -array.shape[axis] else stop, step)
    return array[tuple(cut)]


def _divide(node: OnnxOperation, a: Array, b: Array) -> Array:
    if a.dtype == object or b.dtype == object:
        return np.asarray(a // b)
    if a.dtype.kind in "iu":
        return np.asarray(np.trunc(a / np.where(b == 0, 1, b)).astype(a.dtype))
    return np.asarray(a / b)


def _product(node: OnnxOperation, array: Array, axes: Array | None = None) -> Array:
    found = axes_of(node, axes)
    keep = bool(node.attributes.get("keepdims", 1))
    return np.asarray(np.prod(array, axis=found, keepdims=keep))


def _by(function: Callable[..., Any]) -> Callable[..., Array]:
    return lambda node, *arrays: np.asarray(function(*arrays))


_BROADCAST = ("Add", "Sub", "Mul", "Div", "Pow", "Min", "Max", "Equal", "Where", "Mod")

FOLDS: dict[str, Callable[..., Array]] = {
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Identity": lambda node, array: array,
    "Cast": _cast,
    "Reshape": _reshape,
    "Transpose": _transpose,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Concat": _concat,
    "Gather": _gather,
    "Slice": _slice,
    "Expand": lambda node, array, sizes: array * np.ones(ints(sizes), array.dtype),
    "ReduceProd": _product,
    "Shape": lambda node, array: np.array(array.shape, np.int64),
    "Add": _by(lambda a, b: a + b),
    "Sub": _by(lambda a, b: a - b),
    "Mul": _by(lambda a, b: a * b),
    "Div": _divide,
    "Pow": _by(lambda a, b: (a**b).astype(a.dtype)),
    "Min": _by(lambda *arrays: np.minimum.reduce(arrays)),
    "Max": _by(lambda *arrays: np.maximum.reduce(arrays)),
    "Equal": _by(lambda a, b: a == b),
    "Where": _by(np.where),
    "Mod": lambda node, a, b: np.fmod(a, b) if node.attributes.get("fmod") else np.mod(a, b),
    "Neg": _by(lambda a: -a),
    "Sqrt": _by(np.sqrt),
    "Reciprocal": _by(lambda a: 1 / a),
    "Floor": _by(np.floor),
    "Ceil": _by(np.ceil),
}
