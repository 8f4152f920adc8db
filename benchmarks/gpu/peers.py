"""Steps and epochs compared with other libraries, each contestant in a process of its own."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from benchmarks.gpu.part import Options
from benchmarks.peers.contestants import of_epoch, of_step
from benchmarks.peers.measure import measure as measure_task
from benchmarks.peers.task import Task
from jcnn.bench.record import Row
from jcnn.config import Compute


def measure(options: Options) -> Iterator[Row]:
    """Yield the rows of steps and epochs in both dtypes, or only bfloat16 if small."""
    small = options.small
    computes: tuple[Compute, ...] = ("bfloat16",) if small else ("bfloat16", "float32")
    for model in ("conv1",) if small else ("conv4", "conv2pool", "conv1", "creatures"):
        for batch, compute in ((b, c) for b in ((4,) if small else (64, 512)) for c in computes):
            task = Task(model, batch, 2 if small else 64, compute)
            once = partial(measure_task, task=task, rounds=1, runs=2 if small else 10)
            for what, contestants, steps in (
                ("step", of_step(task), 1),
                ("epoch, per step", of_epoch(task), task.steps),
            ):
                for row in once(contestants, steps=steps):
                    yield replace(row, group=f"{what}, {row.group}")


def findings(rows: list[Row]) -> list[str]:
    """The ratios of jcnn's time to each contestant's."""
    return [
        f"{row.case}, {row.group}: jcnn / {row.contestant} {row.figures['jcnn / it']:.2f}"
        for row in rows
        if "jcnn / it" in row.figures
    ]
