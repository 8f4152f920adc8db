"""Compare printed numbers with computed ones."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from jcnn.trace.grids import Printed, PrintedStack, Stack, shape_of
from jcnn.trace.numbers import Number, show_number


class Result(Protocol):
    """The output of a trace, with an explanation of each number."""

    @property
    def values(self) -> Stack:
        """One grid per channel."""
        ...

    def why(self, channel: int, row: int, column: int, /) -> str:
        """The expression whose value a number is, such as a sum or a maximum."""
        ...


@dataclass(frozen=True)
class Finding:
    """One printed number and the computed one; None as `printed` is not compared."""

    channel: int
    row: int
    column: int
    printed: Printed | None
    value: Number

    @property
    def wrong(self) -> bool:
        """Whether the computed number does not round to the printed one."""
        if self.printed is None:
            return False
        return abs(Fraction(self.printed.value) - self.value) > self.printed.tolerance


@dataclass(frozen=True)
class Check:
    """The comparison of a printed table with a result.

    Attributes:
        at: row and column of the result where the table begins.
        findings: row by row, one grid per channel.
        lines: for each wrong number, the right one and its expression.
    """

    at: tuple[int, int]
    findings: tuple[tuple[tuple[Finding, ...], ...], ...]
    lines: tuple[str, ...]

    @property
    def compared(self) -> int:
        """The number of compared figures."""
        return sum(f.printed is not None for grid in self.findings for row in grid for f in row)

    @property
    def wrong(self) -> int:
        """The number of wrong figures."""
        return len(self.lines)


def check(result: Result, printed: PrintedStack, at: tuple[int, int] | None = None) -> Check:
    """Compare printed figures with a result.

    Args:
        result: the computed numbers.
        printed: one grid per channel.
        at: row and column of the result where the printed part begins; None means that the whole
            result is printed.

    Raises:
        ValueError: the shapes do not match, or no figure is left to compare.
    """
    height, width, channels = shape_of(result.values)
    rows, columns, printed_channels = len(printed[0]), len(printed[0][0]), len(printed)
    if printed_channels != channels:
        raise ValueError(
            f"check: got {printed_channels} channels; accepted: {channels}, as the result has"
        )
    if at is None and (rows, columns) != (height, width):
        raise ValueError(
            f"check: got {rows}x{columns} figures; accepted: {height}x{width}, as the result is, "
            "or a part of it and --at ROW COLUMN, where it begins"
        )
    top, left = at or (0, 0)
    if min(top, left) < 0 or top + rows > height or left + columns > width:
        raise ValueError(
            f"at: got {top} {left} for {rows}x{columns} figures; "
            f"accepted: a place inside the result of {height}x{width}"
        )
    findings = tuple(
        tuple(
            tuple(
                Finding(k, top + r, left + c, figure, result.values[k][top + r][left + c])
                for c, figure in enumerate(line)
            )
            for r, line in enumerate(grid)
        )
        for k, grid in enumerate(printed)
    )
    wrong = [f for grid in findings for row in grid for f in row if f.wrong]
    found = Check((top, left), findings, tuple(_line(f, result) for f in wrong))
    if not found.compared:
        raise ValueError("check: got no figure; accepted: at least one that is not '?' or '.'")
    return found


def _line(finding: Finding, result: Result) -> str:
    assert finding.printed is not None
    channel = f"channel {finding.channel} " if len(result.values) > 1 else ""
    why = result.why(finding.channel, finding.row, finding.column)
    return (
        f"{channel}({finding.row},{finding.column}): printed {finding.printed.text}, "
        f"is {show_number(finding.value)} = {why}"
    )
