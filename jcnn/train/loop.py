"""The training loop, for one model or a population of one structure.

An epoch is one compiled program (`jcnn.train.programs`) that runs from any step to any other.
Python calls it for about a second at a time, and reports progress, saves or stops between calls.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jcnn.config import TrainConfig
from jcnn.data import Dataset, Note
from jcnn.interop.imported import SavedOptimizer
from jcnn.layers import eval_mode, train_mode
from jcnn.layers.model import SplitModel
from jcnn.runs import record
from jcnn.runs.epochs import keep_epoch
from jcnn.runs.history import History, mean_history
from jcnn.train import epoch_results
from jcnn.train.evaluate import Evaluation
from jcnn.train.events import Compiling, DivergedError, Event
from jcnn.train.functions import Functions, describe
from jcnn.train.metrics import Totals, zero_totals
from jcnn.train.model_state import (
    ModelState,
    all_finite,
    choose_better,
    copy,
    from_tree,
    to_tree,
)
from jcnn.train.optimizer_state import restored
from jcnn.train.order import order_of
from jcnn.train.population import evaluate_population, member_states, population_mode, stack_models
from jcnn.train.prefetch import Order, PrefetchedWindows, ResidentWindows, open_windows
from jcnn.train.programs import (
    compiled_part,
    epoch_program,
    head_of,
    init_program,
    seed_keys,
    step_keys,
)
from jcnn.train.resume import TrainProgress, fingerprint_of, restore_or_init, save_progress
from jcnn.train.schedules import learning_rate_factor
from jcnn.train.step import TrainState

# Called after each epoch with the model and its history so far; True stops the training.
Callback = Callable[[nnx.Module, History], bool | None]

# A longer epoch is also saved before its end, once in this time.
SAVE_SECONDS = 600.0
# An epoch that would take longer is stopped by a time limit before its end.
PATIENCE_SECONDS = 60.0


class _Setup(NamedTuple):
    """What stays the same during a training.

    Attributes:
        models, dataset, configs, functions, run, notify, callbacks, check_interrupt: as for
            `train`.
        steps: number of steps in an epoch.
        axis: `()` for one model, `(M,)` for a population: the leading axis of its arrays.
        parts: the models, split in train mode.
        seeds: PRNG keys, of shape `axis`.
        order: gives the order of an epoch's examples.
        program: from `epoch_program`.
        evaluate: evaluates a `ModelState` on the validation examples.
        fingerprint: from `fingerprint_of`.
        deadline: when the time limit is reached, by `time.monotonic`.
    """

    models: Sequence[nnx.Module]
    dataset: Dataset
    configs: Sequence[TrainConfig]
    functions: Functions
    run: Path | None
    notify: Callable[[Event], None]
    callbacks: Sequence[Callback]
    check_interrupt: Callable[[], None]
    steps: int
    axis: tuple[int, ...]
    parts: SplitModel
    seeds: jax.Array
    order: Order
    program: Any
    evaluate: Callable[[ModelState], list[Evaluation | None]]
    fingerprint: dict[str, Any]
    deadline: float

    @property
    def config(self) -> TrainConfig:
        """The settings that all models share."""
        return self.configs[0]

    def zero_totals(self) -> Totals:
        """The totals of no example."""
        return zero_totals(self.axis, [name for name, _ in self.functions.metrics])

    def means(self, totals: Totals, seen: int) -> epoch_results.Means:
        """The totals divided by the number of examples seen."""
        return epoch_results.means(totals, seen, of_classes=self.dataset.has_classes)


@dataclass
class _Current:
    """What changes during a training.

    Attributes:
        state: the state of the training step; the program takes over its buffers.
        totals: sums over the examples of the epoch so far.
        result: the state that the models get when training ends.
        histories: the finished epochs of each model.
        step: finished steps of the epoch after those.
        seconds: time that these steps took.
    """

    state: TrainState
    totals: Totals
    result: ModelState
    histories: tuple[History, ...]
    step: int
    seconds: float

    @property
    def epoch(self) -> int:
        """Number of the epoch that is being trained, 1 for the first."""
        return len(self.histories[0]) + 1


def train(
    models: Sequence[nnx.Module],
    dataset: Dataset,
    validation: Dataset | None,
    configs: Sequence[TrainConfig],
    functions: Functions,
    run: Path | None,
    resume: bool,
    notify: Callable[[Event], None],
    callbacks: Sequence[Callback],
    check_interrupt: Callable[[], None],
    histories: tuple[History, ...] | None = None,
    until: int | None = None,
    deadline: float = math.inf,
    optimizer_state: SavedOptimizer | None = None,
) -> tuple[History, ...]:
    """Train `models` in place, as documented at `jcnn.train.fit`; return a history for each.

    Args:
        models, dataset, validation, configs, run, resume, notify, callbacks: as for `fit`.
        functions: the loss, metrics and optimizer.
        check_interrupt: raises KeyboardInterrupt after a Ctrl-C; called between the calls of
            compiled programs.
        histories: of the epochs before, for the second part of a training that unfreezes layers.
            With None, a training starts, or is resumed.
        until: the epoch after which the first part ends; None for the last.
        deadline: when the time limit is reached, by `time.monotonic`.
        optimizer_state: as for `fit`.
    """
    axis = (len(models),) if len(models) > 1 else ()
    seeds = seed_keys(np.asarray([c.seed for c in configs], np.int64).reshape(axis))
    parts, evaluated = stack_models(models, train_mode), stack_models(models, eval_mode)
    setup = _Setup(
        models=models,
        dataset=dataset,
        configs=configs,
        functions=functions,
        run=run,
        notify=notify,
        callbacks=callbacks,
        check_interrupt=check_interrupt,
        steps=-(-len(dataset) // configs[0].batch_size),
        axis=axis,
        parts=parts,
        seeds=seeds,
        order=order_of(dataset, configs[0], seeds),
        program=epoch_program(
            parts.graphdef,
            compiled_part(configs[0]),
            examples=len(dataset),
            classes=len(dataset.class_names),
            population=population_mode() if axis else None,
            functions=functions,
            head=head_of(models[0], dataset.image_shape, configs[0]),
        ),
        evaluate=partial(
            evaluate_population,
            evaluated,
            len(models),
            validation,
            configs[0].batch_size,
            functions=functions,
        ),
        fingerprint=fingerprint_of(configs, dataset, describe(functions, parts.params)),
        deadline=deadline,
    )
    current = _start(setup, resume, histories, optimizer_state)
    last = setup.config.epochs if until is None else min(until, setup.config.epochs)

    def has_ended() -> bool:
        finished = len(current.histories[0])
        return finished >= last or epoch_results.has_ended(setup.config, current.histories)

    done = has_ended()
    epochs = 0 if done else last
    try:
        with open_windows(dataset, setup.order, setup.config, notify, epochs=epochs) as windows:
            if not done:
                _compile(setup, current, windows)
                check_interrupt()
            late = False
            while not (done or late):
                whole = _run_epoch(setup, current, windows)
                done = whole and (_finish_epoch(setup, current) or has_ended())
                late = not done and _is_late(setup)
        stopped = _late_words(setup, current) if late else ""
        words = epoch_results.ending(setup.config, current.histories, stopped)
        goes_on = until is not None and len(current.histories[0]) == until
        if words and not (goes_on and not epoch_results.has_ended(setup.config, current.histories)):
            notify(Note(words))
    finally:
        _update_models(setup, current.result)
    return current.histories


def _start(
    setup: _Setup,
    resume: bool,
    histories: tuple[History, ...] | None,
    saved: SavedOptimizer | None,
) -> _Current:
    """The initial state, or that of the run's newest checkpoint."""
    params, rest = copy((setup.parts.params, setup.parts.rest))  # these buffers are donated
    init = init_program(
        compiled_part(setup.config), population=bool(setup.axis), functions=setup.functions
    )
    state = init(params, rest)
    if saved is not None:
        state = state._replace(optimizer=restored(state.optimizer, saved))
    tree = to_tree(state, setup.zero_totals(), copy(ModelState(params, rest)))
    if histories is not None:
        return _Current(*from_tree(tree), *TrainProgress(histories))
    tree, progress = restore_or_init(
        setup.run,
        resume,
        tree,
        len(setup.models),
        setup.notify,
        separate=setup.config.has_separate_result,
        fingerprint=setup.fingerprint,
    )
    record(setup.run, setup.models, setup.dataset, setup.config)
    current = _Current(*from_tree(tree), *progress)
    if current.step == 0:
        # Epoch 0; or again an epoch that is gone because the training goes on from a checkpoint
        # before the newest.
        _keep(setup, current, _after(setup, current.state))
    return current


