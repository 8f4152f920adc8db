"""Training: `fit` is the only loop; `evaluate` and `predict` are what it is judged by.

An epoch is one compiled program (`jcnn.programs`) that runs from any step to any other, so Python
can look in about once a second: to show progress, and to stop.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jcnn import checkpoint, ops
from jcnn.config import TrainConfig
from jcnn.data import Dataset, split
from jcnn.data.events import Note
from jcnn.history import EpochResult, History, from_rows, write_history
from jcnn.layers import Layer, LayerError, as_model, evaluating, take_apart, training
from jcnn.metrics import Totals, correct, zero_totals
from jcnn.models.calls import recorded_calls
from jcnn.programs import Carry, State, epoch_program, logits_program, optimizer

Model = nnx.Module | Sequence[Layer]


@dataclass(frozen=True)
class Compiling:
    """`fit` is about to compile the epoch's program."""


@dataclass(frozen=True)
class Progress:
    """Part of an epoch is done; loss and accuracy are means over it so far."""

    epoch: int
    step: int
    steps: int
    loss: float
    accuracy: float


Event = Compiling | Progress | EpochResult | Note


class DivergedError(ArithmeticError):
    """The loss became NaN or infinite; the model holds the last epoch that was good."""


@dataclass(frozen=True)
class Evaluation:
    """Mean loss in nats and accuracy in 0..1 over `n` examples."""

    loss: float
    accuracy: float
    n: int


