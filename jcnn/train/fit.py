"""`fit` trains a model and `fit_population` several together; both check their arguments."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import numpy.typing as npt
import optax
from flax import nnx
from jax.sharding import Mesh

from jcnn.config import TrainConfig
from jcnn.data import Dataset, Note, split_validation
from jcnn.data.class_names import match_classes
from jcnn.data.transforms import KINDS, mixup_alpha, parse
from jcnn.data.validation_split import check_validation_split
from jcnn.interop.imported import SavedOptimizer
from jcnn.layers import as_model
from jcnn.runs.history import History
from jcnn.train.devices import check_divides, mesh_of
from jcnn.train.evaluate import Model, check_fit, must_stream
from jcnn.train.events import Event
from jcnn.train.functions import Functions, PerExample, check_labels, functions_of
from jcnn.train.lines import line_printer
from jcnn.train.optimizer_state import check_optimizer_state
from jcnn.train.parts import train_in_parts
from jcnn.train.processes import is_first, with_others
from jcnn.train.setup import Callback


def fit(
    model: Model,
    dataset: Dataset,
    config: TrainConfig | None = None,
    *,
    validation: Dataset | None = None,
    optimizer: optax.GradientTransformation | None = None,
    optimizer_state: SavedOptimizer | None = None,
    loss: PerExample | None = None,
    metrics: Mapping[str, PerExample] | None = None,
    run: Path | str | None = None,
    resume: bool = False,
    on_event: Callable[[Event], None] | None = None,
    callbacks: Sequence[Callback] = (),
    verbose: int = 1,
) -> History:
    """Train a model on the cross-entropy of its logits, or on another loss.

    Each epoch uses every example once. Order, augmentation and dropout depend only on the seed,
    the epoch and the step: the same seed gives the same bits, and a resumed run gives the bits of
    an uninterrupted one. The data set stays on the device as uint8 if it fits. Otherwise the next
    images are read while the current steps run, with the same result.

    Args:
        model: `(N, H, W, C)` float32 in 0..1 to logits `(N, K)`: the zoo's, any `nnx.Module`,
            or a list of layers. It is changed in place.
        dataset: the training examples.
        config: the settings; None means `TrainConfig()`.
        validation: examples to validate on after each epoch. Without them, they are taken from
            `dataset` according to `config.validation_split`, or from `dataset.validation` (see
            `jcnn.data.split_validation`), and a `Note` reports how. Classes are matched by name.
        optimizer: an Optax transformation with its own learning rate, in place of the optimizer of
            the settings. Settings that it replaces must have their defaults (see
            `jcnn.train.functions.REPLACED`); accumulated gradients and `ema` work as before.
        optimizer_state: what the optimizer of the settings starts from, such as that of an
            imported file: `config=TrainConfig(**state.settings), optimizer_state=state`.
        loss: a function of the logits `(N, K)` float32 and the labels to the loss of each
            example, `(N,)`. None is the cross-entropy. Labels `(N, K)` float32 need one.
        metrics: functions of the same arguments by name. Their means are columns of the history,
            NAME and val_NAME. Labels `(N,)` also have the accuracy.
        run: folder for a checkpoint of each epoch, `history.jsonl`, `history.csv` and the settings;
            `jcnn.runs.load(run, model=...)` reads it.
        resume: continue from the run's newest intact checkpoint, up to a total of
            `config.epochs`.
        on_event: called with each `Event`.
        callbacks: called after each epoch; see `jcnn.train.callbacks` for examples.
        verbose: 1 prints a line for each epoch and `Note`, 0 nothing. With `on_event`, which
            gets the same events, nothing is printed.

    Returns:
        A row for each epoch, including those before a resume.

    Raises:
        ValueError: an argument is invalid, or the model does not fit the data or the run. A run
            is resumed with an optimizer of the same kind of state, and functions of the same name.
        DivergedError: the loss is no longer finite. The model and the run then hold the last
            good epoch, as they do when Ctrl-C raises KeyboardInterrupt. Ctrl-C waits for the
            running steps, about a second; a second Ctrl-C does not.
    """
    return _train(
        [as_model(model)],
        dataset,
        [config or TrainConfig()],
        functions=functions_of(loss, metrics, optimizer),
        validation=validation,
        run=Path(run) if run else None,
        resume=resume,
        notify=on_event,
        callbacks=callbacks,
        verbose=verbose,
        optimizer_state=optimizer_state,
    )[0]


def fit_population(
    models: Sequence[Model],
    dataset: Dataset,
    configs: Sequence[TrainConfig],
    *,
    validation: Dataset | None = None,
    optimizer: optax.GradientTransformation | None = None,
    loss: PerExample | None = None,
    metrics: Mapping[str, PerExample] | None = None,
    run: Path | str | None = None,
    resume: bool = False,
    on_event: Callable[[Event], None] | None = None,
    callbacks: Sequence[Callback] = (),
    verbose: int = 1,
) -> tuple[History, ...]:
    """Train several models of one structure on the same data, in one compiled program.

    Each model becomes what `fit` would make of it, up to rounding. A model that diverges has NaN
    in its history, and the training of the others continues.

    Args:
        models: they may differ in their parameters and dropout rates.
        configs: one for each model; they may differ in `seed` and `learning_rate`.
        dataset, validation, optimizer, loss, metrics: as for `fit`. A random validation split is
            drawn with the first model's seed.
        run, resume, on_event, callbacks, verbose: as for `fit`. Events and lines report means over
            the models; callbacks are called for each model. `run` gets no settings;
            `jcnn.runs.save` writes a folder for one of the models.

    Returns:
        A history for each model.

    Raises:
        ValueError: as for `fit`, or the models or settings differ in something else.
        DivergedError: every model has diverged.
    """
    if not models or len(models) != len(configs):
        raise ValueError(f"configs: got {len(configs)} for {len(models)} models")
    return _train(
        [as_model(model) for model in models],
        dataset,
        configs,
        functions=functions_of(loss, metrics, optimizer),
        validation=validation,
        run=Path(run) if run else None,
        resume=resume,
        notify=on_event,
        callbacks=callbacks,
        verbose=verbose,
    )


def _train(
    models: Sequence[nnx.Module],
    dataset: Dataset,
    configs: Sequence[TrainConfig],
    *,
    functions: Functions,
    validation: Dataset | None,
    run: Path | None,
    resume: bool,
    notify: Callable[[Event], None] | None,
    callbacks: Sequence[Callback],
    verbose: int,
    optimizer_state: SavedOptimizer | None = None,
) -> tuple[History, ...]:
    if verbose not in (0, 1):
        raise ValueError(f"verbose: got {verbose!r}; accepted: 0 or 1")
    if not is_first():
        notify = _ignore
    if notify is None:
        notify = line_printer(configs[0].epochs) if verbose else _ignore
    if validation is not None:
        validation = match_classes(validation, dataset.class_names, "validation")
        if validation.has_classes != dataset.has_classes:
            got, wanted = validation.labels.dtype, dataset.labels.dtype
            raise ValueError(f"validation: got labels of {got}; expected {wanted}, as for training")
    if optimizer_state is not None:
        check_optimizer_state(optimizer_state, configs[0], functions)
    check_labels(functions, dataset)
    check_settings(configs, dataset, validation)
    counts = class_counts(dataset, configs[0], validation)
    configs = [config.with_class_weights_of(dataset.class_names, counts) for config in configs]
    for model in models:
        if not jax.tree.leaves(nnx.state(model, nnx.Param)):
            raise ValueError("model: has no parameters (nnx.Param); there is nothing to train")
    if validation is None:
        config = configs[0]
        dataset, validation, words = split_validation(dataset, config.validation_split, config.seed)
        if words:
            notify(Note(words))
    if dataset.has_classes and dataset.labels.min() == dataset.labels.max():
        only = dataset.class_names[dataset.labels[0]]
        raise ValueError(
            f"dataset: got training images of class {only!r} only; accepted: two or more classes"
        )
    for part in (dataset, validation):
        if part is not None:
            check_fit(models[0], part)
    mesh = mesh_of(configs[0].devices, configs[0].model_parallel)
    with with_others(run):
        return train_in_parts(
            models,
            dataset,
            validation,
            configs,
            functions,
            run,
            resume,
            notify,
            callbacks,
            optimizer_state,
            mesh,
        )


def _check_devices(mesh: Mesh | None, configs: Sequence[TrainConfig]) -> None:
    """Check that the devices can share the batches, or the models of a population.

    Raises:
        ValueError: names the setting, and numbers near it that are accepted.
    """
    if len(configs) == 1:
        check_divides(mesh, "batch_size", configs[0].batch_size)
        return
    check_divides(mesh, "configs", len(configs), what=" models")
    if configs[0].model_parallel > 1:
        got = configs[0].model_parallel
        raise ValueError(f"model_parallel: got {got}; accepted: 1 for several models")


def _ignore(_event: Event) -> None:
    """The `notify` of a silent training."""


def check_settings(
    configs: Sequence[TrainConfig], dataset: Dataset, validation: Dataset | None = None
) -> None:
    """Check the settings against the data, before training starts.

    Args:
        configs: as for `fit_population`; one for `fit`.
        dataset, validation: as for `fit`.

    Raises:
        ValueError: names the setting that does not fit.
    """
    config = configs[0]
    labels, validated = dataset.labels, True
    if validation is None:
        labels, words = check_validation_split(dataset, config.validation_split, config.seed)
        validated = words != ""
    elif config.validation_split:
        raise ValueError("validation: give either it or config.validation_split, not both")
    _check_feature_views(config, len(configs))
    _check_devices(mesh_of(config.devices, config.model_parallel), configs)
    counts = class_counts(dataset, config, validation)
    config = config.with_class_weights_of(dataset.class_names, counts)
    for other in configs:
        _check_trains(other.with_class_weights_of(dataset.class_names, counts), labels)
    uses_monitor = [config.patience, config.plateau_patience, config.restore_best or None]
    if config.monitor.startswith("val_") and not validated and any(uses_monitor):
        raise ValueError(
            f"monitor: got {config.monitor!r} without validation; set validation_split, or "
            "monitor 'loss' or 'accuracy'"
        )
    if len(configs) == 1:
        return
    for other in configs:
        alike = replace(other, seed=config.seed, learning_rate=config.learning_rate)
        if alike.with_class_weights_of(dataset.class_names, counts) != config:
            raise ValueError("configs: members may differ in seed and learning_rate only")
    if config.patience is not None:
        raise ValueError(f"patience: got {config.patience}; accepted: None for several models")
    if config.keep_checkpoints is not None:
        got = config.keep_checkpoints
        raise ValueError(f"keep_checkpoints: got {got}; accepted: None for several models")
    if must_stream(dataset.images):
        raise ValueError(
            "dataset: its images do not fit on the device, where several models share them; "
            "accepted: smaller or fewer images, or one model at a time"
        )


def _check_feature_views(config: TrainConfig, models: int) -> None:
    """Refuse augmentations that are not of single images, and several models."""
    transforms, views = parse(config.augment), config.feature_views
    if views and models > 1:
        raise ValueError(f"feature_views: got {views}; accepted: 0 for several models")
    if views and mixup_alpha(transforms):
        names = ", ".join(kind.name for kind in KINDS if kind.name != "mixup")
        raise ValueError(
            f"augment: got mixup, which blends the images of a batch, with feature_views {views}, "
            f"which are of single images; accepted: {names}"
        )


def class_counts(dataset: Dataset, config: TrainConfig, validation: Dataset | None) -> list[int]:
    """The number of training images of each class; empty if the class weights do not need it."""
    if config.class_weights != "balanced" or not dataset.has_classes:
        return []
    share = config.validation_split if validation is None else 0.0
    labels, _ = check_validation_split(replace(dataset, validation=None), share, config.seed)
    counts: list[int] = np.bincount(labels, minlength=len(dataset.class_names)).tolist()
    return counts


def _check_trains(config: TrainConfig, labels: npt.NDArray[Any]) -> None:
    """Refuse settings with which training would change no weight of the result.

    Training computes in float32, where a small setting may round to 0 or a large one to 1.
    """
    for name in ("learning_rate", "clip_value", "clip_norm", "global_clip_norm"):
        value = getattr(config, name)
        if value is not None and value < np.finfo(np.float32).tiny:
            raise ValueError(
                f"{name}: got {value}; accepted: at least 1.2e-38; below it is 0 in float32, and "
                "nothing is trained"
            )
    if np.float32(config.ema) == 1:
        raise ValueError(
            f"ema: got {config.ema}; accepted: at most 0.9999999; above it is 1 in float32, and "
            "the means stay as they are"
        )
    steps = -(-len(labels) // config.batch_size)
    every = config.accumulate_steps
    updates = config.epochs * steps // every
    if updates == 0:
        raise ValueError(
            f"accumulate_steps: got {every}; accepted: at most {config.epochs * steps}, the steps "
            f"of {config.epochs} epochs; with more, nothing is trained"
        )
    # As in the schedule, the first update of a warm-up has learning rate 0.
    warmup = round(config.warmup_epochs * steps / every)
    if updates == 1 and warmup:
        raise ValueError(
            f"warmup_epochs: got {config.warmup_epochs}; accepted: 0 where there is one update, "
            "whose learning rate would be 0"
        )
    weights = config.class_weights
    if weights is not None and labels.ndim == 1 and not np.asarray(weights)[labels].any():
        raise ValueError(
            f"class_weights: got {weights}, which is 0 for each class that has an image; "
            "accepted: one above 0 for one of these"
        )
