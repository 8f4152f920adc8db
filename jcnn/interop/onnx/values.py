"""Arrays of an ONNX program as outputs of a graph's nodes, with other axes.

ONNX's maps are `(N, C, H, W)`, a graph's `(N, H, W, C)`. A value says of which factors of its
node's sizes each of its axes is made. Transpositions and most reshapings only change what it says.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from jcnn.interop.onnx.functions import Expression

Shape = tuple[int, ...]

# Numbers of an array of one image; more is most likely a damaged file.
LARGEST = 2**28

BATCH = -1  # the factor that is the number of images
NCHW, NHWC = (2, 3, 1), (1, 2, 3)  # where height, width and channels are


@dataclass(frozen=True)
class Images:
    """A size that depends on the number of images: `count` times as many."""

    count: int = 1

    def __mul__(self, other: Any) -> "Images":
        if not isinstance(other, int):
            raise ValueError("computes with the number of images in a way that jcnn has not")
        return Images(self.count * other)

    __rmul__ = __mul__

    def __floordiv__(self, other: Any) -> Any:
        if isinstance(other, Images) and other.count and self.count % other.count == 0:
            return self.count // other.count
        if isinstance(other, int) and other and self.count % other == 0:
            return Images(self.count // other)
        raise ValueError("computes with the number of images in a way that jcnn has not")


Sizes = tuple[int | Images, ...]


@dataclass(frozen=True)
class Value:
    """An array of the program.

    Attributes:
        node: name of a node of the graph.
        factors: of the sizes of the node's output in row-major order; none is 1.
        axes: the factors of each axis, by position, in row-major order; none for a size of 1.
        expression: what is still to be computed of each number.
        ending: "Softmax" or "LogSoftmax" and the name of its node, where it is still to be computed
            over the last axis of the node.
        label: name of the node of the last reshaping.
        shared: whether something else reads the node, too, now or later.
        copies: sizes of factors along which all numbers are the same; in `axes`, the first of them
            is -2, the second -3.
    """

    node: str
    factors: Shape
    axes: tuple[tuple[int, ...], ...]
    expression: Expression | None = None
    ending: tuple[str, str] | None = None
    label: str = ""
    shared: bool = False
    copies: Shape = ()

    @property
    def shape(self) -> Sizes:
        """The size of each axis."""
        return tuple(self._size(axis) for axis in self.axes)

    def _size(self, axis: tuple[int, ...]) -> int | Images:
        sizes = dict(enumerate(self.factors)) | copy_sizes(self.copies)
        known = math.prod(sizes[one] for one in axis if one != BATCH)
        return Images(known) if BATCH in axis else known


def copy_sizes(copies: Shape) -> dict[int, int]:
    """Sizes of copied factors by their numbers in `Value.axes`."""
    return {BATCH - 1 - place: size for place, size in enumerate(copies)}


def copied(value: Value, counts: Sequence[int]) -> Value:
    """With axes of size 1 repeated.

    Raises:
        ValueError: another axis is to be repeated.
    """
    axes, copies = list(value.axes), list(value.copies)
    for place, count in enumerate(counts):
        if count == 1:
            continue
        if axes[place] or count < 1:
            raise ValueError(f"repeats axis {place} of {shown_shape(value.shape)} {count} times")
        copies.append(count)
        axes[place] = (BATCH - len(copies),)
    return replace(value, axes=tuple(axes), copies=tuple(copies))


def value_of(node: str, shape: Shape, layout: Sequence[int] | None = None) -> Value:
    """The output of a node.

    Args:
        node: its name.
        shape: of its output, without the batch axis.
        layout: the axis of the program of each axis of the node; None keeps their order.
    """
    factors = tuple(size for size in shape if size != 1)
    places = iter(range(len(factors)))
    groups = [() if size == 1 else (next(places),) for size in shape]
    layout = range(1, len(shape) + 1) if layout is None else layout
    axes: list[tuple[int, ...]] = [(BATCH,)] * (len(shape) + 1)
    for group, axis in zip(groups, layout, strict=True):
        axes[axis] = group
    return Value(node, factors, tuple(axes))


def check_size(*sizes: int) -> None:
    """Raise if an array of one image would be too large."""
    if math.prod(sizes) > LARGEST:
        raise ValueError(f"gives {sizes} for one image; accepted: up to {LARGEST:,} numbers")


def transposed(value: Value, order: Sequence[int]) -> Value:
    """With its axes in another order."""
    if sorted(order) != list(range(len(value.axes))):
        raise ValueError(f"perm: got {list(order)} for {len(value.axes)} axes")
    return replace(value, axes=tuple(value.axes[axis] for axis in order))


def reshaped(value: Value, target: Sequence[int | Images]) -> Value:
    """With other axes, row-major.

    Args:
        value: any.
        target: the new sizes; one may be -1.

    Raises:
        ValueError: the sizes do not fit, or divide a size in a way that no layer does.
    """
    said = f"a reshaping of {shown_shape(value.shape)} to {shown_shape(target)}"
    target = _completed(value, list(target), said)
    # By key; those that are split get new keys.
    factors = {BATCH: 0} | dict(enumerate(value.factors)) | copy_sizes(value.copies)
    order = list(range(len(value.factors)))
    left = [one for axis in value.axes for one in axis]
    axes: list[list[int]] = []
    for size in target:
        group: list[int] = []
        count = size.count if isinstance(size, Images) else size
        if isinstance(size, Images):
            if not left or left[0] != BATCH:
                raise ValueError(f"{said}, which mixes images")
            group.append(left.pop(0))
        while count > 1:
            if not left or left[0] == BATCH:
                raise ValueError(said)
            key = left.pop(0)
            have = factors[key]
            if count % have == 0:
                count //= have
                group.append(key)
            elif have % count == 0 and key >= 0:  # this axis ends inside of a factor
                first, second = len(factors), len(factors) + 1
                factors[first], factors[second] = count, have // count
                order[order.index(key) : order.index(key) + 1] = [first, second]
                group.append(first)
                left.insert(0, second)
                count = 1
            else:
                raise ValueError(f"{said}, which divides an axis unevenly")
        axes.append(group)
    if left:
        raise ValueError(said)
    places = {key: key for key in factors if key < 0} | {key: k for k, key in enumerate(order)}
    return replace(
        value,
        factors=tuple(factors[key] for key in order),
        axes=tuple(tuple(places[key] for key in group) for group in axes),
    )


def _completed(value: Value, target: list[Any], said: str) -> list[Any]:
    """The sizes with a number instead of -1."""
    whole = math.prod(value.factors) * math.prod(value.copies)
    images = any(isinstance(size, Images) for size in target)
    known = 1
    for size in target:
        known *= size.count if isinstance(size, Images) else 1 if size == -1 else size
    if known < 1 or target.count(-1) > 1 or whole % known:
        raise ValueError(said)
    if -1 not in target:
        if known != whole or not images:
            raise ValueError(said)
        return target
    rest = whole // known
    target[target.index(-1)] = rest if images else Images(rest)
    return target


def groups_of(value: Value, shape: Shape) -> list[tuple[int, ...]]:
    """The factors of each size of the node's shape."""
    groups: list[tuple[int, ...]] = []
    at = 0
    for size in shape:
        start, found = at, 1
        while found < size:
            found *= value.factors[at]
            at += 1
        groups.append(tuple(range(start, at)))
    return groups


def in_order(value: Value, layout: Sequence[int]) -> bool:
    """Whether the axes, taken in the order of `layout`, are those of the node, row-major."""
    if value.axes[0] != (BATCH,):
        return False
    return [one for axis in layout for one in value.axes[axis]] == list(range(len(value.factors)))


def shown_shape(sizes: Sequence[int | Images]) -> str:
    """Such as "(N, 3, 28, 28)"."""
    texts = (
        ("N" if size.count == 1 else f"{size.count}N") if isinstance(size, Images) else str(size)
        for size in sizes
    )
    return f"({', '.join(texts)})"