def fit(
    model: Model,
    dataset: Dataset,
    config: TrainConfig | None = None,
    *,
    validation: Dataset | None = None,
    run: Path | str | None = None,
    resume: bool = False,
    on_event: Callable[[Event], None] | None = None,
) -> History:
    """Train a model with Adam (Keras's epsilon 1e-7) on the cross-entropy of its logits.

    The data set stays on the device as uint8. Every example is seen once an epoch, in an order
    and with dropout that follow from the seed, the epoch and the step alone: the same seed gives
    the same bits, and a resumed run the bits of one that never stopped.

    Args:
        model: `(N, H, W, C)` float32 in 0..1 to logits `(N, K)`: the zoo's, any `nnx.Module`,
            or a list of layers. It is changed in place.
        dataset: to train on.
        config: how; None means `TrainConfig()`.
        validation: examples to validate on after each epoch, instead of
            `config.validation_split`, which cuts them from the end of `dataset`.
        run: folder to keep a checkpoint of each epoch and `history.jsonl` in.
        resume: continue from the run's newest checkpoint, up to `config.epochs` in all.
        on_event: called with each `Event`.

    Returns:
        A row for each epoch, those before a resume included.

    Raises:
        ValueError: an argument is wrong, or the model does not fit the data or the run.
        DivergedError: the loss is no longer finite. The model, and the run, keep the last
            good epoch; so they do when Ctrl-C raises KeyboardInterrupt.
    """
    config = TrainConfig() if config is None else config
    notify = on_event or (lambda event: None)
    module = as_model(model)
    if config.validation_split:
        if validation is not None:
            raise ValueError("validation: give either it or config.validation_split, not both")
        dataset, validation = split(dataset, config.validation_split)
    check_fit(module, dataset)
    if validation is not None:
        check_fit(module, validation)

    parts = take_apart(training(module))
    params, rest = _copy(parts.params), _copy(parts.rest)  # the program takes these buffers over
    state = State(params, rest, optimizer(config.learning_rate).init(params))
    state, history = _start(state, Path(run) if run else None, resume, notify)
    good = _copy((state.params, state.rest))
    program = epoch_program(parts.graphdef, config.learning_rate, config.batch_size)
    images, labels = jnp.asarray(dataset.images), jnp.asarray(dataset.labels)
    steps = -(-len(dataset) // config.batch_size)
    seed = jax.random.key(config.seed)

    def run_steps(state: State, totals: Totals, epoch: int, start: int, stop: int) -> Carry:
        key = jax.random.fold_in(seed, epoch)
        carry: Carry = program(state, parts.streams, totals, images, labels, key, start, stop)
        return carry

    try:
        if len(history) < config.epochs:
            notify(Compiling())  # a run of no steps compiles, and leaves the clock to the epochs
            state, totals = run_steps(state, zero_totals(), 0, 0, 0)
            totals.loss.block_until_ready()
        for epoch in range(len(history) + 1, config.epochs + 1):
            began = time.perf_counter()
            step, totals = 0, zero_totals()
            while step < steps:
                stop = _next_stop(step, steps, time.perf_counter() - began)
                state, totals = run_steps(state, totals, epoch, step, stop)
                step = stop
                seen = min(step * config.batch_size, len(dataset))
                loss, accuracy = float(totals.loss) / seen, int(totals.correct) / seen
                if not math.isfinite(loss):
                    raise _diverged(f"the loss became {loss}", epoch, config)
                notify(Progress(epoch, step, steps, loss, accuracy))
            seconds = time.perf_counter() - began
            if not all(bool(jnp.isfinite(p).all()) for p in jax.tree.leaves(state.params)):
                raise _diverged("the parameters became infinite or NaN", epoch, config)
            after = _copy((state.params, state.rest))
            scores = None
            if validation is not None:
                nnx.update(module, *after)
                scores = evaluate(module, validation, batch_size=config.batch_size)
            result = EpochResult(
                epoch=epoch,
                loss=loss,
                accuracy=accuracy,
                val_loss=None if scores is None else scores.loss,
                val_accuracy=None if scores is None else scores.accuracy,
                seconds=seconds,
                images_per_second=len(dataset) / seconds,
            )
            history, good = History((*history.epochs, result)), after
            if run:
                with checkpoint.uninterrupted():
                    taken, meta = epoch * steps, {"history": history.rows()}
                    checkpoint.save(Path(run), taken, state._asdict(), meta)
                    write_history(history, Path(run) / "history.jsonl")
            notify(result)
    finally:
        nnx.update(module, *good)
    return history


def evaluate(model: Model, dataset: Dataset, *, batch_size: int = 64) -> Evaluation:
    """Mean loss and accuracy of a model, with dropout off.

    Args:
        model: as for `fit`.
        dataset: the examples.
        batch_size: examples computed at a time; the result does not depend on it but for
            rounding.

    Raises:
        ValueError: the model does not fit the data.
    """
    check_fit(as_model(model), dataset)
    logits = _logits(model, np.asarray(dataset.images), batch_size)
    chex.assert_shape(logits, (len(dataset), len(dataset.class_names)))
    labels = jnp.asarray(dataset.labels)
    loss = jnp.mean(ops.cross_entropy(logits, labels))
    return Evaluation(float(loss), int(correct(logits, labels)) / len(dataset), len(dataset))


def predict(model: Model, images: np.ndarray, *, batch_size: int = 64) -> np.ndarray:
    """Probabilities of the classes, with dropout off.

    Args:
        model: as for `fit`.
        images: `(N, H, W, C)` uint8.
        batch_size: examples computed at a time.

    Returns:
        `(N, K)` float32; each row adds to 1.

    Raises:
        ValueError: the images have another rank or dtype, or do not fit the model.
    """
    if images.ndim != 4 or images.dtype != np.uint8 or not len(images):
        raise ValueError(
            f"images: got shape {images.shape} of {images.dtype}; "
            "expected (N, H, W, C) of uint8 with N >= 1"
        )
    model_output_shape(as_model(model), images.shape[1:])
    return np.asarray(ops.softmax(_logits(model, images, batch_size)))


def check_fit(model: nnx.Module, dataset: Dataset) -> None:
    """Refuse a model whose input or logits are not those of the data set, before compiling.

    Raises:
        ValueError: it names the layer that cannot take its input, or the shape of the logits.
    """
    shape = model_output_shape(model, dataset.image_shape)
    classes = len(dataset.class_names)
    if shape != (classes,):
        raise ValueError(
            f"model: gives {shape} for a picture of {dataset.image_shape}; "
            f"expected one logit for each of the {classes} classes, ({classes},)"
        )


def model_output_shape(model: nnx.Module, image_shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of a model's output for one picture, without the batch axis; nothing is computed."""
    module = evaluating(model)
    example = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    try:
        with recorded_calls(module):
            return tuple(jax.eval_shape(module, example).shape[1:])
    except LayerError as error:
        raise ValueError(f"model: cannot take pictures of {image_shape}: {error}") from error


def _logits(model: Model, images: np.ndarray, batch_size: int) -> jax.Array:
    graphdef, state = nnx.split(evaluating(as_model(model)))
    logits: jax.Array = logits_program(graphdef, batch_size)(state, jnp.asarray(images))
    return logits


def _diverged(what: str, epoch: int, config: TrainConfig) -> DivergedError:
    return DivergedError(
        f"{what} in epoch {epoch}; the last good epoch is {epoch - 1}; "
        f"try a learning rate below {config.learning_rate:g}"
    )


def _start(
    state: State, run: Path | None, resume: bool, notify: Callable[[Event], None]
) -> tuple[State, History]:
    if run is None:
        if resume:
            raise ValueError("resume: needs a run folder to resume from")
        return state, History()
    if not resume:
        if checkpoint.steps(run):
            raise ValueError(f"run: {run} already holds a training; resume it or name another")
        return state, History()
    if not checkpoint.steps(run):
        return state, History()
    restored, meta = checkpoint.restore(
        run, state._asdict(), on_damage=lambda text: notify(Note(text))
    )
    history = from_rows(meta["history"])
    write_history(history, run / "history.jsonl")  # a kill may have left it behind, or ahead
    return State(**restored), history


def _copy(tree: Any) -> Any:
    return jax.tree.map(jnp.copy, tree)


def _next_stop(step: int, steps: int, seconds: float) -> int:
    """Where the next call ends: after about a second more, judged by the epoch so far."""
    if step == 0:
        return min(2, steps)
    ahead = max(1, min(step * 4, round(step / max(seconds, 1e-6))))
    return min(step + ahead, steps)
