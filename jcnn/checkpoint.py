"""Checkpoints: the whole training state of a run after a number of steps, one file each.

RUN/checkpoints/STEP.safetensors    the arrays, and as JSON the other data needed to resume

Files are written atomically, and the checksum is verified before any content is used. After a
kill, a full disk or a disk error, training resumes from the checkpoint before. Orbax guarantees
less: it restores a flipped bit without notice, and on a full disk its threads continue to write
and print after it has raised its error.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jcnn.system import sealed
from jcnn.system.files import remove_unfinished
from jcnn.system.interrupts import delay_interrupts
from jcnn.system.sealed import DamagedError

# The newest checkpoint, and the one before it in case the newest is damaged.
KEEP = 2

_DIFFERENCES_SHOWN = 4


class CheckpointError(ValueError):
    """A checkpoint is missing, damaged, of another model or cannot be written; it is named."""


def ignore(_message: str) -> None:
    """Ignore a message."""


def save(run: Path, step: int, state: Mapping[str, Any], meta: dict[str, Any]) -> None:
    """Write the run's newest checkpoint, and keep `KEEP` intact ones in total.

    Ctrl-C takes effect after it is written.

    Args:
        run: the run folder; created if missing.
        step: training steps so far. Existing checkpoints of this step or a later one were
            skipped as damaged, and are removed.
        state: a tree of arrays.
        meta: other data to store, as JSON.

    Raises:
        CheckpointError: it cannot be written, for example on a full disk. Older checkpoints
            are unchanged.
    """
    arrays = {name: np.asarray(leaf) for name, leaf in flatten(state).items()}
    texts = {"step": str(step), "meta": json.dumps(meta)}
    file = _file(run, step)
    with delay_interrupts():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            remove_unfinished(file.parent)
            sealed.write(file, arrays, texts)
            _remember(file)
        except (OSError, ValueError) as error:
            last = _newest_intact(run)
            raise CheckpointError(
                f"{run}: the checkpoint of step {step} could not be saved: {_reason(error)}; "
                + (f"that of step {last.step} remains" if last else "there is no older one")
            ) from error
        _remove(_file(run, n) for n in _superfluous(run, step))


def restore(
    run: Path,
    state: Mapping[str, Any] | Callable[[dict[str, Any]], Mapping[str, Any]],
    *,
    on_damage: Callable[[str], None] = ignore,
    put: Callable[[np.ndarray], jax.Array] = jnp.array,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read the newest intact checkpoint of a run.

    Args:
        run: the run folder; it is not changed.
        state: a tree of arrays like the saved one, or some of its top entries, which select the
            arrays to read; or a function from `meta` to this tree.
        on_damage: called with a line for each newer checkpoint that is skipped.
        put: copies an array to the devices. Arrays may be donated to a program, so they must not
            share the file's memory.

    Returns:
        The tree with the saved arrays, and the `meta` saved with them.

    Raises:
        CheckpointError: there is no checkpoint, all are damaged, or it is of another model.
    """
    found = _newest(run, on_damage)
    place = f"{run}: the checkpoint of step {found.step}"
    saved = found.arrays
    tree = dict(state(found.meta) if callable(state) else state)
    wanted = flatten(tree)
    differing = _differences(saved, wanted, tuple(f"{part}." for part in tree))
    if differing:
        shown = "; ".join(differing[:_DIFFERENCES_SHOWN])
        more = len(differing) - _DIFFERENCES_SHOWN
        raise CheckpointError(
            f"{place} is of another model: {shown}" + (f"; and {more} more" if more > 0 else "")
        )
    leaves = [put(saved[name]) for name in wanted]
    return jax.tree.unflatten(jax.tree.structure(tree), leaves), found.meta


def arrays(run: Path, *, on_damage: Callable[[str], None] = ignore) -> dict[str, np.ndarray]:
    """All arrays of a run's newest intact checkpoint, by path such as "params.conv2d.kernel.value".

    Raises:
        CheckpointError: there is no checkpoint, or all are damaged.
    """
    return _newest(run, on_damage).arrays


def steps(run: Path) -> list[int]:
    """The steps of a run's checkpoints, intact or damaged, oldest first."""
    names = (
        re.fullmatch(r"(0|[1-9][0-9]*)\.safetensors", path.name) for path in _folder(run).glob("*")
    )
    return sorted(int(name[1]) for name in names if name)


def read_meta(run: Path) -> dict[str, Any] | None:
    """The `meta` of a run's newest intact checkpoint, or None."""
    found = _newest_intact(run)
    return found.meta if found else None


