"""Time the contestants of a case, and compare their results with jcnn's."""

import os
from dataclasses import dataclass
from functools import partial
from itertools import chain, repeat
from typing import Any

from benchmarks.peers.contestants import Contestant, Made
from benchmarks.peers.task import TOLERANCE, Task
from jcnn.bench.processes import Setup, time_in_turn
from jcnn.bench.record import Row, relative_error


@dataclass(frozen=True)
class Failed:
    """The result of a contestant that could not run."""

    reason: str


def measure(
    contestants: list[Contestant], task: Task, *, steps: int, rounds: int, runs: int
) -> list[Row]:
    """Time every contestant that is installed.

    Args:
        contestants: contestants of the task, including jcnn.
        task: the training.
        steps: steps in a run; the rows' seconds are per step.
        rounds, runs: as in `time_in_turn`.

    Raises:
        RuntimeError: jcnn could not run.
    """
    # Several processes share a GPU's memory, so none may preallocate all of it.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    present: dict[str, Setup] = {
        one.name: partial(guarded, one.setup) for one in contestants if not one.missing
    }
    timings = time_in_turn(present, rounds=rounds, runs=runs)
    ours = timings["jcnn"]
    if isinstance(ours.answer, Failed):
        raise RuntimeError(f"jcnn, {task}: {ours.answer.reason}")
    group = f"batch {task.batch}" + (", bfloat16" if task.compute == "bfloat16" else "")
    rows = []
    for one in contestants:
        timing = timings.get(one.name)
        if timing is None or isinstance(timing.answer, Failed):
            note = one.missing if timing is None else timing.answer.reason
            rows.append(Row(task.model, one.name, group=group, note=note))
            continue
        figures = {"jcnn / it": ours.median / timing.median} if timing is not ours else {}
        checked: dict[str, Any] = {}
        if timing is not ours:
            checked["error"] = relative_error(timing.answer, ours.answer)
            checked["tolerance"] = TOLERANCE
        rows.append(
            Row(
                *(task.model, one.name, tuple(s / steps for s in timing.seconds), group),
                figures=figures,
                note=one.timed,
                **checked,
            )
        )
    return rows


def guarded(setup: Setup) -> Made:
    """Set up and run once; an exception becomes the result, so that the others continue."""
    try:
        run, answer = setup()
        run()
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        return (lambda: None), Failed(reason[:200])
    # The next call is the warm-up of `time_in_turn`, which is no longer needed.
    calls = chain([lambda: None], repeat(run))
    return (lambda: next(calls)()), answer
