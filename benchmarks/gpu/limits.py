"""Run the parts one after another, each within its time limit and all within a budget."""

import contextlib
import datetime
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.gpu.parts import Part
from jcnn.system.files import write_text


def run_parts(
    parts: Mapping[str, Part],
    command: Callable[[str, float | None], list[str]],
    out: Path,
    *,
    budget: float | None = None,
) -> list[str]:
    """Run each part, and end it with all its processes at its limit or at the end of the budget.

    The rows that a part has written stay; its result says that it was stopped. A part that begins
    after the budget is not run.

    Args:
        parts: in the order of running.
        command: the command of a part with its seconds; it writes `out/PART.json` after every row.
        out: folder of the results.
        budget: seconds for all parts; None is no limit.

    Returns:
        The names of the parts that failed; being stopped is no failure.
    """
    began = time.monotonic()
    failed = []
    for name, part in parts.items():
        left = None if budget is None else budget - (time.monotonic() - began)
        limits = [seconds for seconds in (part.seconds, left) if seconds is not None]
        limit = min(limits, default=None)
        if left is not None and left <= 0:
            if not (out / f"{name}.json").exists():  # a result of an earlier run stays
                _note(out / f"{name}.json", name, part, "not run: the budget was used up")
            continue
        (out / f"{name}.json").unlink(missing_ok=True)  # of an earlier run
        print(f"== {name}: {part.question}", flush=True)
        start = time.monotonic()
        code = run_within(command(name, limit), limit)
        took = time.monotonic() - start
        print(f"== {name}: {took:.1f} s", flush=True)
        if code is None:
            _note(out / f"{name}.json", name, part, f"stopped after {took:.0f} s")
        elif code:
            failed.append(name)
            _note(out / f"{name}.json", name, part, f"ended with exit code {code}")
    return failed


def run_within(command: list[str], seconds: float | None) -> int | None:
    """Run a command in a process group of its own, which is killed at the end.

    Args:
        command: program and arguments.
        seconds: its time limit; None is no limit.

    Returns:
        The exit code; None if the limit ended it.
    """
    process = subprocess.Popen(command, start_new_session=True)
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        # Even if the process has ended, its children may run on.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _note(file: Path, name: str, part: Part, finding: str) -> None:
    """Add a line to the findings of a result, and print it; create a missing result."""
    print(f"== {name}: {finding}", flush=True)
    fields = {
        "name": name,
        "question": part.question,
        "rows": [],
        "findings": [],
        "baseline": "",
        "command": "",
        "machine": "",
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }
    if file.exists():
        fields = json.loads(file.read_text(encoding="utf-8"))
    fields["findings"] = [*fields["findings"], finding]
    write_text(file, json.dumps(fields, indent=1, allow_nan=False) + "\n")


def summary(names: list[str], out: Path, lines: int = 60) -> str:
    """The findings of the parts as text of at most so many lines."""
    found = []
    for name in names:
        file = out / f"{name}.json"
        findings = json.loads(file.read_text(encoding="utf-8"))["findings"] if file.exists() else []
        found += [f"{name:<15} {line[:180]}" for line in findings or ["no findings"]]
    cut = [*found[: lines - 1], "..."] if len(found) > lines else found
    return "\n".join(cut)
