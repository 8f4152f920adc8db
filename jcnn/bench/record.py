"""The results of a benchmark, and their JSON files."""

import datetime
import json
import math
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from jcnn.bench.processes import machine
from jcnn.system.files import write_text


@dataclass(frozen=True)
class Row:
    """The measurement of one contestant in one case.

    Attributes:
        case: the computation, such as "conv4, batch 64".
        contestant: the implementation, such as "im2col" or "PyTorch".
        seconds: duration of each timed run; empty if it was not timed, with the reason in `note`.
        group: name of the panel in the plot, such as "forward, float32".
        x: value on the x axis, which is labelled with the group; the plot then has lines.
        figures: other numbers by name, such as {"GFLOP/s": 51.2, "peak MiB": 9.0}.
        error: largest difference from the reference, relative to the reference's largest
            number; None if this row is the reference.
        tolerance: largest allowed `error`; None if the error is only reported.
        note: a remark of one line.
    """

    case: str
    contestant: str
    seconds: tuple[float, ...] = ()
    group: str = ""
    x: float | None = None
    figures: Mapping[str, float] = field(default_factory=dict)
    error: float | None = None
    tolerance: float | None = None
    note: str = ""

    @property
    def n(self) -> int:
        """Number of timed runs."""
        return len(self.seconds)

    @property
    def median(self) -> float | None:
        """The median of the runs, in seconds; None without any."""
        return statistics.median(self.seconds) if self.seconds else None

    @property
    def quartiles(self) -> tuple[float, float] | None:
        """Lower and upper quartile of the runs, in seconds; None without any."""
        if not self.seconds:
            return None
        low, high = np.quantile(self.seconds, [0.25, 0.75])
        return float(low), float(high)

    @property
    def wrong(self) -> bool:
        """Whether the result differs from the reference by more than the tolerance."""
        if self.error is None or self.tolerance is None:
            return False
        return not self.error <= self.tolerance

    def agreement(self) -> str:
        """The outcome of the check as text; "" if there was none."""
        if self.error is None:
            return ""
        if self.tolerance is None:
            return f"{self.error:.1e}"
        if self.wrong:
            return f"WRONG: {self.error:.1e} > {self.tolerance:.0e}"
        return f"{self.error:.1e} < {self.tolerance:.0e}"


@dataclass(frozen=True)
class Result:
    """A question, its rows, and the machine they were measured on.

    Attributes:
        name: name of the question and of its files.
        question: the question.
        rows: measurements in the order of the table.
        findings: lines that summarise the rows.
        baseline: the contestant by whose median the others are divided; "" for none.
        command: the command that measured it.
        machine: processor, cores, versions.
        date: UTC, to the minute.
    """

    name: str
    question: str
    rows: tuple[Row, ...]
    findings: tuple[str, ...]
    baseline: str
    command: str
    machine: str
    date: str

    @property
    def wrong(self) -> tuple[Row, ...]:
        """The rows with wrong results."""
        return tuple(row for row in self.rows if row.wrong)


def new_result(
    name: str,
    question: str,
    rows: list[Row],
    *,
    command: str,
    findings: list[str] | None = None,
    baseline: str = "",
    packages: tuple[str, ...] = ("jax", "jaxlib", "flax"),
    device: str = "",
) -> Result:
    """Create the result of a benchmark that has just run on this machine.

    Args:
        name, question, rows, findings, baseline, command: as in `Result`.
        packages: packages whose versions are recorded.
        device: the accelerator, if one was used.
    """
    now = datetime.datetime.now(datetime.UTC)
    return Result(
        name=name,
        question=question,
        rows=tuple(rows),
        findings=tuple(findings or ()),
        baseline=baseline,
        command=command,
        machine="; ".join([machine(*packages), *filter(None, [device])]),
        date=now.strftime("%Y-%m-%d %H:%M UTC"),
    )


def relative_error(answer: Any, reference: Any) -> float:
    """Largest difference of two lists of arrays, relative to the reference's largest number.

    Args:
        answer, reference: an array or number, or lists of them, compared pair by pair.

    Returns:
        The largest over the pairs; infinite if a shape differs or a number is not finite.
    """
    if isinstance(reference, list | tuple):
        if len(answer) != len(reference):
            return math.inf
        pairs = zip(answer, reference, strict=True)
        return max((relative_error(a, r) for a, r in pairs), default=0.0)
    ours, true = np.asarray(answer, np.float64), np.asarray(reference, np.float64)
    if ours.shape != true.shape or not (np.isfinite(ours).all() and np.isfinite(true).all()):
        return math.inf
    if not true.size:
        return 0.0
    scale = float(np.abs(true).max())
    difference = float(np.abs(ours - true).max())
    if scale == 0:
        return 0.0 if difference == 0 else math.inf
    return difference / scale


def ratio(rows: list[Row] | tuple[Row, ...], row: Row, baseline: str) -> float | None:
    """The median of `row` over the baseline's in the same case; None if one is missing."""
    for other in rows:
        same = (other.group, other.case, other.contestant) == (row.group, row.case, baseline)
        if same and row.median is not None and other.median:
            return row.median / other.median
    return None


def write_json(result: Result, file: Path) -> None:
    """Write a result as JSON, with medians and quartiles in addition to the seconds."""
    fields = asdict(result)
    for kept, row in zip(fields["rows"], result.rows, strict=True):
        kept["figures"] = dict(row.figures)
        kept["n"], kept["median"], kept["quartiles"] = row.n, row.median, row.quartiles
        if row.error is not None and not math.isfinite(row.error):
            kept["error"] = str(row.error)  # JSON has no infinity
    write_text(file, json.dumps(fields, indent=1, allow_nan=False) + "\n")


def read_json(file: Path) -> Result:
    """Read a file of `write_json`.

    Raises:
        ValueError: the file is not a benchmark result.
    """
    try:
        fields = json.loads(file.read_text(encoding="utf-8"))
        lists = {"rows": tuple(map(_row, fields["rows"])), "findings": tuple(fields["findings"])}
        return Result(**{**fields, **lists})
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{file}: no result of a benchmark: {error}") from error


def _row(fields: dict[str, Any]) -> Row:
    derived = ("n", "median", "quartiles")
    kept = {name: value for name, value in fields.items() if name not in derived}
    error = None if kept["error"] is None else float(kept["error"])
    return Row(**{**kept, "seconds": tuple(kept["seconds"]), "error": error})
