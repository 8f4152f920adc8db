"""Checkpoints: a run's whole training state after an epoch, written by Orbax.

Orbax makes a checkpoint appear whole or not at all, but keeps no checksum of the numbers: ours is
a SHA-256 over every array, stored beside them and compared on the way back. The history up to the
epoch is stored too, so that what a run resumes from is one thing.
"""

import hashlib
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from jcnn.history import History, from_rows, write_history

# The newest, and the one before it in case the newest is damaged.
KEEP = 2


class CheckpointError(ValueError):
    """A checkpoint is missing, damaged, or of another model; the message names it."""


def save(run: Path, state: Mapping[str, Any], history: History) -> None:
    """Write the checkpoint of the history's last epoch, then `history.jsonl`.

    Ctrl-C waits until both are written.

    Args:
        run: the run's folder; made where missing.
        state: a tree of arrays.
        history: all epochs so far.
    """
    arrays = _flatten(state)
    meta = {"sha256": _digest(arrays), "history": history.rows()}
    run.mkdir(parents=True, exist_ok=True)
    with _uninterrupted():
        with _manager(run, create=True) as manager:
            manager.save(
                len(history),
                args=ocp.args.Composite(
                    state=ocp.args.StandardSave(arrays), meta=ocp.args.JsonSave(meta)
                ),
            )
        write_history(history, run / "history.jsonl")


def restore(run: Path, state: Mapping[str, Any]) -> tuple[dict[str, Any], History]:
    """Read the newest checkpoint of a run.

    Args:
        run: the run's folder.
        state: a tree of arrays like the one saved, or a part of it: it says what to read.

    Returns:
        The tree with the saved arrays, and the history up to the checkpoint's epoch.

    Raises:
        CheckpointError: there is none, it is damaged, or it was saved from another model.
    """
    found = epochs(run)
    if not found:
        raise CheckpointError(f"{run}: has no checkpoint yet; train it with: jcnn train --resume")
    epoch = found[-1]
    place = f"{run}: the checkpoint of epoch {epoch}"
    with _manager(run, create=False) as manager:
        try:
            saved = manager.restore(
                epoch,
                args=ocp.args.Composite(
                    state=ocp.args.StandardRestore(), meta=ocp.args.JsonRestore()
                ),
            )
        except Exception as error:  # Orbax raises a bare Exception where a data file is short
            reason = str(error).partition("\n")[0]
            raise CheckpointError(f"{place} is damaged: {reason}") from error
    if _digest(saved.state) != saved.meta["sha256"]:
        raise CheckpointError(f"{place} is damaged: its numbers do not match their checksum")
    wanted = _flatten(state)
    for name, array in wanted.items():
        if name not in saved.state:
            raise CheckpointError(f"{place} is of another model: it has no {name}")
        if saved.state[name].shape != array.shape:
            raise CheckpointError(
                f"{place} is of another model: its {name} is {saved.state[name].shape}, "
                f"this model's {array.shape}"
            )
    leaves = [saved.state[name] for name in wanted]
    return jax.tree.unflatten(jax.tree.structure(dict(state)), leaves), from_rows(
        saved.meta["history"]
    )


def epochs(run: Path) -> list[int]:
    """Epochs whose checkpoints a run holds, oldest first."""
    folder = run / "checkpoints"
    return sorted(int(p.name) for p in folder.glob("*") if p.name.isdigit())


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back while the context is open: Orbax's threads may hang when it breaks in."""
    if threading.current_thread() is not threading.main_thread():  # it gets no signals
        yield
        return
    pressed: list[int] = []
    previous = signal.signal(signal.SIGINT, lambda number, _frame: pressed.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
        if pressed:
            signal.raise_signal(signal.SIGINT)


def _manager(run: Path, *, create: bool) -> ocp.CheckpointManager:
    options = ocp.CheckpointManagerOptions(
        max_to_keep=KEEP, create=create, enable_async_checkpointing=False
    )
    return ocp.CheckpointManager((run / "checkpoints").resolve(), options=options)


def _flatten(state: Mapping[str, Any]) -> dict[str, jax.Array]:
    """The arrays of a tree by their paths, such as "params.conv2d.kernel"."""
    leaves = jax.tree_util.tree_leaves_with_path(dict(state))
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}


def _digest(arrays: Mapping[str, Any]) -> str:
    total = hashlib.sha256()
    for name in sorted(arrays):
        array = np.asarray(arrays[name])
        total.update(f"{name} {array.dtype} {array.shape}\n".encode())
        total.update(np.ascontiguousarray(array).view(np.uint8).tobytes() if array.size else b"")
    return total.hexdigest()
