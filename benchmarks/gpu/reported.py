"""A pytest plugin that writes each test's outcome at once, as a line of JSON.

The lines stay when pytest is killed: `pytest -p benchmarks.gpu.reported`, with the file's path in
the environment variable JCNN_REPORTED.
"""

import json
import os
from pathlib import Path

import pytest

VARIABLE = "JCNN_REPORTED"


def pytest_configure(config: pytest.Config) -> None:
    """Record in the main process, which pytest-xdist's workers report to."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder(Path(os.environ[VARIABLE])))


class Recorder:
    """Appends a line for each test that has run, and for each file that cannot be collected."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write the outcome of a test's call, or of a set-up that did not pass."""
        if report.when == "call" or report.outcome != "passed":
            self._write(report.nodeid, report.outcome, report.longreprtext)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Write the error of a file that cannot be imported."""
        if report.failed:
            self._write(report.nodeid, "failed", report.longreprtext)

    def _write(self, test: str, outcome: str, text: str) -> None:
        errors = [line[2:].strip() for line in text.splitlines() if line.startswith("E ")]
        reason = (errors or text.splitlines()[-1:] or [""])[0][:300]
        entry = {"test": test, "outcome": outcome, "reason": reason if outcome == "failed" else ""}
        with self.file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(entry) + "\n")
