"""Runs of `experiments.speedrun`: seconds of training, and test accuracy.

Goal: a mean test accuracy of 0.93 on Fashion-MNIST in under a second.
"""

import importlib
import statistics
import time
from collections.abc import Iterator
from importlib.util import find_spec

from benchmarks.gpu.part import Options
from benchmarks.gpu.run import Training, data, trainings
from jcnn.bench.record import Row
from jcnn.data import Dataset, load

RUNS = 10
CASE = "Fashion-MNIST"


def measure(options: Options) -> Iterator[Row]:
    """Yield a row for each run, after one for what is compiled before."""
    if find_spec("experiments.speedrun") is None:
        yield Row(CASE, "speedrun", note="not installed: experiments.speedrun")
        return
    speedrun = importlib.import_module("experiments.speedrun")
    train, test = images(options, trainings(options)[0])
    start = time.perf_counter()
    speedrun.warm_up(train, test, small=options.small)
    before = {"before, s": time.perf_counter() - start}
    yield Row(CASE, "speedrun, warm-up", figures=before)
    for seed in range(2 if options.small else RUNS):
        done = speedrun.run_once(train, test, seed=seed, small=options.small)
        accuracy = {"test accuracy": float(done.accuracy)}
        yield Row(CASE, "speedrun", (float(done.seconds),), f"seed {seed}", figures=accuracy)


def images(options: Options, training: Training) -> tuple[Dataset, Dataset]:
    """All training and test images, or random ones without a folder."""
    if options.data_dir is None or options.small:
        return data(training)
    return load(f"idx:{options.data_dir}")


def findings(rows: list[Row]) -> list[str]:
    """The means and standard deviations of all runs."""
    timed = [row for row in rows if row.seconds]
    if len(timed) < 2:
        return [row.note for row in rows if row.note]
    seconds = [row.seconds[0] for row in timed]
    accuracies = [row.figures["test accuracy"] for row in timed]
    means = statistics.mean(seconds), statistics.mean(accuracies)
    spreads = statistics.stdev(seconds), statistics.stdev(accuracies)
    text = f"{means[0]:.3f} ± {spreads[0]:.3f} s, test accuracy {means[1]:.4f} ± {spreads[1]:.4f}"
    spread = f"{min(accuracies):.4f} to {max(accuracies):.4f}"
    return [f"{text} ({spread}), n={len(timed)} (goal: 0.93, under 1 s)"]
