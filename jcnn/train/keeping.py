"""What a training keeps in its run folder, and where it goes on from."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from jcnn import checkpoint
from jcnn.data import Note
from jcnn.history import History, from_rows, mean_history, write_history
from jcnn.train.events import Event


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
) -> tuple[dict[str, Any], Position]:
    """The arrays and the position to begin with: the run's newest, or the given ones.

    Args:
        run: the run's folder.
        resume: whether to go on with it.
        tree: the arrays of a training that begins; "kept" are those that become the model's.
        members: models that are trained.
        notify: told of a damaged checkpoint that was passed over.
        apart: whether "kept" are always others than those that training goes on with.

    Raises:
        ValueError: there is nothing to resume, or too much to begin.
        jcnn.checkpoint.CheckpointError: the run is of another model, or all of it is damaged.
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
    found = checkpoint.read_meta(run)
    if found and len(found["histories"]) != members:
        raise checkpoint.CheckpointError(
            f"{run}: holds a training of {len(found['histories'])} models, not of {members}"
        )
    wanted = _held(tree, apart, int(found["step"]) if found else 0)
    restored, meta = checkpoint.restore(run, wanted, on_damage=lambda text: notify(Note(text)))
    histories = tuple(from_rows(rows) for rows in meta["histories"])
    write_history(mean_history(histories), run)  # a kill may have left its files behind
    return restored, Position(histories, int(meta["step"]), float(meta["seconds"]))


def save(
    run: Path | None, done: int, tree: dict[str, Any], position: Position, *, apart: bool
) -> None:
    """Write a checkpoint and the history's files; nothing where there is no run.

    Args:
        run: the run's folder.
        done: steps of the whole training so far.
        tree: the arrays.
        position: how far it has come.
        apart: as for `start`.
    """
    if run is None:
        return
    meta = {
        "histories": [history.rows() for history in position.histories],
        "step": position.step,
        "seconds": position.seconds,
    }
    with checkpoint.uninterrupted():
        checkpoint.save(run, done, _held(tree, apart, position.step), meta)
        if position.step == 0:
            write_history(mean_history(position.histories), run)


def _held(tree: dict[str, Any], apart: bool, step: int) -> dict[str, Any]:
    """What a checkpoint holds: "kept" only where it is not the same as the rest.

    Within an epoch it is not: the model's are those of the last finished epoch.
    """
    return {name: part for name, part in tree.items() if name != "kept" or apart or step}


def finished(run: Path) -> int:
    """How many epochs of a run are finished; 0 where nothing is kept yet."""
    meta = checkpoint.read_meta(run)
    return len(meta["histories"][0]) if meta else 0
