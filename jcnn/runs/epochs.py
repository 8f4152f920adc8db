"""RUN/epochs/: the weights of a run after some of its epochs, to look at how it learned.

RUN/epochs/EPOCH.safetensors    the state of the model after this epoch; 0 is before training

They are the arrays that a model gets, without those of the optimizer. `checkpoint` is what a
training resumes from.
"""

import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from flax import nnx

from jcnn.checkpoint import CheckpointError, flatten
from jcnn.interop.imported import dotted
from jcnn.interop.loaded import variables_of
from jcnn.interop.run_weights import by_dotted_path
from jcnn.runs.config import RunError
from jcnn.system import sealed
from jcnn.system.files import remove_unfinished
from jcnn.system.interrupts import delay_interrupts


def keep_epoch(
    run: Path, epoch: int, state: Mapping[str, Any], keep: int | Literal["all"], epochs: int
) -> None:
    """Write the weights of the newest epoch, and remove those that are no longer to be kept.

    Files of later epochs are removed: the training went back to a checkpoint before them.

    Args:
        run: the run folder.
        epoch: the finished epochs.
        state: a tree of the model's arrays, "params" and "rest".
        keep, epochs: the settings `keep_checkpoints` and `epochs`.

    Raises:
        jcnn.checkpoint.CheckpointError: the file cannot be written; the others are unchanged.
    """
    arrays = {name: np.asarray(leaf) for name, leaf in flatten(state).items()}
    with delay_interrupts():
        file = _file(run, epoch)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            remove_unfinished(file.parent)
            sealed.write(file, arrays, {"epoch": str(epoch)})
        except OSError as error:
            raise CheckpointError(
                f"{run}: the weights of epoch {epoch} could not be saved: {error.strerror or error}"
            ) from error
        there = kept_epochs(run)
        chosen = to_keep([one for one in there if one <= epoch], keep, epochs)
        for other in there:
            if other not in chosen:
                with suppress(OSError):  # not a reason to stop the training
                    _file(run, other).unlink()


def to_keep(there: Collection[int], keep: int | Literal["all"], epochs: int) -> set[int]:
    """The epochs to keep of those that are there, the newest among them.

    In a training of `epochs` these are the ones next to `keep` evenly spread points, as far as it
    has come. If it is resumed with more epochs, the points move, and the nearest ones stay.
    """
    newest = max(there)
    if keep == "all":
        return set(there)
    points = [(2 * i * epochs + keep - 1) // (2 * keep - 2) for i in range(keep)]
    reached = (point for point in points if point <= newest)
    return {min(there, key=lambda one: (abs(one - point), one)) for point in reached} | {newest}


def kept_epochs(run: Path) -> list[int]:
    """The epochs whose weights a run has kept, in order; none for most runs."""
    names = (re.fullmatch(r"(0|[1-9][0-9]*)\.safetensors", p.name) for p in _folder(run).glob("*"))
    return sorted(int(name[1]) for name in names if name)


def load_epoch(model: nnx.Module, run: Path, epoch: int) -> None:
    """Give a model of the run the weights of a kept epoch.

    Args:
        model: from `jcnn.runs.load`; its variables are replaced.
        run: the run folder.
        epoch: one of `kept_epochs(run)`.

    Raises:
        RunError: the file cannot be read, is damaged, or is of another model.
    """
    file = _file(run, epoch)
    try:
        arrays, texts = sealed.read(file)
    except OSError as error:
        raise RunError(f"{file}: cannot be read: {error.strerror or error}") from error
    except sealed.DamagedError as error:
        raise RunError(f"{file}: is damaged: {error}") from error
    if texts.get("epoch") != str(epoch):
        raise RunError(f"{file}: is of epoch {texts.get('epoch')}")
    given = by_dotted_path(arrays)
    variables = {dotted(path): variable for path, _, variable in variables_of(model)}
    for name, variable in variables.items():
        if name not in given or given[name].shape != tuple(variable.shape):
            found = given[name].shape if name in given else "none"
            raise RunError(
                f"{file}: is of another model: its {name} is {found}, this model's "
                f"{tuple(variable.shape)}"
            )
    for name, variable in variables.items():
        variable.set_value(jnp.asarray(given[name], variable.dtype))


def _folder(run: Path) -> Path:
    return run / "epochs"


def _file(run: Path, epoch: int) -> Path:
    return _folder(run) / f"{epoch}.safetensors"
