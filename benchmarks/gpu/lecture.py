"""The lecture's six models, 50 epochs, 8 seeds each by `fit_population`, as experiments do."""

import statistics
import time
from collections.abc import Iterator

from benchmarks.gpu.compiling import reason_of
from benchmarks.gpu.part import Options
from benchmarks.gpu.run import data, trainings
from experiments.lecture_table import PRINTED
from experiments.lecture_table import measure as measure_model
from jcnn.bench.record import Row
from jcnn.config import TrainConfig

SMALL = ("mlp", "conv1")


def measure(options: Options) -> Iterator[Row]:
    """Yield a row for each model, with the mean and standard deviation of its test accuracies."""
    training = trainings(options)[0]
    train, test = data(training)
    # The lecture's split: the training images here are those without its validation images.
    seeds = 2 if options.small else 8
    config = TrainConfig(epochs=training.epochs, batch_size=training.task.batch)
    for name in SMALL if options.small else PRINTED:
        case = f"{training.epochs} epochs, {seeds} seeds"
        start = time.perf_counter()
        try:
            row = measure_model(name, train, test, config, seeds)
        except Exception as error:  # the others are still trained
            yield Row(case, name, group="float32", note=reason_of(error))
            continue
        figures = {
            "test accuracy": statistics.mean(row.accuracy),
            "sd": statistics.stdev(row.accuracy),
            "test loss": statistics.mean(row.loss),
            "lecture": PRINTED[name][0],
            "s an epoch and seed": row.seconds,
        }
        taken = (time.perf_counter() - start,)
        yield Row(case, name, taken, "float32", figures=figures, note="seconds with compilation")


def findings(rows: list[Row]) -> list[str]:
    """The accuracies and the whole time of each model."""
    return [
        f"{row.contestant}, {row.case}: {row.figures['test accuracy']:.4f} ± "
        f"{row.figures['sd']:.4f} (lecture {row.figures['lecture']:.4f}), {row.median:.1f} s"
        for row in rows
        if row.median
    ]
