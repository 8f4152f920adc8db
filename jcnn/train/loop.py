"""The only training loop: it trains one model, or several of one structure side by side.

An epoch is one compiled program (`jcnn.train.programs`) that runs from any step to any other, so Python
can look in about once a second: to show progress, to save, and to stop.
"""

import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jcnn.config import TrainConfig
from jcnn.data import Dataset
from jcnn.layers import eval_mode, train_mode
from jcnn.runs.history import EpochResult, History, mean_history
from jcnn.train import plateau
from jcnn.train import resume as keeping
from jcnn.train.evaluate import Evaluation
from jcnn.train.events import Compiling, DivergedError, Event, Progress
from jcnn.train.metrics import Totals, zero_totals
from jcnn.train.population import scores, stack, unstack, way_of_members
from jcnn.train.prefetch import open_feed
from jcnn.train.programs import (
    State,
    compiled_part,
    epoch_program,
    first_state_program,
    order_program,
    seed_keys,
    step_keys,
)
from jcnn.train.resume import Position
from jcnn.train.schedules import learning_rate_factor

# Called after each epoch with the model and its history so far; True ends the training.
Callback = Callable[[nnx.Module, History], bool | None]

# An epoch that takes longer is saved in its middle, too.
SAVE_SECONDS = 600.0


class Kept(NamedTuple):
    """What becomes the model's: the parameters (or their running mean) and the other state."""

    params: Any
    rest: Any


