"""Copies the weights of a run's newest checkpoint into a model whose layers have the same paths."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from flax import nnx

from jcnn import checkpoint
from jcnn.data import Note, Notify
from jcnn.data.events import silent
from jcnn.interop.imported import dotted
from jcnn.interop.loaded import Loaded, variables_of
from jcnn.suggest import did_you_mean

Arrays = dict[str, npt.NDArray[Any]]


def load_run_weights(
    model: nnx.Module, run: Path, head: Callable[[], str], *, notify: Notify = silent
) -> Loaded:
    """Copy a run's weights into a model; all names and shapes are compared before.

    The head may have another number of classes; it then keeps its values.

    Args:
        model: its variables are replaced.
        run: a run folder.
        head: gives the path of the model's head; it is called only if a shape differs.
        notify: called with one note that says what was loaded and what was not, and with one for
            each damaged checkpoint.

    Raises:
        jcnn.checkpoint.CheckpointError: the run has no intact checkpoint.
        ValueError: a variable has no array or one of another shape.
    """
    variables = {path: variable for path, _, variable in variables_of(model)}
    paths = {dotted(path): path for path in variables}
    saved = by_dotted_path(checkpoint.arrays(run, on_damage=lambda line: notify(Note(line))))
    given = {paths.get(name, name.replace(".", "/")): array for name, array in saved.items()}
    missing = [name for name in variables if name not in given]
    if missing:
        raise ValueError(
            f"weights: {run} is of another model: it has no {missing[0]!r}, and {len(missing)} of "
            f"{len(variables)} arrays are missing{did_you_mean(missing[0], given)}"
        )
    differing = [name for name in variables if given[name].shape != tuple(variables[name].shape)]
    if differing:
        layer = head()
        for name in differing:
            found, expected = given[name].shape, tuple(variables[name].shape)
            if name.rpartition("/")[0] != layer or found[:-1] != expected[:-1]:
                raise ValueError(
                    f"weights: {run} is of another model: its {name!r} has shape {found}; "
                    f"expected {expected}"
                )
    new = tuple(name for name in variables if differing and name.rpartition("/")[0] == layer)
    loaded = tuple(name for name in variables if name not in new)
    for name in loaded:
        variables[name].set_value(jnp.asarray(given[name], variables[name].dtype))
    done = Loaded(loaded, new, tuple(name for name in given if name not in variables))
    notify(Note(f"weights: {done.describe()}"))
    return done


def by_dotted_path(saved: dict[str, np.ndarray]) -> Arrays:
    """The arrays of the state that a finished training gives a model, by "conv1.kernel".

    A checkpoint holds them as "params.PATH.value" and "rest.PATH.value", below "kept" where the
    state of the training is another one.
    """
    names = [name for name in saved if name.startswith("kept.")] or list(saved)
    found: Arrays = {}
    for name in names:
        group, _, path = name.removeprefix("kept.").partition(".")
        if group in ("params", "rest"):
            found[path.removesuffix(".value")] = saved[name]
    return found
