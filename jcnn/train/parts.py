"""A training in one part, or in two: before and after layers are unfrozen."""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from flax import nnx
from jax.sharding import Mesh

from jcnn import checkpoint
from jcnn.config import TrainConfig
from jcnn.data import Dataset, Note
from jcnn.interop.imported import SavedOptimizer
from jcnn.layers import frozen
from jcnn.runs.history import History
from jcnn.runs.unfreezing import frozen_layers, is_unfrozen
from jcnn.system.interrupts import delay_interrupts
from jcnn.train.epoch_results import has_ended
from jcnn.train.events import Event
from jcnn.train.feature_views import check_views
from jcnn.train.features import from_features
from jcnn.train.functions import Functions, check_functions
from jcnn.train.loop import train
from jcnn.train.setup import Callback


def train_in_parts(
    models: Sequence[nnx.Module],
    dataset: Dataset,
    validation: Dataset | None,
    configs: Sequence[TrainConfig],
    functions: Functions,
    run: Path | None,
    resume: bool,
    notify: Callable[[Event], None],
    callbacks: Sequence[Callback],
    optimizer_state: SavedOptimizer | None = None,
    mesh: Mesh | None = None,
) -> tuple[History, ...]:
    """Train until `unfreeze_at` and from there on; one part without it.

    The second part starts from the weights that the first returns, with a new state of the
    optimizer. Epochs, learning rate schedule and early stopping go on.

    Args:
        models, dataset, validation, configs, run, resume, notify, callbacks: as for `fit`.
        optimizer_state: as for `fit`.
        mesh: as for `jcnn.train.loop.train`.
        functions: the loss, metrics and optimizer.
    """
    counts = len(dataset), len(validation) if validation else 0
    check_views(models[0], configs[0], dataset.image_shape, *counts)
    deadline = time.monotonic() + 60 * (configs[0].time_limit or math.inf)

    def part(
        *,
        unfrozen: bool,
        histories: tuple[History, ...] | None = None,
        until: int | None = None,
        saved: SavedOptimizer | None = None,
    ) -> tuple[History, ...]:
        config, shape = configs[0], dataset.image_shape
        names = frozen_layers(models[0], config, shape, unfrozen=unfrozen)
        with (
            frozen(models, names, shape),
            from_features(models, dataset, validation, config, notify) as (images, validating),
            delay_interrupts() as check,
        ):
            check_functions(functions, configs, images, models[0], saved=run is not None)
            return train(
                models,
                images,
                validating,
                configs,
                functions,
                run,
                resume,
                notify,
                callbacks,
                check,
                histories,
                until,
                deadline,
                saved,
                mesh,
            )

    config = configs[0]
    if config.unfreeze_at is None:
        return part(unfrozen=False, saved=optimizer_state)
    if resume and run is not None and _is_second(run, config):
        return part(unfrozen=True)
    histories = part(unfrozen=False, until=config.unfreeze_at, saved=optimizer_state)
    finished = len(histories[0])
    if finished < config.unfreeze_at or has_ended(config, histories):
        return histories
    layers = "all layers" if config.unfreeze_from is None else f"{config.unfreeze_from} and later"
    notify(Note(f"from epoch {finished + 1} on, {layers} are trained"))
    return part(unfrozen=True, histories=histories)


def _is_second(run: Path, config: TrainConfig) -> bool:
    """Whether the run's newest intact checkpoint is of the second part."""
    meta = checkpoint.read_meta(run)
    return meta is not None and is_unfrozen(config, len(meta["histories"][0]), int(meta["step"]))