def peek_meta(run: Path) -> dict[str, Any] | None:
    """As `read_meta`, but without verifying the checksum: no array is read."""
    for step in reversed(steps(run)):
        try:
            meta: dict[str, Any] = json.loads(sealed.read_texts(_file(run, step))["meta"])
        except (OSError, ValueError, KeyError):
            continue
        return meta
    return None


class _Checkpoint(NamedTuple):
    step: int
    arrays: dict[str, np.ndarray]
    meta: dict[str, Any]


def _newest(run: Path, on_damage: Callable[[str], None]) -> _Checkpoint:
    """The newest intact checkpoint, as for `restore`."""
    damaged: dict[int, str] = {}
    found = _newest_intact(run, damaged)
    if found is None:
        if not damaged:
            raise CheckpointError(
                f"{run}: has no checkpoint yet; train it with: jcnn train --resume"
            )
        step, reason = next(iter(damaged.items()))
        older = "; no older one is whole" if len(damaged) > 1 else ""
        raise CheckpointError(f"{run}: the checkpoint of step {step} is damaged: {reason}{older}")
    for step, reason in damaged.items():
        on_damage(
            f"{run}: the checkpoint of step {step} is damaged ({reason}); "
            f"going back to that of step {found.step}"
        )
    return found


def _newest_intact(run: Path, damaged: dict[int, str] | None = None) -> _Checkpoint | None:
    """The newest intact checkpoint; newer ones are added to `damaged`, with the reason."""
    for step in reversed(steps(run)):
        try:
            return _read(run, step)
        except DamagedError as error:
            if damaged is not None:
                damaged[step] = str(error)
    return None


def _read(run: Path, step: int) -> _Checkpoint:
    file = _file(run, step)
    try:
        before = _file_status(file)
        arrays, texts = sealed.read(file)
    except OSError as error:
        raise DamagedError(f"it cannot be read: {_reason(error)}") from error
    if texts.get("step") != str(step):
        raise DamagedError(f"it is that of step {texts.get('step')}")
    _WHOLE[file.absolute()] = before
    return _Checkpoint(step, arrays, json.loads(texts["meta"]))


def _superfluous(run: Path, newest: int) -> list[int]:
    """The steps of all checkpoints except the newest `KEEP` intact ones."""
    kept = [newest]
    for step in reversed(steps(run)):
        if step < newest and len(kept) < KEEP and _is_intact(run, step):
            kept.append(step)
    return [step for step in steps(run) if step not in kept]


# The status of files that this process wrote, or read and found intact. While it is the same, a
# save need not read them again.
_WHOLE: dict[Path, tuple[int, int, int]] = {}


def _remember(file: Path) -> None:
    _WHOLE[file.absolute()] = _file_status(file)


def _file_status(file: Path) -> tuple[int, int, int]:
    """File status that changes when the file is written to or replaced."""
    status = file.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _is_intact(run: Path, step: int) -> bool:
    with suppress(OSError):
        file = _file(run, step)
        if _WHOLE.get(file.absolute()) == _file_status(file):
            return True
    try:
        _read(run, step)
    except DamagedError:
        return False
    return True


def _remove(files: Iterable[Path]) -> None:
    for file in files:
        _WHOLE.pop(file.absolute(), None)
        with suppress(OSError):  # not a reason to stop the training
            file.unlink()


def _folder(run: Path) -> Path:
    return run / "checkpoints"


def _file(run: Path, step: int) -> Path:
    return _folder(run) / f"{step}.safetensors"


def _reason(error: OSError | ValueError) -> str:
    """The reason of an error, without the file name that an `OSError` adds."""
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _differences(
    saved: Mapping[str, Any], wanted: Mapping[str, Any], parts: tuple[str, ...]
) -> list[str]:
    """In what the saved arrays of these parts differ from those of this model, array by array."""
    found = []
    for name, array in wanted.items():
        ours = _describe(array)
        if name not in saved:
            found.append(f"it has no {name}")
        elif (theirs := _describe(saved[name])) != ours:
            found.append(f"its {name} is {theirs}, this model's {ours}")
    extra = (name for name in sorted(saved) if name.startswith(parts) and name not in wanted)
    return found + [f"this model has no {name}" for name in extra]


def flatten(state: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays of a tree by path, such as "params.conv2d.kernel"."""
    leaves = jax.tree_util.tree_leaves_with_path(dict(state))
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}


def _describe(array: Any) -> str:
    return f"{array.shape} of {array.dtype}"