def _compile(
    setup: _Setup, current: _Current, windows: ResidentWindows | PrefetchedWindows
) -> None:
    """Compile the epoch's program by running no step, so that no epoch's seconds include it."""
    setup.notify(Compiling())
    window, _ = windows.window(current.epoch, min(current.step, setup.steps - 1))
    key, rate = step_keys(setup.seeds, 0), np.ones(setup.axis, np.float32)
    _call(setup, current, (*window, key, rate, 0), 0, 0)
    jax.block_until_ready(current.totals)


def _run_epoch(
    setup: _Setup, current: _Current, windows: ResidentWindows | PrefetchedWindows
) -> bool:
    """Run the remaining steps of an epoch; report progress, and save a long epoch.

    Returns:
        False if the time limit has stopped the epoch before its end; it is then saved.

    Raises:
        DivergedError: no model has a finite loss.
    """
    config, epoch = setup.config, current.epoch
    key = step_keys(setup.seeds, epoch)
    rates = epoch_results.learning_rates(setup.configs, current.histories)
    rate = rates.astype(np.float32).reshape(setup.axis)
    before = (epoch - 1) * setup.steps
    began, waited = time.perf_counter() - current.seconds, windows.wait_seconds
    saved = time.perf_counter()
    while current.step < setup.steps:
        window, end = windows.window(epoch, current.step)
        stop = _next_stop(current.step, end, current.seconds, config)
        _call(setup, current, (*window, key, rate, before), current.step, stop)
        seen = min(stop * config.batch_size, len(setup.dataset))
        means = setup.means(current.totals, seen)
        current.step, current.seconds = stop, time.perf_counter() - began
        if not np.isfinite(means.loss).any():
            raise _diverged("the loss became NaN or infinite", setup, epoch)
        waiting = (windows.wait_seconds - waited) / current.seconds
        setup.notify(epoch_results.progress(epoch, stop, setup.steps, means, waiting))
        setup.check_interrupt()
        if stop < setup.steps and time.perf_counter() - saved > SAVE_SECONDS:
            _save(setup, current)
            saved = time.perf_counter()
        ahead = current.seconds / stop * (setup.steps - stop)
        if ahead > PATIENCE_SECONDS and _is_late(setup):
            _save(setup, current)
            return False
    return True


