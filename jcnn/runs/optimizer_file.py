"""The optimizer of a run: of its training, or RUN/optimizer.safetensors of an imported file."""

import json
from collections.abc import Mapping
from pathlib import Path

from jcnn import checkpoint
from jcnn.interop.imported import Array, SavedOptimizer
from jcnn.runs.config import RunConfig, RunError
from jcnn.system import sealed

OPTIMIZER_FILE = "optimizer.safetensors"
# Settings of a training that are the optimizer's.
_SETTINGS = (
    *("optimizer", "learning_rate", "weight_decay", "weight_decay_mask"),
    *("clip_value", "clip_norm", "global_clip_norm"),
)
# Roles of an optimizer's state that count its updates.
COUNTS = ("t", "count")


def write_optimizer(run: Path, saved: SavedOptimizer) -> None:
    """Write the optimizer of a run."""
    arrays = {
        f"{role}:{path}": array
        for role, slots in saved.slots.items()
        for path, array in slots.items()
    }
    about = {"settings": dict(saved.settings), "updates": saved.updates}
    sealed.write(run / OPTIMIZER_FILE, arrays, {"optimizer": json.dumps(about)})


def read_optimizer(run: Path) -> SavedOptimizer | None:
    """The optimizer of a run; None if it has no such file.

    Raises:
        RunError: the file is damaged.
    """
    file = run / OPTIMIZER_FILE
    try:
        arrays, texts = sealed.read(file)
        about = json.loads(texts["optimizer"])
        slots: dict[str, dict[str, Array]] = {}
        for name, array in arrays.items():
            role, _, path = name.partition(":")
            slots.setdefault(role, {})[path] = array
        settings = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in about["settings"].items()
        }
        return SavedOptimizer(settings, int(about["updates"]), slots)
    except FileNotFoundError:
        return None
    except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise RunError(f"{file}: is damaged: {error}") from error


def optimizer_of(run: Path, config: RunConfig) -> SavedOptimizer | None:
    """The optimizer that belongs to the weights of a run; None if there is none.

    There is none where the weights are those of an earlier epoch or a mean, or layers are frozen.

    Args:
        run, config: the run.

    Raises:
        RunError: the file of the optimizer is damaged.
        jcnn.checkpoint.CheckpointError: there is no intact checkpoint.
    """
    if not config.trained:
        return read_optimizer(run)
    train = config.train
    meta = checkpoint.read_meta(run)
    if meta is None or meta.get("step") or "of" in meta:
        return None
    if train.has_separate_result or train.freeze or train.accumulate_steps > 1:
        return None
    settings = {name: getattr(train, name) for name in _SETTINGS}
    return SavedOptimizer(settings, checkpoint.steps(run)[-1], slots_of(checkpoint.arrays(run)))


def slots_of(arrays: Mapping[str, Array]) -> dict[str, dict[str, Array]]:
    """The arrays of an optimizer's state by role and path, of those of a checkpoint.

    Args:
        arrays: by name, such as "optimizer.mean.conv1.kernel.value".
    """
    slots: dict[str, dict[str, Array]] = {}
    for name, array in arrays.items():
        group, _, rest = name.partition(".")
        role, path = role_and_path(rest)
        if group == "optimizer" and role not in COUNTS:
            slots.setdefault(role, {})[path] = array
    return slots


def role_and_path(name: str) -> tuple[str, str]:
    """The role "mean" and the dotted path "conv1.kernel" of "mean.conv1.kernel.value"."""
    role, _, path = name.partition(".")
    return role, path.removesuffix(".value")
