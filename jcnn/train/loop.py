"""The training loop, for one model or a population of one structure.

An epoch is one compiled program (`jcnn.train.programs`) that runs from any step to any other.
Python calls it for about a second at a time, and reports progress, saves or stops between calls.
"""

import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import Mesh

from jcnn.config import TrainConfig
from jcnn.data import Dataset, Note
from jcnn.interop.imported import SavedOptimizer
from jcnn.layers import eval_mode, train_mode
from jcnn.runs import record
from jcnn.runs.epochs import keep_epoch
from jcnn.runs.history import History, mean_history
from jcnn.train import epoch_results
from jcnn.train.devices import gathered, on_one_device, place_members, place_parameters
from jcnn.train.events import Compiling, Event
from jcnn.train.functions import Functions, describe
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
from jcnn.train.prefetch import PrefetchedWindows, ResidentWindows, open_windows
from jcnn.train.processes import decided, together
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
from jcnn.train.setup import Callback, Current, Setup
from jcnn.train.step import TrainState
from jcnn.train.stops import late_words, next_stop

# A longer epoch is also saved before its end, once in this time.
SAVE_SECONDS = 600.0
# An epoch that would take longer is stopped by a time limit before its end.
PATIENCE_SECONDS = 60.0


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
    mesh: Mesh | None = None,
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
        mesh: of the devices that share each batch, or the models; None for one device.
    """
    axis = (len(models),) if len(models) > 1 else ()
    seeds = seed_keys(np.asarray([c.seed for c in configs], np.int64).reshape(axis))
    parts, evaluated = stack_models(models, train_mode), stack_models(models, eval_mode)
    setup = Setup(
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
            mesh=mesh,
        ),
        evaluate=partial(
            evaluate_population,
            evaluated,
            len(models),
            validation,
            configs[0].batch_size,
            functions=functions,
            mesh=mesh,
        ),
        fingerprint=fingerprint_of(configs, dataset, describe(functions, parts.params)),
        deadline=deadline,
        mesh=mesh,
    )
    current = _start(setup, resume, histories, optimizer_state)
    last = setup.config.epochs if until is None else min(until, setup.config.epochs)

    def has_ended() -> bool:
        finished = len(current.histories[0])
        return finished >= last or epoch_results.has_ended(setup.config, current.histories)

    done = has_ended()
    epochs = 0 if done else last
    try:
        with open_windows(
            dataset, setup.order, setup.config, notify, epochs=epochs, mesh=mesh
        ) as windows:
            if not done:
                _compile(setup, current, windows)
                check_interrupt()
            late = False
            while not (done or late):
                whole = _run_epoch(setup, current, windows)
                done = whole and (_finish_epoch(setup, current) or has_ended())
                late = not done and _is_late(setup)
        stopped = ""
        if late:
            at = len(current.histories[0]), current.step, setup.steps
            stopped = late_words(setup.config, *at, saved=run is not None)
        words = epoch_results.ending(setup.config, current.histories, stopped)
        goes_on = until is not None and len(current.histories[0]) == until
        if words and not (goes_on and not epoch_results.has_ended(setup.config, current.histories)):
            notify(Note(words))
    finally:
        _update_models(setup, current.result)
    return current.histories


def _start(
    setup: Setup,
    resume: bool,
    histories: tuple[History, ...] | None,
    saved: SavedOptimizer | None,
) -> Current:
    """The initial state, or that of the run's newest checkpoint."""
    place = place_members if setup.axis else place_parameters
    # These buffers are donated.
    params, rest = place(setup.mesh, copy((setup.parts.params, setup.parts.rest)))
    init = init_program(
        compiled_part(setup.config),
        population=bool(setup.axis),
        functions=setup.functions,
        mesh=setup.mesh,
    )
    state = init(params, rest)
    if saved is not None:
        optimizer = restored(state.optimizer, saved)
        state = state._replace(optimizer=place_parameters(setup.mesh, optimizer))
    tree = to_tree(state, setup.zero_totals(), setup.copy(ModelState(params, rest)))
    if histories is not None:
        return Current(*from_tree(tree, setup.copy), *TrainProgress(histories))
    tree, progress = restore_or_init(
        setup.run,
        resume,
        tree,
        len(setup.models),
        setup.notify,
        separate=setup.config.has_separate_result,
        fingerprint=setup.fingerprint,
        put=setup.put,
    )
    decided(lambda: record(setup.run, setup.models, setup.dataset, setup.config))
    current = Current(*from_tree(tree, setup.copy), *progress)
    if current.step == 0:
        # Epoch 0; or again an epoch that is gone because the training goes on from a checkpoint
        # before the newest.
        _keep(setup, current, _after(setup, current.state))
    return current


