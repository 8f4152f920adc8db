"""The compiled programs: the initial state, an epoch, its order of examples, and logits."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, Literal

import chex
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from jcnn.compile import jit
from jcnn.config import TrainConfig
from jcnn.data.batches import Window, epoch_order, normalise, shuffle_key, step_key, take_batch
from jcnn.layers.freezing import head_path
from jcnn.train.devices import in_context, keep_parameters, split_examples
from jcnn.train.features import call
from jcnn.train.functions import NONE, Functions
from jcnn.train.metrics import Totals
from jcnn.train.step import Carry, TrainState, init_state, training_step

# How the program of a population maps over its models: all at once with `jax.vmap`, or one after
# another with `jax.lax.map`.
PopulationMode = Literal["vmap", "map"]


@functools.lru_cache(maxsize=16)
def init_program(
    config: TrainConfig,
    *,
    population: bool,
    functions: Functions = NONE,
    mesh: Mesh | None = None,
) -> Any:
    """The compiled `init_state`: one program, instead of one for each array of the optimizer.

    Args:
        config: the settings, from `compiled_part`.
        population: whether `params` and `rest` have a leading axis, one row for each model.
        functions: the user's optimizer is taken.
        mesh: of the devices that `params` and `rest` are on.

    Returns:
        `init(params, rest)` to a `TrainState` with these `params` and `rest`.
    """
    init = functools.partial(init_state, config=config, functions=functions)
    if population:
        return jit(over_members(jax.vmap(init), (0, 0), mesh))
    return jit(lambda params, rest: keep_parameters(mesh, init(params, rest)))


@functools.lru_cache(maxsize=16)
def epoch_program(
    graphdef: Any,
    config: TrainConfig,
    *,
    examples: int,
    classes: int,
    population: PopulationMode | None = None,
    functions: Functions = NONE,
    head: str = "",
    mesh: Mesh | None = None,
) -> Any:
    """The compiled steps of an epoch, from step `start` to step `stop`.

    Batches, augmentation, steps and metrics run on the device. The bounds of the loop are
    arguments, so one program runs a whole epoch, about a second of it, or no step.

    Args:
        graphdef: from `split_model(train_mode(model))`.
        config: the settings, from `compiled_part`.
        examples: number of examples in an epoch.
        classes: K, the number of classes.
        population: None for one model. Otherwise states, totals, orders, keys and learning rates
            have a leading axis, one row for each model, and the program maps over it: "vmap"
            runs the models together, "map" one after another.
        functions: the user's loss, metrics and optimizer.
        head: as for `training_step`.
        mesh: of the devices that share each batch, or the models of a population.

    Returns:
        `run(state, streams, totals, *window, key, learning_rate, done, start, stop)` to
        `(state, totals)`. The buffers of `state` and `totals` are donated. The window is a
        `jcnn.data.batches.Window`; `done` is the number of steps before the epoch.
    """
    alone = mesh is None or population is not None
    split = functools.partial(split_examples, None if alone else mesh)
    full, remainder = divmod(examples, config.batch_size)
    steps = full + bool(remainder)

    def run(
        state: TrainState,
        streams: Any,
        totals: Totals,
        images: jax.Array,
        labels: jax.Array,
        order: jax.Array,
        first: jax.Array,
        key: jax.Array,
        learning_rate: jax.Array,
        done: jax.Array,
        start: jax.Array,
        stop: jax.Array,
    ) -> Carry:
        step = training_step(
            *(graphdef, streams, config),
            steps=steps,
            classes=classes,
            functions=functions,
            head=head,
        )
        window = Window(images, labels, order, first)

        def run_step(i: jax.Array | int, carry: Carry, size: int) -> Carry:
            batch = take_batch(window, i, size, batch_size=config.batch_size, split=split)
            at = jax.random.fold_in(key, i), done + i, learning_rate
            state, totals = step(carry, *map(split, batch), *at)
            return (state if alone else keep_parameters(mesh, state)), totals

        carry: Carry = (state, totals)
        if full:
            whole = functools.partial(run_step, size=config.batch_size)
            carry = lax.fori_loop(start, jnp.minimum(stop, full), whole, carry)
        if remainder:  # the partial last batch has its own shape
            last = functools.partial(run_step, full, size=remainder)
            carry = lax.cond(stop > full, last, lambda carry: carry, carry)
        return carry

    def run_split(*arguments: Any) -> Carry:
        with in_context(mesh):
            return run(*arguments)

    axes = (0, None, 0, None, None, 0, None, 0, 0, None, None, None)
    programs: dict[PopulationMode | None, Callable[..., Carry]] = {
        None: run_split,
        "vmap": over_members(jax.vmap(run, in_axes=axes), axes, mesh),
        "map": over_members(_map_rows(run, axes), axes, mesh),
    }
    return jit(programs[population], donate_argnums=(0, 2))


def over_members(
    function: Callable[..., Any], axes: tuple[int | None, ...], mesh: Mesh | None
) -> Callable[..., Any]:
    """A function of several models, each device computing its share of them.

    Args:
        function: its results have a leading axis, one row for each model.
        axes: 0 for an argument with such an axis, None for one that all models share.
        mesh: of the devices; None for one.
    """
    if mesh is None:
        return function
    rows = P(mesh.axis_names)
    specs = tuple(P() if axis is None else rows for axis in axes)
    return jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=rows, check_vma=False)


def head_of(model: nnx.Module, image_shape: tuple[int, int, int], config: TrainConfig) -> str:
    """The path of the layer that keeps its learning rate; "" if no other has another one."""
    return head_path(model, image_shape) if config.backbone_lr_factor != 1 else ""


def _map_rows(function: Callable[..., Carry], axes: tuple[int | None, ...]) -> Callable[..., Carry]:
    """As `jax.vmap(function, in_axes=axes)`, one row after another; each axis is 0 or None."""

    def mapped(*arguments: Any) -> Carry:
        def one(rows: list[Any]) -> Carry:
            mapped_rows = iter(rows)
            return function(
                *(
                    x if axis is None else next(mapped_rows)
                    for x, axis in zip(arguments, axes, strict=True)
                )
            )

        rows = [x for x, axis in zip(arguments, axes, strict=True) if axis is not None]
        carry: Carry = lax.map(one, rows)
        return carry

    return mapped


@functools.lru_cache(maxsize=16)
def order_program(examples: int, *, shuffle: bool, population: bool, views: int = 1) -> Any:
    """The compiled order of an epoch's examples.

    Args:
        examples: N.
        shuffle: whether each epoch has its own order; otherwise it is the data set's.
        population: whether the seed is an array `(M,)` of keys, one for each model.
        views: number of views of each example, which the epochs take in turn; row `v * N + i` is
            view v of example i.

    Returns:
        `order(seed, epoch)` to rows `(N,)` int32, or `(M, N)` for a population.
    """

    def order(seed: jax.Array, epoch: jax.Array) -> jax.Array:
        first = examples * ((epoch - 1) % views) if views > 1 else 0
        if not shuffle:
            return jnp.arange(examples, dtype=jnp.int32) + first
        return epoch_order(shuffle_key(seed, epoch), examples) + first

    return jit(jax.vmap(order, in_axes=(0, None)) if population else order)


@jax.jit
def seed_keys(seeds: np.ndarray) -> jax.Array:
    """The PRNG keys of one seed `()` or of several `(M,)`, in one program."""
    keys: jax.Array = jax.vmap(jax.random.key)(seeds) if seeds.ndim else jax.random.key(seeds)
    return keys


# One compiled program: as single calls it would be four.
step_keys = jax.jit(step_key)


def compiled_part(config: TrainConfig) -> TrainConfig:
    """The settings that a program depends on, the others at fixed values: its cache key."""
    depends_on_epochs = config.schedule in ("cosine", "one_cycle") or config.warmup_epochs
    return dataclasses.replace(
        config,
        epochs=config.epochs if depends_on_epochs else 1,
        seed=0,
        learning_rate=1.0,
        validation_split=0.0,
        shuffle=True,
        feature_views=0,
        monitor="val_loss",
        min_delta=0.0,
        patience=None,
        restore_best=False,
        plateau_patience=None,
        plateau_factor=0.1,
        steps_per_call=None,
        unfreeze_at=None,
        unfreeze_from=None,
        time_limit=None,
        devices=1,
        model_parallel=1,
        keep_checkpoints=None,
    )


@functools.lru_cache(maxsize=16)
def logits_program(
    graphdef: Any, batch_size: int, *, population: bool = False, mesh: Mesh | None = None
) -> Any:
    """The compiled logits of an array of images, computed in batches.

    Args:
        graphdef: from `split_model(eval_mode(model))`.
        batch_size: number of images in a batch.
        population: whether `params` and `rest` have a leading axis, one row for each model.
        mesh: of the devices that share the models of a population.

    Returns:
        `logits(params, streams, rest, images (N, H, W, C) uint8)` to `(N, K)`, or `(M, N, K)`
        for a population of M. Instead of images it takes features (`jcnn.train.features`).
    """

    def logits(params: Any, streams: Any, rest: Any, images: jax.Array) -> jax.Array:
        model = nnx.merge(graphdef, params, streams, rest, copy=True)
        n = len(images)
        size = min(batch_size, n)
        # All batches have the same size: the last one overlaps the one before it.
        starts = np.minimum(np.arange(0, n, size), n - size)

        def one_batch(start: jax.Array) -> jax.Array:
            batch = lax.dynamic_slice_in_dim(images, start, size)
            y: jax.Array = call(model, normalise(batch) if batch.dtype == jnp.uint8 else batch)
            chex.assert_shape(y, (size, None))
            return y

        y = lax.map(one_batch, jnp.asarray(starts))
        tail = n - (len(starts) - 1) * size
        return jnp.concatenate([y[:-1].reshape(-1, *y.shape[2:]), y[-1, size - tail :]])

    axes = (0, None, 0, None)
    if population:
        return jit(over_members(jax.vmap(logits, in_axes=axes), axes, mesh))
    return jit(logits)
