"""Save a training to its run folder, and resume it from there."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jcnn import checkpoint
from jcnn.config import TrainConfig
from jcnn.data import Dataset, Note
from jcnn.runs.history import History, from_rows, mean_history, write_history
from jcnn.system.interrupts import delay_interrupts
from jcnn.train.events import Event
from jcnn.train.processes import is_first

# The settings that a resumed training may change: they do not affect finished epochs, except for
# the learning rate, which the user may want to lower, and a schedule over all epochs.
MAY_CHANGE = (
    *("epochs", "learning_rate", "patience", "steps_per_call", "time_limit"),
    *("devices", "model_parallel"),
)


class TrainProgress(NamedTuple):
    """How far a training has come.

    Attributes:
        histories: the finished epochs of each model.
        step: finished steps of the epoch after those.
        seconds: time that these steps took.
    """

    histories: tuple[History, ...]
    step: int = 0
    seconds: float = 0.0


def restore_or_init(
    run: Path | None,
    resume: bool,
    tree: dict[str, Any],
    models: int,
    notify: Callable[[Event], None],
    *,
    separate: bool,
    fingerprint: dict[str, Any] | None = None,
    put: Callable[[np.ndarray], jax.Array] = jnp.array,
) -> tuple[dict[str, Any], TrainProgress]:
    """The arrays and the progress to start from: the run's newest, or the initial ones.

    Args:
        run: the run folder.
        resume: whether to continue the training in `run`.
        tree: the initial arrays. "kept" holds the state that the model gets when training ends.
        models: number of models that are trained.
        notify: called with a `Note` for each damaged checkpoint that is skipped.
        separate: whether "kept" always differs from the state that training continues from.
        fingerprint: from `fingerprint_of`; that of the run must be equal.
        put: copies an array of the checkpoint to the devices.

    Raises:
        ValueError: there is no run to resume, the run exists already, or it was trained with
            other settings or data.
        jcnn.checkpoint.CheckpointError: the run holds another model, or all of its
            checkpoints are damaged.
    """
    initial = TrainProgress((History(),) * models)
    if run is None:
        if resume:
            raise ValueError("resume: needs a run folder to resume from")
        return tree, initial
    if not checkpoint.steps(run):
        return tree, initial
    if not resume:
        raise ValueError(f"run: {run} already holds a training; resume it or name another")

    def wanted(meta: dict[str, Any]) -> dict[str, Any]:
        if "saved" in meta:
            raise checkpoint.CheckpointError(
                f"{run}: holds a model without the state of a training; load it, and train it in "
                "another folder"
            )
        if len(meta["histories"]) != models:
            raise checkpoint.CheckpointError(
                f"{run}: holds a training of {len(meta['histories'])} models, not of {models}"
            )
        if "of" in meta:
            raise checkpoint.CheckpointError(
                f"{run}: holds a trained model of a population, without what its training needs "
                f"to go on; resume the population: {meta['of']}"
            )
        _check_same(run, meta, fingerprint or {})
        return _saved_part(tree, separate, int(meta["step"]))

    restored, meta = checkpoint.restore(
        run, wanted, on_damage=lambda text: notify(Note(text)), put=put
    )
    histories = tuple(from_rows(rows) for rows in meta["histories"])
    # A killed process may have written a checkpoint but not these files.
    if is_first():
        write_history(mean_history(histories), run)
    return restored, TrainProgress(histories, int(meta["step"]), float(meta["seconds"]))


def save_progress(
    run: Path | None,
    done: int,
    tree: dict[str, Any],
    progress: TrainProgress,
    *,
    separate: bool,
    fingerprint: dict[str, Any] | None = None,
) -> None:
    """Write a checkpoint and the history files; do nothing without a run folder.

    Args:
        run: the run folder.
        done: number of finished steps, in all epochs.
        tree: the arrays.
        progress: the finished epochs, and the steps after them.
        separate, fingerprint: as for `restore_or_init`.
    """
    if run is None:
        return
    meta = {
        "histories": [history.rows() for history in progress.histories],
        "step": progress.step,
        "seconds": progress.seconds,
        "facts": fingerprint or {},
    }
    with delay_interrupts():
        checkpoint.save(run, done, _saved_part(tree, separate, progress.step), meta)
        if progress.step == 0:
            write_history(mean_history(progress.histories), run)


def fingerprint_of(
    configs: Sequence[TrainConfig], dataset: Dataset, functions: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The settings and properties of the data that a resumed training must share, as JSON.

    Args:
        configs: the settings of each model.
        dataset: the training examples, without those for validation.
        functions: from `jcnn.train.functions.describe`.
    """
    settings = [dataclasses.asdict(config) for config in configs]
    fingerprint = {
        "images": len(dataset),
        "image_shape": dataset.image_shape,
        "class_names": dataset.class_names,
        "settings": [
            {name: value for name, value in row.items() if name not in MAY_CHANGE}
            for row in settings
        ],
        **(functions or {}),
    }
    plain: dict[str, Any] = json.loads(json.dumps(fingerprint))
    return plain


def _check_same(run: Path, meta: dict[str, Any], fingerprint: dict[str, Any]) -> None:
    """Raise a `ValueError` that names the first difference in settings or data from the run."""
    saved = meta.get("facts", {})
    pairs = [(name, saved[name], fingerprint[name]) for name in fingerprint if name in saved]
    for i, (old, new) in enumerate(
        zip(saved.get("settings", ()), fingerprint.get("settings", ()), strict=False)
    ):
        of = f"settings of model {i}: " if len(fingerprint["settings"]) > 1 else ""
        pairs += [(of + name, old[name], new[name]) for name in new if name in old]
    for name, old, new in pairs:
        if name != "settings" and old != new:
            raise ValueError(
                f"resume: {run} was trained with {name} {_text(old)}, not {_text(new)}; "
                f"what may change: {', '.join(MAY_CHANGE)}"
            )
    if saved or not fingerprint or not meta["step"]:
        return
    # A checkpoint of an older version does not hold the batch size.
    steps = -(-fingerprint["images"] // fingerprint["settings"][0]["batch_size"])
    if meta["step"] >= steps:
        raise ValueError(
            f"resume: {run} stopped after {meta['step']} steps of an epoch, which has {steps} "
            f"with batch_size {fingerprint['settings'][0]['batch_size']}; accepted: that of the run"
        )


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else repr(value)


def _saved_part(tree: dict[str, Any], separate: bool, step: int) -> dict[str, Any]:
    """The arrays that a checkpoint holds: "kept" only where it differs from the others.

    Within an epoch it differs: it is the state after the last finished epoch.
    """
    return {name: part for name, part in tree.items() if name != "kept" or separate or step}


def finished_epochs(run: Path) -> int:
    """Number of finished epochs of a run; 0 without a checkpoint.

    It is meant for messages: the arrays are not read, so a damaged checkpoint counts too.
    """
    meta = checkpoint.peek_meta(run)
    return len(meta["histories"][0]) if meta else 0
