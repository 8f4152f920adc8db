"""What a benchmark found: rows, and the JSON file that keeps them with what they ran on."""

import datetime
import json
import math
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from jcnn.bench.pairs import machine
from jcnn.system.files import write_text


@dataclass(frozen=True)
class Row:
    """One contestant in one case.

    Attributes:
        case: what was computed, such as "conv4, batch 64".
        contestant: by what, such as "im2col" or "PyTorch".
        seconds: of each counted run; empty where it was not timed, and `note` says why.
        group: cases that belong together, such as "forward, float32": a panel of the plot.
        x: where the case lies on the axis that its group is named for; the plot then has lines.
        figures: other numbers by name and unit, such as {"GFLOP/s": 51.2, "peak MiB": 9.0}.
        error: the largest difference from the reference, relative to its largest number; None
            where this row is the reference.
        tolerance: what `error` may be; None where it is reported only.
        note: one line on what is special.
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
        """Counted runs."""
        return len(self.seconds)

    @property
    def median(self) -> float | None:
        """The median of the runs, in seconds; None without any."""
        return statistics.median(self.seconds) if self.seconds else None

    @property
    def quartiles(self) -> tuple[float, float] | None:
        """Between which the middle half of the runs lies, in seconds; None without any."""
        if not self.seconds:
            return None
        low, high = np.quantile(self.seconds, [0.25, 0.75])
        return float(low), float(high)

    @property
    def wrong(self) -> bool:
        """Whether the answer differs from the reference by more than it may."""
        if self.error is None or self.tolerance is None:
            return False
        return not self.error <= self.tolerance

    def agreement(self) -> str:
        """What the check of the answer found, in words; "" where there was none."""
        if self.error is None:
            return ""
        if self.tolerance is None:
            return f"{self.error:.1e}"
        if self.wrong:
            return f"WRONG: {self.error:.1e} > {self.tolerance:.0e}"
        return f"{self.error:.1e} < {self.tolerance:.0e}"


@dataclass(frozen=True)
class Result:
    """A question, its rows, and what they were measured on.

    Attributes:
        name: of the question, and of its files.
        question: it in words.
        rows: in the order of the table.
        findings: lines that say what the rows come to.
        baseline: the contestant whose median the others' are divided by; "" for none.
        command: that measured it.
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
        """The rows whose answer is wrong."""
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
    """The result of a benchmark that has just run here.

    Args:
        name, question, rows, findings, baseline, command: as `Result` has them.
        packages: whose versions matter.
        device: what the contestants ran on, where that is not the processor alone.
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
    """The largest difference of two lists of arrays, relative to the reference's largest number.

    Args:
        answer, reference: an array or number, or a list of such; each pair counts by itself.

    Returns:
        The worst of the pairs; infinite where a shape differs or a number is not finite.
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
    """The median of `row` over that of the baseline in the same case; None where one is absent."""
    for other in rows:
        same = (other.group, other.case, other.contestant) == (row.group, row.case, baseline)
        if same and row.median is not None and other.median:
            return row.median / other.median
    return None


def write_json(result: Result, file: Path) -> None:
    """Keep a result as JSON, medians and quartiles beside the seconds they come from."""
    fields = asdict(result)
    for kept, row in zip(fields["rows"], result.rows, strict=True):
        kept["figures"] = dict(row.figures)
        kept["n"], kept["median"], kept["quartiles"] = row.n, row.median, row.quartiles
        if row.error is not None and not math.isfinite(row.error):
            kept["error"] = str(row.error)  # JSON has no infinity
    write_text(file, json.dumps(fields, indent=1, allow_nan=False) + "\n")


def read_json(file: Path) -> Result:
    """Read what `write_json` kept.

    Raises:
        ValueError: the file is no such result; the message names it.
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
