"""Training: `fit` is the only loop; `evaluate` and `predict` are what it is judged by.

An epoch is one compiled program: shuffling, normalisation, the steps and their metrics run on
the device. Its loop takes its bounds as arguments, so the same program runs a whole epoch or a
second's worth of it, and Python looks in between: to show progress, and to stop.
"""

import dataclasses
import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax import lax

from jcnn import checkpoint, ops
from jcnn.compile import jit
from jcnn.config import TrainConfig
from jcnn.data import Dataset, split
from jcnn.data.batches import epoch_order, normalise, take_batch
from jcnn.history import EpochResult, History
from jcnn.layers import Layer, LayerError, as_model, evaluating, take_apart, training
from jcnn.metrics import Totals, correct, zero_totals
from jcnn.models.calls import recorded_calls

Model = nnx.Module | Sequence[Layer]


class State(NamedTuple):
    """What training changes: the parameters, the layers' other state, the optimizer's."""

    params: Any
    rest: Any
    optimizer: Any


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


Event = Compiling | Progress | EpochResult


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
        ValueError: an argument is wrong, or the model does not fit the data.
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

    graphdef, state, streams = _split(training(module), config)
    state, history = _start(state, Path(run) if run else None, resume)
    good = _copy((state.params, state.rest))
    epoch_program = _epoch_program(graphdef, config.learning_rate, config.batch_size)
    images, labels = jnp.asarray(dataset.images), jnp.asarray(dataset.labels)
    seed = jax.random.key(config.seed)

    try:
        if len(history) < config.epochs:
            notify(Compiling())  # a run of no steps compiles, and leaves the clock to the epochs
            state, totals = epoch_program(state, streams, zero_totals(), images, labels, seed, 0, 0)
            totals.loss.block_until_ready()
        for epoch in range(len(history) + 1, config.epochs + 1):
            key = jax.random.fold_in(seed, epoch)
            start = time.perf_counter()
            step, totals = 0, zero_totals()
            steps = -(-len(dataset) // config.batch_size)
            while step < steps:
                stop = _next_stop(step, steps, time.perf_counter() - start)
                state, totals = epoch_program(
                    state, streams, totals, images, labels, key, step, stop
                )
                step = stop
                seen = min(step * config.batch_size, len(dataset))
                loss, accuracy = float(totals.loss) / seen, int(totals.correct) / seen
                if not np.isfinite(loss):
                    raise DivergedError(
                        f"the loss became {loss} in epoch {epoch} (steps up to {step} of {steps}); "
                        f"the last good epoch is {epoch - 1}; try a learning rate below "
                        f"{config.learning_rate:g}"
                    )
                notify(Progress(epoch, step, steps, loss, accuracy))
            seconds = time.perf_counter() - start
            result = EpochResult(epoch, loss, accuracy, None, None, seconds, len(dataset) / seconds)
            if validation is not None:
                nnx.update(module, _copy(state.params), _copy(state.rest))
                scores = evaluate(module, validation, batch_size=config.batch_size)
                result = dataclasses.replace(
                    result, val_loss=scores.loss, val_accuracy=scores.accuracy
                )
            history = History((*history.epochs, result))
            if run:
                checkpoint.save(Path(run), state._asdict(), history)
            good = _copy((state.params, state.rest))
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
    logits = _logits(model, dataset.images, batch_size)
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


# --- the programs ---------------------------------------------------------------------------------


@functools.lru_cache(maxsize=16)
def _epoch_program(graphdef: Any, learning_rate: float, batch_size: int) -> Any:
    optimizer = _optimizer(learning_rate)

    def step(
        carry: tuple[State, Totals], streams: Any, images: jax.Array, labels: jax.Array, key: Any
    ) -> tuple[State, Totals]:
        state, totals = carry
        size = len(images)
        chex.assert_rank(images, 4)
        chex.assert_type([images, labels], [jnp.uint8, jnp.int32])
        chex.assert_shape(labels, (size,))

        def mean_loss(params: Any) -> tuple[jax.Array, tuple[Any, Totals]]:
            model = nnx.merge(graphdef, params, streams, state.rest, copy=True)
            _reseed(model, key)
            logits = model(normalise(images))
            chex.assert_shape(logits, (size, None))
            losses = ops.cross_entropy(logits, labels)
            rest = take_apart(model).rest
            sums = Totals(jnp.sum(losses, dtype=jnp.float32), correct(logits, labels))
            return jnp.mean(losses), (rest, sums)

        gradients, (rest, sums) = jax.grad(mean_loss, has_aux=True)(state.params)
        updates, moments = optimizer.update(gradients, state.optimizer, state.params)
        params = optax.apply_updates(state.params, updates)
        return State(params, rest, moments), jax.tree.map(jnp.add, totals, sums)

    def steps(
        state: State,
        streams: Any,
        totals: Totals,
        images: jax.Array,
        labels: jax.Array,
        key: jax.Array,
        start: jax.Array,
        stop: jax.Array,
    ) -> tuple[State, Totals]:
        """The steps from `start` to `stop` of the epoch that `key` shuffles."""
        full, remainder = divmod(len(images), batch_size)
        shuffle_key, dropout_key = jax.random.split(key)
        order = epoch_order(shuffle_key, len(images))

        def run_step(i: Any, carry: tuple[State, Totals], size: int) -> tuple[State, Totals]:
            batch = take_batch(images, labels, order, i, size, batch_size=batch_size)
            return step(carry, streams, *batch, jax.random.fold_in(dropout_key, i))

        carry = (state, totals)
        if full:
            whole = functools.partial(run_step, size=batch_size)
            carry = lax.fori_loop(start, jnp.minimum(stop, full), whole, carry)
        if remainder:  # the partial last batch, of its own shape
            last = functools.partial(run_step, full, size=remainder)
            carry = lax.cond(stop > full, last, lambda carry: carry, carry)
        return carry

    return jit(steps, donate_argnums=(0, 2))


@functools.lru_cache(maxsize=16)
def _logits_program(graphdef: Any, batch_size: int) -> Any:
    def logits(state: Any, images: jax.Array) -> jax.Array:
        model = nnx.merge(graphdef, state, copy=True)
        n = len(images)
        size = min(batch_size, n)
        # Every batch is whole: the last one reaches back over examples that are computed already.
        starts = np.minimum(np.arange(0, n, size), n - size)

        def one_batch(start: jax.Array) -> jax.Array:
            y: jax.Array = model(normalise(lax.dynamic_slice_in_dim(images, start, size)))
            return y

        y = lax.map(one_batch, jnp.asarray(starts))
        tail = n - (len(starts) - 1) * size
        return jnp.concatenate([y[:-1].reshape(-1, *y.shape[2:]), y[-1, size - tail :]])

    return jit(logits)


def _logits(model: Model, images: np.ndarray, batch_size: int) -> jax.Array:
    graphdef, state = nnx.split(evaluating(as_model(model)))
    logits: jax.Array = _logits_program(graphdef, batch_size)(state, jnp.asarray(images))
    return logits


def _optimizer(learning_rate: float) -> optax.GradientTransformation:
    return optax.adam(learning_rate, eps=1e-7)


def _reseed(model: nnx.Module, key: jax.Array) -> None:
    """Give every random stream of a model its own key for this step, by its place in the model."""
    for path, node in nnx.iter_graph(model):
        if isinstance(node, nnx.RngStream):
            name = crc32("/".join(map(str, path)).encode())
            node.key[...] = jax.random.fold_in(key, name)
            node.count[...] = jnp.zeros((), jnp.uint32)


# --- beginning, and going on ----------------------------------------------------------------------


def _split(model: nnx.Module, config: TrainConfig) -> tuple[Any, State, Any]:
    graphdef, params, streams, rest = take_apart(model)
    params, rest = _copy(params), _copy(rest)  # the program takes these buffers over
    return graphdef, State(params, rest, _optimizer(config.learning_rate).init(params)), streams


def _start(state: State, run: Path | None, resume: bool) -> tuple[State, History]:
    if run is None:
        if resume:
            raise ValueError("resume: needs a run folder to resume from")
        return state, History()
    if not resume:
        if checkpoint.epochs(run):
            raise ValueError(f"run: {run} already holds a training; resume it or name another")
        return state, History()
    if not checkpoint.epochs(run):
        return state, History()
    restored, history = checkpoint.restore(run, state._asdict())
    return State(**restored), history


def _copy(tree: Any) -> Any:
    return jax.tree.map(jnp.copy, tree)


def _next_stop(step: int, steps: int, seconds: float) -> int:
    """Where the next call ends: after about a second more, judged by the epoch so far."""
    if step == 0:
        return min(2, steps)
    ahead = max(1, min(step * 4, round(step / max(seconds, 1e-6))))
    return min(step + ahead, steps)
