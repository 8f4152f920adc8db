"""The default tests of ops, layers and training on this device, by several processes.

Matmuls are in full float32. Each outcome is written at once (`benchmarks.gpu.reported`), so that
those until the time limit are known. A failure is a row; the passed tests are one row.
"""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.gpu.part import Options
from benchmarks.gpu.reported import VARIABLE
from jcnn.bench.record import Row

FOLDERS = ("tests/ops", "tests/train", "tests/layers")
SMALL = ("tests/ops/test_window.py",)
# Seconds before the part's own limit at which pytest is ended, and its outcomes are read; this
# process takes some of them to start.
SPARE = 10.0
ENVIRONMENT = {
    "JAX_DEFAULT_MATMUL_PRECISION": "highest",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    "XLA_PYTHON_CLIENT_MEM_FRACTION": "0.06",
    "XLA_FLAGS": "",  # the tests set XLA's flags for a CPU, unless there are some
}


def measure(options: Options) -> Iterator[Row]:
    """Run the tests, and yield a row for the counts and one for each failure."""
    began = time.monotonic()
    file = (options.out / "tests.jsonl").absolute()
    file.unlink(missing_ok=True)
    where, workers = (SMALL, "0") if options.small else (FOLDERS, "12")
    command = [sys.executable, "-m", "pytest", "-n", workers, "-m", "not slow", "-q"]
    command += ["--maxfail=60", "-p", "no:cacheprovider", "-p", "benchmarks.gpu.reported", *where]
    limit = None if options.seconds is None else max(1.0, options.seconds - SPARE)
    environment = os.environ | ENVIRONMENT | {VARIABLE: str(file)}
    with (options.out / "tests.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            ended = f"ended with exit code {process.wait(limit)}"
        except subprocess.TimeoutExpired:
            process.kill()
            ended = f"stopped after {limit:.0f} s"
    yield from rows_of(file, ended, time.monotonic() - began)


def rows_of(file: Path, ended: str, seconds: float) -> Iterator[Row]:
    """A row for the counts of outcomes, and one for each failure.

    Args:
        file: from `benchmarks.gpu.reported`; missing if no test has run.
        ended: how pytest ended.
        seconds: its time.
    """
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    # A killed writer may leave a part of a line.
    whole = text[: text.rfind("\n") + 1]
    entries = [json.loads(line) for line in whole.splitlines()]
    counts = Counter(entry["outcome"] for entry in entries)
    figures = {name: float(counts[name]) for name in ("passed", "failed", "skipped")}
    yield Row("all", "tests", (seconds,), figures=figures, note=ended)
    for entry in entries:
        if entry["outcome"] == "failed":
            yield Row(entry["test"], "tests", note=f"failed: {entry['reason']}")


def findings(rows: list[Row]) -> list[str]:
    """The counts, and the first failures."""
    found = []
    for row in rows:
        if row.case == "all":
            counts = ", ".join(f"{count:.0f} {name}" for name, count in row.figures.items())
            found.append(f"{counts}; {row.note}")
        elif len(found) < 9:
            found.append(f"{row.case.rpartition('/')[2]}: {row.note}"[:170])
    return found
