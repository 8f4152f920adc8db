"""Lecture D's training in PyTorch, as in its tutorials: two epochs, extrapolated to all.

Eager in both dtypes, then with `torch.compile`. A few steps before compile and warm up; their time
is a separate figure.
"""

import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec

from benchmarks.gpu.compiling import reason_of
from benchmarks.gpu.part import Options
from benchmarks.gpu.run import Training, data, trainings
from jcnn.bench.record import Row

TIMED = 2  # epochs
NAMES = {False: "PyTorch, eager", True: "PyTorch, compiled"}


def measure(options: Options) -> Iterator[Row]:
    """Yield a row for each dtype, eager and compiled, each timed once."""
    absent = find_spec("torch") is None
    for compiled, name in NAMES.items():
        for training in trainings(options):
            row = Row(training.name, name, group=training.task.compute)
            try:
                note = "not installed: torch"
                yield replace(row, note=note) if absent else timed(training, row, compiled=compiled)
            except Exception as error:  # the others are still measured
                yield replace(row, note=reason_of(error))


def timed(training: Training, row: Row, *, compiled: bool) -> Row:
    """The tutorials' loop over shuffled rows of tensors on the device."""
    import torch

    from benchmarks.peers import torch_step

    train, _ = data(training)
    task = training.task
    _, step = torch_step.trainer(task, channels_last=True, compiled=compiled)
    images = torch_step.place(train.images[:], channels_last=True)
    labels = torch.from_numpy(train.labels).long().to(torch_step.DEVICE)
    start = time.perf_counter()
    for _ in range(3):
        step(images[: task.batch], labels[: task.batch])
    torch_step.finish()
    began = time.perf_counter()
    for _ in range(TIMED):
        torch_step.pass_over(step, images, labels, task.batch)
    torch_step.finish()
    seconds = (time.perf_counter() - began) * training.epochs / TIMED
    note = f"extrapolated from {TIMED} epochs"
    return replace(row, seconds=(seconds,), figures={"before, s": began - start}, note=note)


def findings(rows: list[Row]) -> list[str]:
    """The times."""
    found = [
        f"{row.case}, {row.group}: {row.contestant} {row.median:.2f} s, {row.note}"
        for row in rows
        if row.median
    ]
    return found or sorted({row.note for row in rows})
