"""Look up the lowering of a convolution in a table of measurements.

A convolution that was not measured takes the lowering of the nearest measured one of the same kind
whose channels and filters are within a factor of two and whose positions are at most twice as
many. (For a depthwise convolution, positions times channels count.) If there is none, it takes the
lowering on which all measured convolutions of its family agree, if there are at least three. Else
it takes "native_depthwise" where that can do it, since XLA runs depthwise convolutions in naive
loops, or "lax".
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from jcnn.ops.conv.lowerings.lowering import Conv, Params, Shape
from jcnn.ops.conv.lowerings.registry import LOWERINGS

__all__ = ["Choice", "Conv", "Measured", "Params", "Shape", "Table", "choose"]

# How many lines of a family must agree before their lowering is used for the whole family.
_AGREED = 3


@dataclass(frozen=True)
class Measured:
    """One line of a table: a convolution, its lowering, and the milliseconds of each lowering."""

    conv: Conv
    lowering: str
    milliseconds: dict[str, float]
    name: str


@dataclass(frozen=True)
class Table:
    """The content of one table file."""

    file: Path
    measured_on: str
    lines: tuple[Measured, ...] = field(repr=False)


@dataclass(frozen=True)
class Choice:
    """The lowering of one convolution, and why: the line and the table it was taken from."""

    lowering: str
    reason: str
    line: Measured | None = None
    table: Table | None = None

    def __str__(self) -> str:
        if self.line is None or self.table is None:
            return f"{self.lowering} ({self.reason})"
        times = ", ".join(
            f"{lowering} {ms:.3g} ms" for lowering, ms in self.line.milliseconds.items()
        )
        parts = [self.reason, times, f"{self.table.file}, {self.table.measured_on}"]
        remark = LOWERINGS[self.lowering].remark
        return f"{self.lowering} ({'; '.join([*parts, remark] if remark else parts)})"


def choose(conv: Conv, tables: Iterable[Table], *, plain: bool = False) -> Choice:
    """The lowering for one convolution, from the first table that has one.

    Args:
        conv: the convolution.
        tables: in the order of lookup.
        plain: whether only plain lowerings are allowed; see `Lowering`.
    """
    for table in tables:
        choice = _choose(conv, table, plain)
        if choice is not None:
            return choice
    if not plain and LOWERINGS["native_depthwise"].unsupported(conv) is None:
        return Choice("native_depthwise", "nothing like it was measured, but it is depthwise")
    return Choice("lax", "nothing like it was measured")


def _choose(conv: Conv, table: Table, plain: bool) -> Choice | None:
    able = [line for line in table.lines if line.conv.family == conv.family]
    alike = [line for line in able if line.conv.kind == conv.kind]
    near = [line for line in alike if _is_near(line.conv, conv)]
    if near:
        # Among equally near ones, prefer the same: the distance ignores padding.
        line = min(near, key=lambda one: (_distance(one.conv, conv), one.conv != conv))
        reason = "measured" if line.conv == conv else f"nearest measured: {line.name}"
    else:
        if len(able) < _AGREED or len({line.lowering for line in able}) > 1:
            return None
        line = able[0]
        reason = f"all {len(able)} measured of its family agree"
    # The fastest lowering of the table may be unsupported here.
    times = line.milliseconds
    for lowering in sorted(
        times, key=lambda lowering: (lowering != line.lowering, times[lowering])
    ):
        if LOWERINGS[lowering].unsupported(conv) is None and (
            LOWERINGS[lowering].plain or not plain
        ):
            return Choice(lowering, reason, line, table)
    return None


def _is_near(measured: Conv, conv: Conv) -> bool:
    """Whether `conv` is near enough to take the lowering of `measured`.

    Channels and filters must be within a factor of two. Any number of positions above half of the
    measured one will do: a lowering that is faster for many is faster for more.
    """
    positions, channels, filters = _powers(measured, conv)
    return max(positions, abs(channels), abs(filters)) <= 1


def _distance(measured: Conv, conv: Conv) -> float:
    return sum(map(abs, _powers(measured, conv)))


def _powers(measured: Conv, conv: Conv) -> list[float]:
    """log2 of the ratios of positions, channels and filters."""
    pairs = zip(measured.extents, conv.extents, strict=True)
    return [math.log2(a / b) for a, b in pairs]