def train(
    models: Sequence[nnx.Module],
    dataset: Dataset,
    validation: Dataset | None,
    configs: Sequence[TrainConfig],
    run: Path | None,
    resume: bool,
    notify: Callable[[Event], None],
    callbacks: Sequence[Callback],
) -> tuple[History, ...]:
    """Train `models` in place; `jcnn.train.fit` says how. Returns a history for each."""
    config, many, n = configs[0], len(models) > 1, len(dataset)
    steps = -(-n // config.batch_size)
    axis = (len(models),) if many else ()
    parts = stack(models, train_mode)
    params, rest = _copy((parts.params, parts.rest))  # the program takes these buffers over
    state = first_state_program(compiled_part(config), members=many)(params, rest)
    tree = _tree(state, zero_totals(axis), _copy(Kept(params, rest)))
    apart, facts = config.keeps_apart, keeping.facts_of(configs, dataset)
    tree, (histories, step, seconds) = keeping.start(
        run, resume, tree, len(models), notify, apart=apart, facts=facts
    )
    state, totals, kept = _from_tree(tree)

    seeds = seed_keys(np.asarray([c.seed for c in configs], np.int64).reshape(axis))
    order = partial(order_program(n, shuffle=config.shuffle, members=many), seeds)
    program = epoch_program(
        parts.graphdef,
        compiled_part(config),
        examples=n,
        classes=len(dataset.class_names),
        members=way_of_members() if many else "one",
    )
    factor = learning_rate_factor(config, steps / config.accumulate_steps)
    judged = stack(models, eval_mode)
    score = partial(scores, judged, len(models), validation, config.batch_size)
    done = _has_ended(config, histories)
    try:
        with open_feed(dataset, order, config, notify, closed=done) as feed:
            if not done:  # a run of no steps compiles, and leaves the clock to the epochs
                notify(Compiling())
                window, _ = feed.window(len(histories[0]) + 1, step)
                rate, key = np.ones(axis, np.float32), step_keys(seeds, 0)
                state, totals = program(
                    state, parts.streams, totals, *window, key, rate, 0, step, step
                )
                jax.block_until_ready(totals)
            while not done:
                epoch = len(histories[0]) + 1
                before = (epoch - 1) * steps
                rates, key = _learning_rates(configs, histories), step_keys(seeds, epoch)
                rate = rates.astype(np.float32).reshape(axis)
                began, waited = time.perf_counter() - seconds, feed.waited
                saved = time.perf_counter()
                while step < steps:
                    window, end = feed.window(epoch, step)
                    stop = _next_stop(step, end, seconds, config)
                    state, totals = program(
                        state, parts.streams, totals, *window, key, rate, before, step, stop
                    )
                    means = _means(totals, min(stop * config.batch_size, n))
                    step, seconds = stop, time.perf_counter() - began
                    if not np.isfinite(means.loss).any():
                        raise _diverged("the loss became NaN or infinite", epoch, config)
                    notify(_progress(epoch, step, steps, means, (feed.waited - waited) / seconds))
                    if step < steps and time.perf_counter() - saved > SAVE_SECONDS:
                        tree = _tree(state, totals, kept)
                        position = Position(histories, step, seconds)
                        keeping.save(run, before + step, tree, position, apart=apart, facts=facts)
                        saved = time.perf_counter()

                whole = _whole(state.params, many)
                if not whole.any():
                    raise _diverged("the parameters became infinite or NaN", epoch, config)
                after = Kept(*_copy((state.average if config.ema else state.params, state.rest)))
                last = factor(jnp.int32((epoch * steps - 1) // config.accumulate_steps))
                results = _results(
                    epoch, means, whole, score(after), rates * float(last), seconds, n
                )
                histories = tuple(
                    History((*history.epochs, result))
                    for history, result in zip(histories, results, strict=True)
                )
                kept = _better(kept, after, config, histories) if config.restore_best else after
                totals, step, seconds = zero_totals(axis), 0, 0.0
                tree = _tree(state, totals, kept)
                position = Position(histories)
                keeping.save(run, epoch * steps, tree, position, apart=apart, facts=facts)
                notify(mean_history(histories).epochs[-1])
                done = _has_ended(config, histories)
                for i, model in enumerate(models if callbacks else ()):
                    nnx.update(model, *unstack(after, i if many else None))
                    for callback in callbacks:
                        done |= callback(model, histories[i]) is True
    finally:
        for i, model in enumerate(models):
            nnx.update(model, *unstack(kept, i if many else None))
    return histories


class _Means(NamedTuple):
    """Of each member, over the examples of the epoch so far."""

    loss: np.ndarray
    accuracy: np.ndarray


def _means(totals: Totals, seen: int) -> _Means:
    loss, correct = (np.atleast_1d(np.asarray(total, np.float64)) for total in totals)
    return _Means(loss / seen, correct / seen)


def _progress(epoch: int, step: int, steps: int, means: _Means, waiting: float) -> Progress:
    sound = np.isfinite(means.loss)
    loss, accuracy = float(means.loss[sound].mean()), float(means.accuracy[sound].mean())
    return Progress(epoch, step, steps, loss, accuracy, waiting)


def _results(
    epoch: int,
    means: _Means,
    whole: np.ndarray,
    scores: Sequence[Evaluation | None],
    rates: np.ndarray,
    seconds: float,
    examples: int,
) -> list[EpochResult]:
    """The history's next row of each member; one that is no longer whole has a NaN loss."""
    return [
        EpochResult(
            epoch=epoch,
            loss=float(means.loss[i]) if whole[i] else math.nan,
            accuracy=float(means.accuracy[i]),
            val_loss=None if score is None else score.loss,
            val_accuracy=None if score is None else score.accuracy,
            seconds=seconds,
            images_per_second=examples * len(scores) / seconds,
            learning_rate=float(rates[i]),
        )
        for i, score in enumerate(scores)
    ]


def _learning_rates(configs: Sequence[TrainConfig], histories: Sequence[History]) -> np.ndarray:
    """What each member's schedule is multiplied by in the next epoch: lowered at each plateau."""
    rates = [config.learning_rate for config in configs]
    patience = configs[0].plateau_patience
    if patience is not None:
        for i, (config, history) in enumerate(zip(configs, histories, strict=True)):
            lowered = plateau.reductions(
                history[config.monitor], patience=patience, **_gain(config)
            )
            rates[i] *= config.plateau_factor**lowered
    return np.asarray(rates)


def _has_ended(config: TrainConfig, histories: Sequence[History]) -> bool:
    """Whether all epochs are done, or the last one has ended a single model's patience."""
    if len(histories[0]) >= config.epochs:
        return True
    if config.patience is None:
        return False
    values = histories[0][config.monitor]
    return plateau.stopped_at(values, patience=config.patience, **_gain(config)) is not None


def _better(kept: Kept, after: Kept, config: TrainConfig, histories: Sequence[History]) -> Kept:
    """Of each member, what its best epoch left: the last one, or what was kept before."""
    best = [plateau.best_epoch(h[config.monitor], **_gain(config)) for h in histories]
    now = np.asarray([epoch == len(histories[0]) for epoch in best])

    def choose(old: jax.Array, new: jax.Array) -> jax.Array:
        if len(histories) == 1:
            return new if now[0] else old
        return jnp.where(now.reshape(-1, *[1] * (new.ndim - 1)), new, old)

    chosen: Kept = jax.tree.map(choose, kept, after)
    return chosen


def _gain(config: TrainConfig) -> dict[str, Any]:
    larger = plateau.larger_is_better(config.monitor)
    return {"min_delta": config.min_delta, "larger_is_better": larger}


def _tree(state: State, totals: Totals, kept: Kept) -> dict[str, Any]:
    return {**state._asdict(), "totals": totals._asdict(), "kept": kept._asdict()}


def _from_tree(tree: dict[str, Any]) -> tuple[State, Totals, Kept]:
    state = State(**{name: tree[name] for name in State._fields})
    own = tree.get("kept", {"params": state.params, "rest": state.rest})
    return state, Totals(**tree["totals"]), Kept(*_copy((own["params"], own["rest"])))


def _whole(params: Any, many: bool) -> np.ndarray:
    """Of each member, whether all of its parameters are finite."""
    arrays = [np.asarray(p) for p in jax.tree.leaves(params)]
    finite = [np.isfinite(p).reshape(len(p) if many else 1, -1).all(axis=1) for p in arrays]
    return np.asarray(np.stack(finite).all(axis=0))


def _diverged(what: str, epoch: int, config: TrainConfig) -> DivergedError:
    return DivergedError(
        f"{what} in epoch {epoch}; the last good epoch is {epoch - 1}; "
        f"try a learning rate below {config.learning_rate:g}"
    )


def _copy(tree: Any) -> Any:
    return jax.device_put(tree, may_alias=False)  # `jnp.copy` would compile for each shape


def _next_stop(step: int, end: int, seconds: float, config: TrainConfig) -> int:
    """Where the next call ends: as set, or about a second ahead, judged by the epoch so far."""
    if config.steps_per_call is not None:
        return min(step + config.steps_per_call, end)
    if step == 0:
        return min(2, end)
    ahead = max(1, min(step * 4, round(step / max(seconds, 1e-6))))
    return min(step + ahead, end)
