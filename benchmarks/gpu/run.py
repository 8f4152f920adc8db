"""Time lecture D's training: conv4, batch 64, 48,000 images, 50 epochs, 37,500 steps.

Times all epochs, each library in a separate process; the compilation before (one epoch of jcnn and
Keras, a few steps of PyTorch) is a separate figure. Each row has the test accuracy, which shows
that all train the same model. The goal: jcnn under 6 s, and ten times faster than PyTorch eager.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.peers.measure import Failed
from benchmarks.peers.task import Task
from jcnn.bench.processes import Setup, time_in_turn
from jcnn.bench.record import Row
from jcnn.config import Compute
from jcnn.data import DataError, Dataset, load


class Training(NamedTuple):
    """The training and its data; images are random if `data_dir` is None."""

    task: Task
    epochs: int
    data_dir: Path | None
    tested: int


class Done(NamedTuple):
    """Seconds of compilation and of training, and the test accuracy."""

    compiling: float
    seconds: float
    accuracy: float


def measure(*, data_dir: Path | None, small: bool) -> Iterator[Row]:
    """Yield a row for each contestant, timed once, in both dtypes (`small`: only bfloat16)."""
    computes: tuple[Compute, ...] = ("float32", "bfloat16")
    for compute in computes[small:]:
        task = Task("conv1", 8, 2, compute) if small else Task("conv4", 64, 750, compute)
        training = Training(task, 2 if small else 50, data_dir, 16 if small else 10_000)
        for name, train in contestants(training).items():
            yield row_of(name, train, training)


def contestants(training: Training) -> dict[str, Callable[[], Done]]:
    """The contestants, jcnn first."""
    steps = training.task.steps
    return {
        "jcnn": partial(by_jcnn, training),
        "PyTorch, eager": partial(by_torch, training, compiled=False),
        "PyTorch, compiled": partial(by_torch, training, compiled=True),
        "Keras, JAX": partial(by_keras, training, at_once=1),
        f"Keras, JAX, {steps} at once": partial(by_keras, training, at_once=steps),
    }


def row_of(name: str, train: Callable[[], Done], training: Training) -> Row:
    """Run one training in the set-up of its process, which returns its time as the result."""
    setups: dict[str, Setup] = {name: partial(once, train)}
    answer = time_in_turn(setups, rounds=0, runs=0)[name].answer
    row = Row(f"{training.task.model}, {training.epochs} epochs", name, group=training.task.compute)
    if isinstance(answer, Failed):
        return replace(row, note=answer.reason)
    figures = {"before, s": answer.compiling, "test accuracy": answer.accuracy}
    return replace(row, seconds=(answer.seconds,), figures=figures)


def once(train: Callable[[], Done]) -> tuple[Callable[[], None], Done | Failed]:
    """Run a training as a set-up, with nothing left to time."""
    try:
        return (lambda: None), train()
    except ModuleNotFoundError as error:
        return (lambda: None), Failed(f"not installed: {error.name}")
    except Exception as error:  # the others still run
        reason = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        return (lambda: None), Failed(reason[:200])


def findings(rows: list[Row]) -> list[str]:
    """The measured times and ratios, and the goal."""
    found = []
    for group in dict.fromkeys(row.group for row in rows):
        timed = {row.contestant: row.median for row in rows if row.group == group and row.median}
        ours = timed.pop("jcnn", None)
        if ours:
            found.append(f"{group}: jcnn takes {ours:.2f} s (goal: under 6)")
            found += [f"{group}: {name} / jcnn: {t / ours:.1f}" for name, t in timed.items()]
    return found


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


def by_jcnn(training: Training) -> Done:
    """Train with `fit`, after an epoch of another model has compiled its programs."""
    from jcnn.models import build
    from jcnn.train import TrainConfig, evaluate, fit

    train, test = data(training)
    task = training.task
    config = partial(TrainConfig, batch_size=task.batch, compute_dtype=task.compute)
    start = time.perf_counter()
    fit(build(task.model), train, config(epochs=1), verbose=0)
    model = build(task.model)
    began = time.perf_counter()
    fit(model, train, config(epochs=training.epochs), verbose=0)
    seconds = time.perf_counter() - began
    return Done(began - start, seconds, evaluate(model, test).accuracy)


def by_torch(training: Training, *, compiled: bool) -> Done:
    """Train with the tutorials' loop over shuffled rows of tensors on the device."""
    import torch

    from benchmarks.peers import torch_step

    train, test = data(training)
    task = training.task
    model, step = torch_step.trainer(task, channels_last=True, compiled=compiled)
    images = torch_step.place(train.images[:], channels_last=True)
    labels = torch.from_numpy(train.labels).long().to(torch_step.DEVICE)
    start = time.perf_counter()
    for _ in range(3):
        step(images[: task.batch], labels[: task.batch])
    torch_step.finish()
    began = time.perf_counter()
    for _ in range(training.epochs):
        torch_step.pass_over(step, images, labels, task.batch)
    torch_step.finish()
    seconds = time.perf_counter() - began
    model.eval()
    right = 0
    with torch.no_grad():
        for first in range(0, len(test), 1000):
            part = slice(first, first + 1000)
            x = torch_step.place(test.images[part], channels_last=True).float() / 255
            right += int((model(x).argmax(1).cpu().numpy() == test.labels[part]).sum())
    return Done(began - start, seconds, right / len(test))


def by_keras(training: Training, *, at_once: int) -> Done:
    """Train with `model.fit` on JAX, after an epoch that compiles; then reset the weights."""
    from benchmarks.peers import keras_step

    train, test = data(training)
    task = training.task
    model, _ = keras_step.prepared(task, "jax", at_once)
    fresh = model.get_weights()
    fit = partial(model.fit, train.images[:], train.labels, batch_size=task.batch, verbose=0)
    start = time.perf_counter()
    fit(epochs=1)
    model.set_weights(fresh)
    began = time.perf_counter()
    fit(epochs=training.epochs)
    seconds = time.perf_counter() - began
    _, accuracy = model.evaluate(test.images[:], test.labels, batch_size=1000, verbose=0)
    return Done(began - start, seconds, float(accuracy))
