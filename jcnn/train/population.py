"""Populations: the arrays of several models of one structure, stacked on a leading axis."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.sharding import Mesh

from jcnn.data import Dataset
from jcnn.layers import Dropout
from jcnn.layers.basic import DropoutRate
from jcnn.layers.model import SplitModel, split_model
from jcnn.train.evaluate import Evaluation, compute_logits, evaluate_logits
from jcnn.train.functions import NONE, Functions
from jcnn.train.programs import PopulationMode


def stack_models(
    models: Sequence[nnx.Module], mode: Callable[[nnx.Module], nnx.Module]
) -> SplitModel:
    """Split models and stack their `params` and `rest` on a leading axis, one row for each model.

    Args:
        models: they may differ in their parameters and dropout rates. The arrays of a single
            model get no leading axis.
        mode: `train_mode` or `eval_mode`.

    Raises:
        ValueError: the structures of the models differ.
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
                f"models: number {i} has another structure than number 0; models that are trained "
                "together may differ in their parameters and dropout rates only"
            )
    params, rest = (_stacked([part[i] for part in parts]) for i in (1, 3))
    return SplitModel(parts[0].graphdef, params, parts[0].streams, rest)


def member_states(states: tuple[Any, ...], member: int | None) -> list[Any]:
    """One model's rows of stacked states, without dropout rates; for None the states unchanged."""
    if member is None:
        return list(states)
    own = [nnx.filter_state(state, nnx.Not(DropoutRate)) for state in states]
    return [jax.tree.map(lambda x: x[member], state) for state in own]


def population_mode() -> PopulationMode:
    """How the program of a population maps over its models on this backend.

    One model keeps all cores of a CPU busy. With `vmap`, each array would leave the cache before
    its next use, and convolutions with several kernels would be compiled one by one.
    """
    return "map" if jax.default_backend() == "cpu" else "vmap"


def evaluate_population(
    parts: SplitModel,
    models: int,
    dataset: Dataset | None,
    batch_size: int,
    states: tuple[Any, Any],
    functions: Functions = NONE,
    mesh: Mesh | None = None,
) -> list[Evaluation | None]:
    """Loss and accuracy of each model; None for each without a data set.

    Args:
        parts: from `stack_models(models, eval_mode)`.
        models: number of models.
        dataset: the validation examples.
        batch_size: number of images in a batch.
        states: the `params` and `rest` of the models.
        functions: the user's loss and metrics.
        mesh: of the devices that `states` are on.
    """
    if dataset is None:
        return [None] * models
    many = models > 1
    split = (states[0], parts.streams, states[1])
    logits = compute_logits(
        parts.graphdef, split, dataset.images, batch_size, population=many, mesh=mesh
    )
    by_model = logits if many else [logits]
    return [evaluate_logits(rows, dataset.labels, functions) for rows in by_model]


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
