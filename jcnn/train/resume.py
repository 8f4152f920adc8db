"""What a training keeps in its run folder, and where it goes on from."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jcnn.config import TrainConfig
from jcnn.data import Dataset, Note
from jcnn.runs import checkpoint
from jcnn.runs.history import History, from_rows, mean_history, write_history
from jcnn.train.events import Event

# What a resumed training may change: no epoch that is finished would have been another.
# (But for the learning rate, which is the user's to lower, and a schedule over all epochs.)
MAY_CHANGE = ("epochs", "learning_rate", "patience", "steps_per_call")


class Position(NamedTuple):
    """How far a training has come.

    Attributes:
        histories: of each member, the finished epochs.
        step: steps done of the epoch after those.
        seconds: that they took.
    """

    histories: tuple[History, ...]
    step: int = 0
    seconds: float = 0.0


def start(
    run: Path | None,
    resume: bool,
    tree: dict[str, Any],
    members: int,
    notify: Callable[[Event], None],
    *,
    apart: bool,
    facts: dict[str, Any] | None = None,
) -> tuple[dict[str, Any], Position]:
    """The arrays and the position to begin with: the run's newest, or the given ones.

    Args:
        run: the run's folder.
        resume: whether to go on with it.
        tree: the arrays of a training that begins; "kept" are those that become the model's.
        members: models that are trained.
        notify: told of a damaged checkpoint that was passed over.
        apart: whether "kept" are always others than those that training goes on with.
        facts: of this training, from `facts_of`; those of the run must be the same.

    Raises:
        ValueError: there is nothing to resume, or too much to begin, or the run was trained with
            other settings or data.
        jcnn.runs.checkpoint.CheckpointError: the run is of another model, or all of it is damaged.
    """
    beginning = Position((History(),) * members)
    if run is None:
        if resume:
            raise ValueError("resume: needs a run folder to resume from")
        return tree, beginning
    if not checkpoint.steps(run):
        return tree, beginning
    if not resume:
        raise ValueError(f"run: {run} already holds a training; resume it or name another")

    def wanted(meta: dict[str, Any]) -> dict[str, Any]:
        if len(meta["histories"]) != members:
            raise checkpoint.CheckpointError(
                f"{run}: holds a training of {len(meta['histories'])} models, not of {members}"
            )
        if "of" in meta:
            raise checkpoint.CheckpointError(
                f"{run}: holds a trained model of a population, without what its training needs "
                f"to go on; resume the population: {meta['of']}"
            )
        _check_same(run, meta, facts or {})
        return _held(tree, apart, int(meta["step"]))

    restored, meta = checkpoint.restore(run, wanted, on_damage=lambda text: notify(Note(text)))
    histories = tuple(from_rows(rows) for rows in meta["histories"])
    write_history(mean_history(histories), run)  # a kill may have left its files behind
    return restored, Position(histories, int(meta["step"]), float(meta["seconds"]))


def save(
    run: Path | None,
    done: int,
    tree: dict[str, Any],
    position: Position,
    *,
    apart: bool,
    facts: dict[str, Any] | None = None,
) -> None:
    """Write a checkpoint and the history's files; nothing where there is no run.

    Args:
        run: the run's folder.
        done: steps of the whole training so far.
        tree: the arrays.
        position: how far it has come.
        apart: as for `start`.
        facts: likewise.
    """
    if run is None:
        return
    meta = {
        "histories": [history.rows() for history in position.histories],
        "step": position.step,
        "seconds": position.seconds,
        "facts": facts or {},
    }
    with checkpoint.uninterrupted():
        checkpoint.save(run, done, _held(tree, apart, position.step), meta)
        if position.step == 0:
            write_history(mean_history(position.histories), run)


def facts_of(configs: Sequence[TrainConfig], dataset: Dataset) -> dict[str, Any]:
    """What must be the same when a training goes on, as JSON has it.

    Args:
        configs: of each member.
        dataset: the training pictures, without those for validation.
    """
    settings = [dataclasses.asdict(config) for config in configs]
    facts = {
        "pictures": len(dataset),
        "image_shape": dataset.image_shape,
        "class_names": dataset.class_names,
        "settings": [
            {name: value for name, value in of_one.items() if name not in MAY_CHANGE}
            for of_one in settings
        ],
    }
    plain: dict[str, Any] = json.loads(json.dumps(facts))
    return plain


def _check_same(run: Path, meta: dict[str, Any], facts: dict[str, Any]) -> None:
    """Refuse to go on with other settings or data than those of the run, and name the first."""
    theirs = meta.get("facts", {})
    pairs = [(name, theirs[name], facts[name]) for name in facts if name in theirs]
    for i, (old, new) in enumerate(
        zip(theirs.get("settings", ()), facts.get("settings", ()), strict=False)
    ):
        of = f"settings of model {i}: " if len(facts["settings"]) > 1 else ""
        pairs += [(of + name, old[name], new[name]) for name in new if name in old]
    for name, old, new in pairs:
        if name != "settings" and old != new:
            raise ValueError(
                f"resume: {run} was trained with {name} {_text(old)}, not {_text(new)}; "
                f"what may change: {', '.join(MAY_CHANGE)}"
            )
    if theirs or not facts or not meta["step"]:
        return
    # A checkpoint of an older version does not say how many pictures a step had.
    steps = -(-facts["pictures"] // facts["settings"][0]["batch_size"])
    if meta["step"] >= steps:
        raise ValueError(
            f"resume: {run} stopped after {meta['step']} steps of an epoch, which has {steps} "
            f"with batch_size {facts['settings'][0]['batch_size']}; accepted: that of the run"
        )


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else repr(value)


def _held(tree: dict[str, Any], apart: bool, step: int) -> dict[str, Any]:
    """What a checkpoint holds: "kept" only where it is not the same as the rest.

    Within an epoch it is not: the model's are those of the last finished epoch.
    """
    return {name: part for name, part in tree.items() if name != "kept" or apart or step}


def finished(run: Path) -> int:
    """How many epochs of a run are finished; 0 where nothing is kept yet.

    For a message: the arrays are not read, so a damaged checkpoint counts like a whole one.
    """
    meta = checkpoint.peek_meta(run)
    return len(meta["histories"][0]) if meta else 0
