"""Checkpoints: a run's whole training state after a number of steps, its arrays written by Orbax.

RUN/checkpoints/STEP/state/      the arrays, as `orbax.checkpoint.StandardCheckpointer` reads them
RUN/checkpoints/STEP/seal.json   the rest, and a SHA-256 of every file

Orbax would return flipped bits silently and explains a broken file with its threads' tracebacks,
so the seal is checked before Orbax sees anything. A checkpoint is written under another name and
then renamed: a kill, a full disk or a power cut leaves it whole or leaves none.
"""

import logging
import os
import re
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from jcnn.files import to_disk
from jcnn.sealed import DamagedError, seal, unseal

# The newest, and the one before it in case the newest is damaged.
KEEP = 2


class CheckpointError(ValueError):
    """A checkpoint is missing, damaged, of another model or not to be written; it is named."""


def ignore(_message: str) -> None:
    """Tell nobody."""


def save(run: Path, step: int, state: Mapping[str, Any], meta: dict[str, Any]) -> None:
    """Write a checkpoint, which then is the run's newest, and keep `KEEP` whole ones in all.

    Ctrl-C waits until it is written.

    Args:
        run: the run's folder; made where missing.
        step: training steps so far. What the run holds of this step or a later one was passed
            over as damaged, and makes room.
        state: a tree of arrays.
        meta: what else to keep, as JSON.

    Raises:
        CheckpointError: it cannot be written, as on a full disk. The older ones are as they were.
    """
    arrays = {name: np.asarray(leaf) for name, leaf in _flatten(state).items()}
    folder = run / "checkpoints"
    unfinished, target, replaced = folder / ".saving", folder / str(step), folder / ".replaced"
    with uninterrupted():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _remove(unfinished, replaced)  # what a killed process has left
            unfinished.mkdir()
            with _silent(), ocp.Checkpointer(ocp.StandardCheckpointHandler()) as checkpointer:
                state_folder = (unfinished / "state").resolve()
                checkpointer.save(state_folder, args=ocp.args.StandardSave(arrays))
            seal(unfinished, {"step": step, "meta": meta})
            if target.exists():
                target.rename(replaced)
            unfinished.rename(target)
            to_disk(folder)
        except Exception as error:  # of a full disk, Orbax raises a ValueError
            _remove(unfinished)
            last = _newest_whole(run).step
            raise CheckpointError(
                f"{run}: the checkpoint of step {step} could not be saved: {_reason(error)}; "
                + ("there is no older one" if last is None else f"that of step {last} remains")
            ) from error
        _remove(replaced, *(folder / str(n) for n in _superfluous(run, step)))


def restore(
    run: Path, state: Mapping[str, Any], *, on_damage: Callable[[str], None] = ignore
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read the newest whole checkpoint of a run.

    Args:
        run: the run's folder; nothing in it is changed.
        state: a tree of arrays like the one saved, or a part of it: it says what to read.
        on_damage: called with a line for each newer checkpoint that is passed over.

    Returns:
        The tree with the saved arrays, and the `meta` saved with them.

    Raises:
        CheckpointError: there is none, all are damaged, or it was saved from another model.
    """
    found = _newest_whole(run)
    if found.step is None:
        if not found.damaged:
            raise CheckpointError(
                f"{run}: has no checkpoint yet; train it with: jcnn train --resume"
            )
        step, reason = next(iter(found.damaged.items()))
        older = "; no older one is whole" if len(found.damaged) > 1 else ""
        raise CheckpointError(f"{run}: the checkpoint of step {step} is damaged: {reason}{older}")
    for step, reason in found.damaged.items():
        on_damage(
            f"{run}: the checkpoint of step {step} is damaged ({reason}); "
            f"going back to that of step {found.step}"
        )
    place = f"{run}: the checkpoint of step {found.step}"
    folder = (run / "checkpoints" / str(found.step) / "state").resolve()
    try:
        with ocp.Checkpointer(ocp.StandardCheckpointHandler()) as checkpointer:
            saved = checkpointer.restore(folder)
    except Exception as error:  # its files are as they were written: by another Orbax, perhaps
        raise CheckpointError(f"{place} cannot be read: {_reason(error)}") from error
    wanted = _flatten(state)
    for name, array in wanted.items():
        if name not in saved:
            raise CheckpointError(f"{place} is of another model: it has no {name}")
        theirs, ours = _describe(saved[name]), _describe(array)
        if theirs != ours:
            raise CheckpointError(
                f"{place} is of another model: its {name} is {theirs}, this model's {ours}"
            )
    # A copy, for the arrays are donated to programs: NumPy's memory must not be.
    leaves = [jnp.array(saved[name]) for name in wanted]
    return jax.tree.unflatten(jax.tree.structure(dict(state)), leaves), found.meta


def steps(run: Path) -> list[int]:
    """Steps whose checkpoints a run holds, whole or damaged, oldest first."""
    names = (path.name for path in (run / "checkpoints").glob("*"))
    return sorted(int(name) for name in names if re.fullmatch("0|[1-9][0-9]*", name))


def read_meta(run: Path) -> dict[str, Any] | None:
    """The `meta` of a run's newest whole checkpoint; None where there is none."""
    found = _newest_whole(run)
    return None if found.step is None else found.meta


@contextmanager
def uninterrupted() -> Iterator[None]:
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


class _Found(NamedTuple):
    """The newest whole checkpoint, and the newer ones, newest first, with what is wrong."""

    step: int | None
    meta: dict[str, Any]
    damaged: dict[int, str]


def _newest_whole(run: Path) -> _Found:
    damaged: dict[int, str] = {}
    for step in reversed(steps(run)):
        try:
            return _Found(step, _read_seal(run, step), damaged)
        except DamagedError as error:
            damaged[step] = str(error)
    return _Found(None, {}, damaged)


def _read_seal(run: Path, step: int) -> dict[str, Any]:
    content = unseal(run / "checkpoints" / str(step))
    if content["step"] != step:
        raise DamagedError(f"it is that of step {content['step']}")
    meta: dict[str, Any] = content["meta"]
    return meta


def _superfluous(run: Path, newest: int) -> list[int]:
    """All checkpoints but the newest and the whole ones before it that are kept with it."""
    kept = [newest]
    for step in reversed(steps(run)):
        if step < newest and len(kept) < KEEP:
            with suppress(DamagedError):
                _read_seal(run, step)
                kept.append(step)
    return [step for step in steps(run) if step not in kept]


def _remove(*folders: Path) -> None:
    for folder in folders:  # what cannot be removed now is no reason to stop a training
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _silent() -> Iterator[None]:
    """Keep Orbax's threads from logging the tracebacks of an error that is raised as well."""
    logger = logging.getLogger("absl")

    def drop(record: logging.LogRecord) -> bool:
        return False

    logger.addFilter(drop)
    try:
        yield
    finally:
        logger.removeFilter(drop)


def _reason(error: Exception) -> str:
    """What went wrong in a line: the system's own words where it was the system."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    number = re.search(r"os_error_code='(\d+)'", str(error))
    return os.strerror(int(number[1])) if number else str(error).partition("\n")[0]


def _flatten(state: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays of a tree by their paths, such as "params.conv2d.kernel"."""
    leaves = jax.tree_util.tree_leaves_with_path(dict(state))
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}


def _describe(array: Any) -> str:
    return f"{array.shape} of {array.dtype}"
