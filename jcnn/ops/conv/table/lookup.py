"""Which lowering a convolution takes: looked up in a table of measurements.

A convolution that was not measured takes the lowering of the nearest that was, where there is one of
the same kind with as many channels and filters, within a factor of two, and at least half as many
positions. (Of a depthwise convolution the numbers count, positions times channels.) Beyond that it
takes the lowering that all of its family agree on, if at least three were measured. Else it is "lax".
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from jcnn.ops.conv.lowerings.lowering import Conv, Params, Shape
from jcnn.ops.conv.lowerings.registry import LOWERINGS

__all__ = ["Choice", "Conv", "Measured", "Params", "Shape", "Table", "choose"]

# So many lines of a family must agree before they speak for what is unlike all of them.
_AGREED = 3


@dataclass(frozen=True)
class Measured:
    """One line of a table: a convolution, the lowering to take, and each lowering's milliseconds."""

    conv: Conv
    lowering: str
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
    """The lowering of one convolution, and why: the line that speaks for it, in which table."""

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
        told = [self.reason, times, f"{self.table.file}, {self.table.measured_on}"]
        remark = LOWERINGS[self.lowering].remark
        return f"{self.lowering} ({'; '.join([*told, remark] if remark else told)})"


def choose(conv: Conv, tables: Iterable[Table], *, plain: bool = False) -> Choice:
    """The lowering for one convolution, from the first table that has one; `plain` as in `Lowering`."""
    for table in tables:
        choice = _choose(conv, table, plain)
        if choice is not None:
            return choice
    return Choice("lax", "nothing like it was measured")


def _choose(conv: Conv, table: Table, plain: bool) -> Choice | None:
    able = [line for line in table.lines if line.conv.family == conv.family]
    alike = [line for line in able if line.conv.kind == conv.kind]
    near = [line for line in alike if _speaks_for(line.conv, conv)]
    if near:
        # Of two equally near, the very same: padding is in no distance.
        line = min(near, key=lambda one: (_distance(one.conv, conv), one.conv != conv))
        reason = "measured" if line.conv == conv else f"nearest measured: {line.name}"
    else:
        if len(able) < _AGREED or len({line.lowering for line in able}) > 1:
            return None
        line = able[0]
        reason = f"all {len(able)} measured of its family agree"
    # What was fastest where the table was made may not be had here.
    times = line.milliseconds
    for lowering in sorted(
        times, key=lambda lowering: (lowering != line.lowering, times[lowering])
    ):
        if LOWERINGS[lowering].unsupported(conv) is None and (
            LOWERINGS[lowering].plain or not plain
        ):
            return Choice(lowering, reason, line, table)
    return None


def _speaks_for(measured: Conv, conv: Conv) -> bool:
    """Whether the extents are within a factor of two.

    More pictures, or larger ones, than were measured are always: what is faster for many stays so
    for more.
    """
    positions, channels, filters = _powers(measured, conv)
    return max(positions, abs(channels), abs(filters)) <= 1


def _distance(measured: Conv, conv: Conv) -> float:
    return sum(map(abs, _powers(measured, conv)))


def _powers(measured: Conv, conv: Conv) -> list[float]:
    """Powers of two between positions, channels and filters."""
    pairs = zip(measured.extents, conv.extents, strict=True)
    return [math.log2(a / b) for a, b in pairs]
