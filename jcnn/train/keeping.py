"""What a training keeps in its run folder, and where it goes on from."""

from collections.abc import Callable, Sequence
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
) -> tuple[dict[str, Any], Position]:
    """The arrays and the position to begin with: the run's newest, or the given ones.

    Args:
        run: the run's folder.
        resume: whether to go on with it.
        tree: the arrays of a training that begins.
        members: models that are trained.
        notify: told of a damaged checkpoint that was passed over.

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
    kept = len(member_histories(run))
    if kept not in (0, members):
        raise checkpoint.CheckpointError(
            f"{run}: holds a training of {kept} models, not of {members}"
        )
    restored, meta = checkpoint.restore(run, tree, on_damage=lambda text: notify(Note(text)))
    histories = tuple(from_rows(rows) for rows in meta["histories"])
    write_history(mean_history(histories), run)  # a kill may have left its files behind
    return restored, Position(histories, int(meta["step"]), float(meta["seconds"]))


def save(run: Path | None, done: int, tree: dict[str, Any], position: Position) -> None:
    """Write a checkpoint and the history's files; nothing where there is no run.

    Args:
        run: the run's folder.
        done: steps of the whole training so far.
        tree: the arrays.
        position: how far it has come.
    """
    if run is None:
        return
    meta = {
        "histories": [history.rows() for history in position.histories],
        "step": position.step,
        "seconds": position.seconds,
    }
    with checkpoint.uninterrupted():
        checkpoint.save(run, done, tree, meta)
        if position.step == 0:
            write_history(mean_history(position.histories), run)


def finished(run: Path) -> int:
    """How many epochs of a run are finished; 0 where nothing is kept yet."""
    meta = checkpoint.read_meta(run)
    return len(meta["histories"][0]) if meta else 0


def member_histories(run: Path) -> Sequence[History]:
    """The history of each member of a run, from its newest checkpoint."""
    meta = checkpoint.read_meta(run)
    return [from_rows(rows) for rows in meta["histories"]] if meta else []