def _compile(setup: Setup, current: Current, windows: ResidentWindows | PrefetchedWindows) -> None:
    """Compile the epoch's program by running no step, so that no epoch's seconds include it."""
    setup.notify(Compiling())
    first = min(current.step, setup.steps - 1)
    window, _ = together(lambda: windows.window(current.epoch, first))
    key, rate = step_keys(setup.seeds, 0), np.ones(setup.axis, np.float32)
    _call(setup, current, (*window, key, rate, 0), 0, 0)
    jax.block_until_ready(current.totals)


def _run_epoch(
    setup: Setup, current: Current, windows: ResidentWindows | PrefetchedWindows
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
        window, end = together(lambda: windows.window(epoch, current.step))
        stop = decided(partial(next_stop, current.step, end, current.seconds, config))
        _call(setup, current, (*window, key, rate, before), current.step, stop)
        seen = min(stop * config.batch_size, len(setup.dataset))
        means = setup.means(current.totals, seen)
        current.step, current.seconds = stop, time.perf_counter() - began
        if not np.isfinite(means.loss).any():
            raise setup.diverged("the loss became NaN or infinite", epoch)
        waiting = (windows.wait_seconds - waited) / current.seconds
        setup.notify(epoch_results.progress(epoch, stop, setup.steps, means, waiting))
        together(setup.check_interrupt)
        if stop < setup.steps and decided(partial(_is_long_ago, saved)):
            _save(setup, current)
            saved = time.perf_counter()
        ahead = current.seconds / stop * (setup.steps - stop)
        if setup.config.time_limit and _is_late(setup, ahead):
            _save(setup, current)
            return False
    return True


def _is_long_ago(saved: float) -> bool:
    return time.perf_counter() - saved > SAVE_SECONDS


def _is_late(setup: Setup, ahead: float = math.inf) -> bool:
    """Whether the time limit is reached; not if the rest of the epoch is done in a minute."""
    return decided(lambda: ahead > PATIENCE_SECONDS and time.monotonic() > setup.deadline)


def _call(
    setup: Setup, current: Current, arguments: tuple[Any, ...], start: int, stop: int
) -> None:
    """Run the steps from `start` to `stop`; the old state and totals are donated."""
    current.state, current.totals = setup.program(
        current.state, setup.parts.streams, current.totals, *arguments, start, stop
    )


def _finish_epoch(setup: Setup, current: Current) -> bool:
    """Evaluate and save a finished epoch, and call the callbacks; return whether to stop.

    Raises:
        DivergedError: no model has finite parameters.
    """
    config, epoch, examples = setup.config, current.epoch, len(setup.dataset)
    finite = all_finite(current.state.params, bool(setup.axis))
    if not finite.any():
        raise setup.diverged("the parameters became infinite or NaN", epoch)
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
    together(setup.check_interrupt)
    done = epoch_results.has_ended(config, current.histories)
    if setup.callbacks:
        _update_models(setup, after)
        done |= decided(lambda: _call_callbacks(setup, current))
    return done


def _call_callbacks(setup: Setup, current: Current) -> bool:
    stops = [
        callback(model, history) is True
        for model, history in zip(setup.models, current.histories, strict=True)
        for callback in setup.callbacks
    ]
    return any(stops)


def _last_rates(setup: Setup, current: Current) -> np.ndarray | None:
    """The learning rate of each model at the last update of the epoch, if jcnn sets it."""
    if setup.functions.optimizer is not None:
        return None
    every = setup.config.accumulate_steps
    factor = learning_rate_factor(setup.config, setup.steps / every)
    last = factor(jnp.int32((current.epoch * setup.steps - 1) // every))
    return epoch_results.learning_rates(setup.configs, current.histories) * float(last)


def _after(setup: Setup, state: TrainState) -> ModelState:
    """The state of the model at the end of an epoch, in buffers of its own."""
    params = state.average if setup.config.ema else state.params
    return ModelState(*setup.copy((params, state.rest)))


def _keep(setup: Setup, current: Current, after: ModelState) -> None:
    config, epoch = setup.config, len(current.histories[0])
    if setup.run is not None and config.keep_checkpoints is not None:
        arrays = gathered(after._asdict())
        keep = partial(keep_epoch, setup.run, epoch, arrays, config.keep_checkpoints, config.epochs)
        decided(keep)


def _save(setup: Setup, current: Current) -> None:
    if setup.run is None:
        return
    done = len(current.histories[0]) * setup.steps + current.step
    save = partial(
        save_progress,
        setup.run,
        done,
        gathered(to_tree(current.state, current.totals, current.result)),
        TrainProgress(current.histories, current.step, current.seconds),
        separate=setup.config.has_separate_result,
        fingerprint=setup.fingerprint,
    )
    decided(save)


def _update_models(setup: Setup, state: ModelState) -> None:
    state = state if setup.mesh is None else on_one_device(state)
    for i, model in enumerate(setup.models):
        nnx.update(model, *member_states(state, i if setup.axis else None))
