"""Models side by side: the arrays of several models of one structure, stacked on a leading axis."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx

from jcnn.data import Dataset
from jcnn.layers import Dropout
from jcnn.layers.basic import DropoutRate
from jcnn.layers.model import SplitModel, split_model
from jcnn.train.evaluate import Evaluation, all_logits, judge


def stack(models: Sequence[nnx.Module], mode: Callable[[nnx.Module], nnx.Module]) -> SplitModel:
    """Take models apart, with a leading axis on `params` and `rest`, one row a model.

    Args:
        models: they may differ in their parameters and dropout rates; of one, the arrays have
            no leading axis.
        mode: `training` or `eval_mode`.

    Raises:
        ValueError: their structures differ.
    """
    copies = [mode(model) for model in models]
    if len(models) == 1:
        return split_model(copies[0])
    if len({_rates(model) for model in copies}) > 1:
        copies = [_with_rates_as_arrays(model) for model in copies]
    parts = [split_model(model) for model in copies]
    for i, part in enumerate(parts):
        if part.graphdef != parts[0].graphdef or _shapes(part) != _shapes(parts[0]):
            raise ValueError(
                f"models: number {i} is built otherwise than number 0; models that are trained "
                "together may differ in their parameters and dropout rates only"
            )
    params, rest = (_stacked([part[i] for part in parts]) for i in (1, 3))
    return SplitModel(parts[0].graphdef, params, parts[0].streams, rest)


def unstack(arrays: tuple[Any, ...], member: int | None) -> list[Any]:
    """One member's rows of several states, dropout rates left out; all of them for None."""
    if member is None:
        return list(arrays)
    own = [nnx.filter_state(state, nnx.Not(DropoutRate)) for state in arrays]
    return [jax.tree.map(lambda x: x[member], state) for state in own]


def way_of_members() -> Literal["at once", "in turn"]:
    """How this backend runs several models fastest.

    A CPU's cores are busy with one: at once, each of its arrays would leave the cache before it is
    used again, and convolutions with several kernels would be compiled one by one.
    """
    return "in turn" if jax.default_backend() == "cpu" else "at once"


def scores(
    parts: SplitModel,
    members: int,
    dataset: Dataset | None,
    batch_size: int,
    arrays: tuple[Any, Any],
) -> list[Evaluation | None]:
    """Loss and accuracy of each member; None for each without a data set.

    Args:
        parts: from `stack(models, evaluating)`.
        members: how many models.
        dataset: to judge them on.
        batch_size: examples computed at a time.
        arrays: their `params` and `rest`.
    """
    if dataset is None:
        return [None] * members
    many = members > 1
    states = (arrays[0], parts.streams, arrays[1])
    logits = all_logits(parts.graphdef, states, dataset.images, batch_size, members=many)
    return [judge(rows, dataset.labels) for rows in (logits if many else [logits])]


def _rates(model: nnx.Module) -> tuple[float | DropoutRate, ...]:
    return tuple(node.rate for _, node in nnx.iter_graph(model) if isinstance(node, Dropout))


def _with_rates_as_arrays(model: nnx.Module) -> nnx.Module:
    for _, node in nnx.iter_graph(model):
        if isinstance(node, Dropout):
            node.rate = nnx.data(DropoutRate(jnp.float32(node.rate)))
    return model


def _shapes(part: SplitModel) -> Any:
    return jax.tree.map(jnp.shape, (part.params, part.rest))


def _stacked(trees: list[Any]) -> Any:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)
