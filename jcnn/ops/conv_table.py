"""Which form a convolution takes: looked up in a table of measurements.

A convolution that was not measured takes the form of the nearest that was, where there is one of
the same kind with each of its three extents within a factor of two. Beyond that it takes the form
that all of its family agree on, if at least three were measured. Else it is "lax".
"""

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jcnn.ops._form import Pair, Params, Shape, out_size
from jcnn.ops.conv_forms import FORMS

__all__ = ["Choice", "Conv", "Measured", "Params", "Shape", "Table", "choose"]

# So many lines of a family must agree before they speak for what is unlike all of them.
_AGREED = 3


@dataclass(frozen=True)
class Conv:
    """One convolution as the primitive has it, without its values."""

    platform: str
    dtype: str
    x: Shape
    kernel: Shape
    params: Params

    @property
    def out(self) -> Pair:
        """Height and width of the result."""
        return out_size(self.x, self.kernel, self.params)

    @property
    def is_by_kernel(self) -> bool:
        """Whether the kernel is larger than the result, as in a gradient by kernel."""
        return math.prod(self.kernel[:2]) > math.prod(self.out)

    @property
    def extents(self) -> tuple[int, int, int]:
        """Independent sums, their length, and filters, without the cells of the real kernel."""
        rows, terms, filters = self.x[0], self.kernel[2], self.kernel[3]
        if self.is_by_kernel:
            return rows, terms * math.prod(self.kernel[:2]), filters
        return rows * math.prod(self.out), terms, filters

    @functools.cached_property
    def kind(self) -> tuple[Any, ...]:
        """What must be equal of two convolutions for one to speak for the other."""
        cells = self.out if self.is_by_kernel else self.kernel[:2]
        moves = (self.params.stride, self.params.in_dilation, self.params.dilation)
        return (*self.family[:-1], cells, moves)

    @functools.cached_property
    def family(self) -> tuple[Any, ...]:
        """What is equal of all convolutions of one sort, whatever their kernel's size and step."""
        groups = "one" if self.params.groups == 1 else "several"
        if self.params.groups > 1 and self.kernel[3] == self.params.groups:
            groups = "depthwise"
        moves = (
            max(self.params.stride) > 1,
            max(self.params.in_dilation) > 1,
            max(self.params.dilation) > 1,
        )
        return (self.platform, self.dtype, self.is_by_kernel, groups, moves)


@dataclass(frozen=True)
class Measured:
    """One line of a table: a convolution, the form to take, and each form's milliseconds."""

    conv: Conv
    form: str
    milliseconds: dict[str, float]
    name: str


@dataclass(frozen=True)
class Table:
    """What one file holds."""

    file: Path
    measured_on: str
    lines: tuple[Measured, ...]


@dataclass(frozen=True)
class Choice:
    """The form of one convolution, and why: the line that speaks for it, in which table."""

    form: str
    reason: str
    line: Measured | None = None
    table: Table | None = None

    def __str__(self) -> str:
        if self.line is None or self.table is None:
            return f"{self.form} ({self.reason})"
        times = ", ".join(f"{form} {ms:.3g} ms" for form, ms in self.line.milliseconds.items())
        return f"{self.form} ({self.reason}; {times}; {self.table.file}, {self.table.measured_on})"


def choose(conv: Conv, tables: Iterable[Table]) -> Choice:
    """The form for one convolution, from the first table that has one."""
    for table in tables:
        choice = _choose(conv, table)
        if choice is not None:
            return choice
    return Choice("lax", "nothing like it was measured")


def _choose(conv: Conv, table: Table) -> Choice | None:
    able = [line for line in table.lines if line.conv.family == conv.family]
    near = [line for line in able if line.conv.kind == conv.kind]
    # Of two equally near, the very same: padding is in no distance.
    line = min(near, key=lambda one: (_distance(one.conv, conv), one.conv != conv), default=None)
    if line is not None and _distance(line.conv, conv) <= 1:
        reason = "measured" if line.conv == conv else f"nearest measured: {line.name}"
    else:
        if len(able) < _AGREED or len({line.form for line in able}) > 1:
            return None
        line = able[0]
        reason = f"all {len(able)} measured of its family agree"
    if FORMS[line.form].unsupported(conv.x, conv.kernel, conv.params) is not None:
        return None
    return Choice(line.form, reason, line, table)


def _distance(one: Conv, other: Conv) -> float:
    """Powers of two between the extents, of the axis where it is largest."""
    pairs = zip(one.extents, other.extents, strict=True)
    return max(abs(math.log2(a / b)) for a, b in pairs)
