"""RUN/optimizer.safetensors: the state of an optimizer that an imported file had."""

import json
from pathlib import Path

from jcnn.interop.imported import Array, SavedOptimizer
from jcnn.runs.config import RunError
from jcnn.system import sealed

OPTIMIZER_FILE = "optimizer.safetensors"


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
        return SavedOptimizer(dict(about["settings"]), int(about["updates"]), slots)
    except FileNotFoundError:
        return None
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise RunError(f"{file}: is damaged: {error}") from error
