"""Start an optimizer from the state that another training left."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jcnn.config import TrainConfig
from jcnn.interop.imported import SavedOptimizer, dotted
from jcnn.runs.optimizer_file import COUNTS, role_and_path
from jcnn.train.functions import Functions


def check_optimizer_state(saved: SavedOptimizer, config: TrainConfig, functions: Functions) -> None:
    """Check that a training with these settings can go on from a saved state.

    Raises:
        ValueError: the settings name another optimizer, or there is one of the user's.
    """
    if functions.optimizer is not None:
        raise ValueError("optimizer_state: accepted: None with an optimizer of your own")
    wanted = saved.settings.get("optimizer")
    if config.optimizer != wanted:
        raise ValueError(
            f"optimizer_state: is of {wanted}; config.optimizer is {config.optimizer!r}: accepted: "
            "TrainConfig(**optimizer_state.settings)"
        )


def restored(state: Any, saved: SavedOptimizer) -> Any:
    """The state of an optimizer with the arrays of a saved one.

    Args:
        state: of a new optimizer: a tree whose leaves are arrays of a role for a parameter.
        saved: an array for each of them.

    Raises:
        ValueError: an array is missing, has another shape, or belongs to no trained parameter.
    """
    slots = {
        role: {dotted(path): array for path, array in arrays.items()}
        for role, arrays in saved.slots.items()
    }
    used: set[tuple[str, str]] = set()

    def leaf(keys: Any, initial: Any) -> Any:
        role, path = role_and_path(jax.tree_util.keystr(keys, simple=True, separator="."))
        if role in COUNTS:
            return jnp.asarray(saved.updates, initial.dtype)
        array = slots.get(role, {}).get(path)
        if array is None:
            raise ValueError(f"optimizer_state: has no {role!r} of {path or 'the model'}")
        if array.shape != initial.shape:
            raise ValueError(
                f"optimizer_state: {role!r} of {path} has shape {array.shape}; "
                f"expected {initial.shape}"
            )
        used.add((role, path))
        return jax.device_put(np.asarray(array, initial.dtype))

    made = jax.tree_util.tree_map_with_path(leaf, state)
    rest = [(role, path) for role, arrays in slots.items() for path in arrays]
    for role, path in rest:
        if (role, path) not in used:
            raise ValueError(f"optimizer_state: {role!r} of {path}: is no trained parameter here")
    return made
