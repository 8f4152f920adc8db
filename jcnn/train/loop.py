"""The only training loop: it trains one model, or several of one structure side by side.

An epoch is one compiled program (`jcnn.programs`) that runs from any step to any other, so Python
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

from jcnn import plateau
from jcnn.config import TrainConfig
from jcnn.data import Dataset, StreamedImages
from jcnn.data.batches import step_key
from jcnn.history import EpochResult, History, mean_history
from jcnn.layers import evaluating, training
from jcnn.metrics import Totals, zero_totals
from jcnn.optimizers import learning_rate_factor
from jcnn.programs import State, compiled_part, epoch_program, first_state, order_program
from jcnn.train import keeping
from jcnn.train.evaluate import Evaluation, all_logits, judge, must_stream, piece_examples
from jcnn.train.events import Compiling, DivergedError, Event, Notice, Progress
from jcnn.train.feed import Resident, Streamed
from jcnn.train.keeping import Position
from jcnn.train.members import stack, unstack

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
    zeros = partial(zero_totals, (len(models),) if many else ())
    say = partial(_say, notify)
    parts = stack(models, training)
    params, rest = _copy((parts.params, parts.rest))  # the program takes these buffers over
    begin = partial(first_state, config=compiled_part(config))
    state = (jax.vmap(begin) if many else begin)(params, rest)
    tree = _tree(state, zeros(), _copy(Kept(params, rest)), config)
    tree, (histories, step, seconds) = keeping.start(run, resume, tree, len(models), say)
    state, totals, kept = _from_tree(tree, config)
    stopped = len(histories[0]) >= config.epochs or _has_stopped(config, histories)

    seeds = jnp.stack([jax.random.key(c.seed) for c in configs])
    seeds = seeds if many else seeds[0]
    order = partial(order_program(n, shuffle=config.shuffle, members=many), seeds)
    program = epoch_program(
        parts.graphdef,
        compiled_part(config),
        examples=n,
        classes=len(dataset.class_names),
        members=many,
    )
    score = partial(_scores, stack(models, evaluating), validation, config)
    try:
        with _feed(dataset, order, config, idle=stopped, say=say) as feed:
            if not stopped:  # a run of no steps compiles, and leaves the clock to the epochs
                notify(Compiling())
                window, _ = feed.window(len(histories[0]) + 1, step)
                rate, key = _rates(configs, histories), step_key(seeds, 0)
                state, totals = program(
                    state, parts.streams, totals, window, key, rate, 0, step, step
                )
                totals.loss.block_until_ready()
            while not stopped:
                epoch = len(histories[0]) + 1
                rate, key = _rates(configs, histories), step_key(seeds, epoch)
                began, saved, waited = time.perf_counter() - seconds, time.perf_counter(), feed.waited
                while step < steps:
                    window, end = feed.window(epoch, step)
                    stop = _next_stop(step, end, time.perf_counter() - began, config)
                    state, totals = program(
                        state, parts.streams, totals, window, key, rate, (epoch - 1) * steps, step, stop
                    )
                    step = stop
                    means = _means(totals, min(step * config.batch_size, n))
                    if not np.isfinite(means.loss).any():
                        raise _diverged("the loss became NaN or infinite", epoch, config)
                    seconds = time.perf_counter() - began
                    waiting = (feed.waited - waited) / seconds
                    notify(Progress(epoch, step, steps, *_over_members(means), waiting))
                    if step < steps and time.perf_counter() - saved > SAVE_SECONDS:
                        tree = _tree(state, totals, kept, config)
                        position = Position(histories, step, seconds)
                        keeping.save(run, (epoch - 1) * steps + step, tree, position)
                        saved = time.perf_counter()
                ...
    finally:
        for i, model in enumerate(models):
            nnx.update(model, *(unstack(kept, i) if many else kept))
    return histories