def _is_late(setup: _Setup) -> bool:
    return time.monotonic() > setup.deadline


def _late_words(setup: _Setup, current: _Current) -> str:
    """Where the time limit has stopped a training."""
    done, where = len(current.histories[0]), ""
    if current.step:
        kept = "saved" if setup.run else "not kept without a run folder"
        where = f"{current.step} of {setup.steps} steps into epoch {done + 1}, which are {kept}"
    return (
        f"time limit of {setup.config.time_limit:g} minutes: stopped "
        f"{where or f'after epoch {done}'} (of {setup.config.epochs} epochs)"
    )


def _call(
    setup: _Setup, current: _Current, arguments: tuple[Any, ...], start: int, stop: int
) -> None:
    """Run the steps from `start` to `stop`; the old state and totals are donated."""
    current.state, current.totals = setup.program(
        current.state, setup.parts.streams, current.totals, *arguments, start, stop
    )


def _finish_epoch(setup: _Setup, current: _Current) -> bool:
    """Evaluate and save a finished epoch, and call the callbacks; return whether to stop.

    Raises:
        DivergedError: no model has finite parameters.
    """
    config, epoch, examples = setup.config, current.epoch, len(setup.dataset)
    finite = all_finite(current.state.params, bool(setup.axis))
    if not finite.any():
        raise _diverged("the parameters became infinite or NaN", setup, epoch)
    after = _after(setup, current.state)
    results = epoch_results.results(
        epoch,
        setup.means(current.totals, examples),
        finite,
        setup.evaluate(after),
        _last_rates(setup, current),
        current.seconds,
        examples,
    )
    current.histories = tuple(
        History((*history.epochs, result))
        for history, result in zip(current.histories, results, strict=True)
    )
    current.result = (
        choose_better(current.result, after, epoch_results.last_is_best(config, current.histories))
        if config.restore_best
        else after
    )
    current.totals, current.step, current.seconds = setup.zero_totals(), 0, 0.0
    _keep(setup, current, after)  # before the checkpoint: without that, the epoch is done again
    _save(setup, current)
    setup.notify(mean_history(current.histories).epochs[-1])
    setup.check_interrupt()
    done = epoch_results.has_ended(config, current.histories)
    if setup.callbacks:
        _update_models(setup, after)
    for model, history in zip(setup.models, current.histories, strict=True):
        for callback in setup.callbacks:
            done |= callback(model, history) is True
    return done


