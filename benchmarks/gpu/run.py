"""Time lecture D's training by `fit`: conv4, batch 64, 48,000 images, 50 epochs, 37,500 steps.

One epoch of another model compiles the programs before; its time is a separate figure. Each row has
the test accuracy. The goal: under 6 s, ten times faster than PyTorch eager (`run_torch`).
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.gpu.part import Options
from benchmarks.peers.task import Task
from jcnn.bench.record import Row
from jcnn.config import Compute, TrainConfig
from jcnn.data import DataError, Dataset, load
from jcnn.models import build
from jcnn.train import evaluate, fit

DTYPES: tuple[Compute, ...] = ("bfloat16", "float32")


class Training(NamedTuple):
    """The training and its data; images are random if `data_dir` is None."""

    task: Task
    epochs: int
    data_dir: Path | None
    tested: int

    @property
    def name(self) -> str:
        """Model and epochs."""
        return f"{self.task.model}, {self.epochs} epochs"


def trainings(options: Options) -> list[Training]:
    """The training in each dtype."""
    found = []
    for compute in DTYPES[:1] if options.small else DTYPES:
        task = Task("conv1", 8, 2, compute) if options.small else Task("conv4", 64, 750, compute)
        epochs, tested = (2, 16) if options.small else (50, 10_000)
        found.append(Training(task, epochs, options.data_dir, tested))
    return found


def measure(options: Options) -> Iterator[Row]:
    """Yield a row for each dtype, timed once."""
    for training in trainings(options):
        train, test = data(training)
        task = training.task
        start = time.perf_counter()
        fit(build(task.model), train, config(training, epochs=1), verbose=0)
        model = build(task.model)
        began = time.perf_counter()
        history = fit(model, train, config(training, epochs=training.epochs), verbose=0)
        seconds = time.perf_counter() - began
        figures = {
            "before, s": began - start,
            "epochs' own, s": float(np.sum(history["seconds"])),
            "test accuracy": evaluate(model, test).accuracy,
        }
        yield Row(training.name, "jcnn", (seconds,), task.compute, figures=figures)


def config(training: Training, *, epochs: int) -> TrainConfig:
    """The lecture's settings."""
    task = training.task
    return TrainConfig(epochs=epochs, batch_size=task.batch, compute_dtype=task.compute)


def findings(rows: list[Row]) -> list[str]:
    """The measured times and accuracies, and the goal."""
    return [
        f"{row.case}, {row.group}: {row.contestant} {row.median:.2f} s (goal: under 6), test "
        f"accuracy {row.figures['test accuracy']:.4f}"
        for row in rows
        if row.median
    ]


def data(training: Training) -> tuple[Dataset, Dataset]:
    """Training and test images from Fashion-MNIST's IDX files, or random ones of their shape."""
    examples = training.task.steps * training.task.batch
    if training.data_dir is not None:
        train, test = load(f"idx:{training.data_dir}")
        if len(train) < examples:
            raise DataError(f"{training.data_dir}: {len(train)} images; needed: {examples}")
        return train.take(slice(examples)), test.take(slice(training.tested))
    rng = np.random.default_rng(0)
    sets = []
    for count in (examples, training.tested):
        images = rng.integers(0, 256, (count, 28, 28, 1), np.uint8)
        labels = rng.integers(0, 10, count).astype(np.int32)
        sets.append(Dataset(images, labels, tuple("0123456789")))
    return sets[0], sets[1]
