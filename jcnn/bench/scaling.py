"""How does time grow with the batch, the images, the models and the data set?

Calls `jcnn.train.fit` and `fit_population` as a user does, on random images; the seconds are those
of the history, without compilation. The time of an epoch should be linear in its number of images:
a line is fitted, and the deviations from it are reported.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from flax import nnx

from jcnn.bench.record import Row, relative_error
from jcnn.data import Dataset
from jcnn.models import ZOO, build
from jcnn.train import TrainConfig, fit, fit_population

QUESTION = "How does time grow with the batch, the images, the models and the data set?"
BASELINE = ""
MEMBERS = "models trained at once (time of a step of all)"
EPOCH = "pictures in the data set (time of an epoch)"
# The values along each axis.
SIZES: dict[str, tuple[int, ...]] = {
    "batch size (time of a step)": (16, 32, 64, 128, 256),
    "side of the images (time of a step)": (14, 28, 56),
    MEMBERS: (1, 2, 4, 8),
    EPOCH: (512, 1024, 2048, 4096),
}
QUICK: dict[str, tuple[int, ...]] = {
    "batch size (time of a step)": (16, 64),
    EPOCH: (256, 512, 1024),
}
# Largest relative difference of the loss between two trainings, or with and without a population.
TOLERANCE = 1e-3
_STEPS = 4


class _Setting(NamedTuple):
    batch: int
    side: int
    members: int
    pictures: int


def rows(
    models: tuple[str, ...] = ("conv2pool", "conv4"),
    sizes: Mapping[str, tuple[int, ...]] = SIZES,
    *,
    batch: int = 64,
    rounds: int = 5,
    notify: Callable[[str], None] = lambda line: None,
) -> list[Row]:
    """Train each model for an epoch at every size, `rounds` times in alternation.

    Args:
        models: names of zoo models.
        sizes: values for some of the axes of `SIZES`.
        batch: images per step, except along the batch axis.
        rounds: timed epochs of each.
        notify: called with a line for each measurement.
    """
    found: list[Row] = []
    for axis, values in sizes.items():
        for name in models:
            notify(f"{name}: {axis}")
            runs = [_Run(name, _setting(axis, value, name, batch)) for value in values]
            for run in runs:
                run()  # compiles
            measured: list[list[float]] = [[] for _ in runs]
            losses: list[list[float]] = [[] for _ in runs]
            for _ in range(rounds):
                for run, seconds, seen in zip(runs, measured, losses, strict=True):
                    taken, loss = run()
                    seconds.append(taken if axis == EPOCH else taken / run.steps)
                    seen.append(loss)
            for value, run, seconds, seen in zip(values, runs, measured, losses, strict=True):
                expected = run.alone()
                found.append(
                    Row(
                        f"{value}",
                        name,
                        tuple(seconds),
                        group=axis,
                        x=float(value),
                        error=max(relative_error(loss, expected) for loss in seen),
                        tolerance=TOLERANCE,
                    )
                )
    return found


def findings(rows: list[Row]) -> list[str]:
    """The fitted cost of an epoch, the deviation from it, and the gain of populations."""
    lines = []
    for row in rows:
        alone = [
            one.median
            for one in rows
            if (one.contestant, one.group, one.x) == (row.contestant, MEMBERS, 1)
        ]
        if row.group == MEMBERS and row.x != 1 and row.x and row.median and alone and alone[0]:
            share = row.median / (row.x * alone[0])
            lines.append(f"{row.x:.0f} x {row.contestant} at once / in turn: {share:.2f}")
    for name in dict.fromkeys(row.contestant for row in rows):
        own = [row for row in rows if row.contestant == name and row.group == EPOCH]
        x = np.array([row.x for row in own if row.x is not None and row.median is not None])
        y = np.array([row.median for row in own if row.median is not None])
        if len(x) >= 3:
            slope, start, off = fit_line(x, y)
            lines.append(
                f"an epoch of {name}: {1e3 * slope:.3g} ms an image and {1e3 * start:.3g} ms; "
                f"at most {off:.1%} off that line"
            )
    return lines


def fit_line(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Least squares of relative residuals: slope, intercept and largest relative residual."""
    slope, start = np.polyfit(x, y, 1, w=1 / y)
    off = np.abs(slope * x + start - y) / y
    return float(slope), float(start), float(off.max())


def _setting(axis: str, value: int, name: str, batch: int) -> _Setting:
    usual = _Setting(batch, ZOO[name].input_shape[0], 1, _STEPS * batch)
    if axis.startswith("batch"):
        return usual._replace(batch=value, pictures=_STEPS * value)
    if axis.startswith("side"):
        return usual._replace(side=value)
    if axis.startswith("models"):
        return usual._replace(members=value)
    return usual._replace(pictures=value)


class _Run:
    """An epoch at one setting, always from the same initial parameters."""

    def __init__(self, name: str, setting: _Setting) -> None:
        entry = ZOO[name]
        shape = (setting.side, setting.side, entry.input_shape[2])
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (setting.pictures, *shape)).astype(np.uint8)
        labels = rng.integers(0, entry.classes, setting.pictures).astype(np.int32)
        self._data = Dataset(images, labels, tuple(map(str, range(entry.classes))))
        self.steps = -(-setting.pictures // setting.batch)
        # In one call: progress reports would add noticeable time to an epoch of four steps.
        config = TrainConfig(epochs=1, batch_size=setting.batch, steps_per_call=self.steps)
        self._configs = [replace(config, seed=seed) for seed in range(setting.members)]
        self._fresh = [build(name, shape, seed=seed) for seed in range(setting.members)]

    def __call__(self) -> tuple[float, float]:
        """Train an epoch; return its seconds and the first model's loss."""
        models = [nnx.clone(model) for model in self._fresh]
        if len(models) == 1:
            history = fit(models[0], self._data, self._configs[0], verbose=0)
        else:
            history = fit_population(models, self._data, self._configs, verbose=0)[0]
        return history["seconds"][0], history["loss"][0]

    def alone(self) -> float:
        """The loss of the first model when trained by itself."""
        history = fit(nnx.clone(self._fresh[0]), self._data, self._configs[0], verbose=0)
        loss: float = history["loss"][0]
        return loss