def _last_rates(setup: _Setup, current: _Current) -> np.ndarray | None:
    """The learning rate of each model at the last update of the epoch, if jcnn sets it."""
    if setup.functions.optimizer is not None:
        return None
    every = setup.config.accumulate_steps
    factor = learning_rate_factor(setup.config, setup.steps / every)
    last = factor(jnp.int32((current.epoch * setup.steps - 1) // every))
    return epoch_results.learning_rates(setup.configs, current.histories) * float(last)


def _after(setup: _Setup, state: TrainState) -> ModelState:
    """The state of the model at the end of an epoch, in buffers of its own."""
    params = state.average if setup.config.ema else state.params
    return ModelState(*copy((params, state.rest)))


def _keep(setup: _Setup, current: _Current, after: ModelState) -> None:
    config, epoch = setup.config, len(current.histories[0])
    if setup.run is not None and config.keep_checkpoints is not None:
        keep_epoch(setup.run, epoch, after._asdict(), config.keep_checkpoints, config.epochs)


def _save(setup: _Setup, current: _Current) -> None:
    done = len(current.histories[0]) * setup.steps + current.step
    save_progress(
        setup.run,
        done,
        to_tree(current.state, current.totals, current.result),
        TrainProgress(current.histories, current.step, current.seconds),
        separate=setup.config.has_separate_result,
        fingerprint=setup.fingerprint,
    )


def _update_models(setup: _Setup, state: ModelState) -> None:
    for i, model in enumerate(setup.models):
        nnx.update(model, *member_states(state, i if setup.axis else None))


def _diverged(what: str, setup: _Setup, epoch: int) -> DivergedError:
    below = f"{setup.config.learning_rate:g}" if setup.functions.optimizer is None else "its own"
    return DivergedError(
        f"{what} in epoch {epoch}; the last good epoch is {epoch - 1}; "
        f"try a learning rate below {below}"
    )


def _next_stop(step: int, end: int, seconds: float, config: TrainConfig) -> int:
    """Where the next call stops: `steps_per_call` or about a second ahead, at most at `end`."""
    if config.steps_per_call is not None:
        return min(step + config.steps_per_call, end)
    if step == 0:
        return min(2, end)
    ahead = max(1, min(step * 4, round(step / max(seconds, 1e-6))))
    return min(step + ahead, end)
