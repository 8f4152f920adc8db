"""The state that training gives to a model, and the arrays that a checkpoint stores."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jcnn.train.devices import gathered
from jcnn.train.metrics import Totals
from jcnn.train.step import TrainState


class ModelState(NamedTuple):
    """The state that a model gets: the parameters (or their EMA) and the other state."""

    params: Any
    rest: Any


def choose_better(old: ModelState, new: ModelState, is_best: np.ndarray) -> ModelState:
    """For each model, `new` where `is_best (M,)` is true, else `old`."""

    def choose(old: jax.Array, new: jax.Array) -> jax.Array:
        if len(is_best) == 1:
            return new if is_best[0] else old
        return jnp.where(is_best.reshape(-1, *[1] * (new.ndim - 1)), new, old)

    chosen: ModelState = jax.tree.map(choose, old, new)
    return chosen


def to_tree(state: TrainState, totals: Totals, result: ModelState) -> dict[str, Any]:
    """The arrays of a checkpoint; their names are those of its file."""
    return {**state._asdict(), "totals": totals._asdict(), "kept": result._asdict()}


def copy(tree: Any) -> Any:
    """Copy arrays to new buffers on the device."""
    return jax.device_put(tree, may_alias=False)  # `jnp.copy` would compile for each shape


def from_tree(
    tree: dict[str, Any], copy: Callable[[Any], Any] = copy
) -> tuple[TrainState, Totals, ModelState]:
    """The inverse of `to_tree`; without "kept", the result is that of the training state."""
    state = TrainState(**{name: tree[name] for name in TrainState._fields})
    own = tree.get("kept", {"params": state.params, "rest": state.rest})
    return state, Totals(**tree["totals"]), ModelState(*copy((own["params"], own["rest"])))


def all_finite(params: Any, population: bool) -> np.ndarray:
    """For each model, whether all of its parameters are finite."""
    arrays = [np.asarray(p) for p in jax.tree.leaves(gathered(params))]
    finite = [np.isfinite(p).reshape(len(p) if population else 1, -1).all(axis=1) for p in arrays]
    return np.asarray(np.stack(finite).all(axis=0))
