"""What is compiled: a training step, the steps of an epoch, and the logits of many pictures."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, Literal, NamedTuple
from zlib import crc32

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax import lax

from jcnn import ops
from jcnn.compile import jit
from jcnn.config import TrainConfig
from jcnn.data.augment import augment, mix
from jcnn.data.batches import Window, epoch_order, normalise, shuffle_key, step_key, take_batch
from jcnn.data.transforms import mixup_alpha, parse
from jcnn.layers.model import split_model
from jcnn.train.metrics import Totals, correct
from jcnn.train.optimizers import optimizer
from jcnn.train.schedules import learning_rate_factor


class State(NamedTuple):
    """What training changes.

    Attributes:
        params: the parameters, float32.
        rest: the layers' other state, such as batch statistics.
        optimizer: its moments.
        average: the running mean of the parameters; () where the settings want none.
        gathered: gradients added up for the next update; () where every step is an update.
    """

    params: Any
    rest: Any
    optimizer: Any
    average: Any
    gathered: Any


Carry = tuple[State, Totals]
Members = Literal["one", "at once", "in turn"]


def first_state(params: Any, rest: Any, config: TrainConfig) -> State:
    """The state before the first step."""
    return State(
        params,
        rest,
        optimizer(config).init(params),
        jax.tree.map(jnp.copy, params) if config.ema else (),
        jax.tree.map(jnp.zeros_like, params) if config.accumulate_steps > 1 else (),
    )


@functools.lru_cache(maxsize=16)
def first_state_program(config: TrainConfig, *, members: bool) -> Any:
    """The compiled `first_state`: one program, where each array of an optimizer would be one.

    Args:
        config: how to train, as `compiled_part` leaves it.
        members: whether parameters and state have a leading axis, a row for each of several models.

    Returns:
        `first(params, rest)` to a `State`, of which `params` and `rest` are the given ones.
    """
    first = functools.partial(first_state, config=config)
    return jit(jax.vmap(first) if members else first)


def training_step(
    graphdef: Any, streams: Any, config: TrainConfig, *, steps: int, classes: int
) -> Callable[..., Carry]:
    """One step of training as a pure function of its batch and key, to be compiled.

    Args:
        graphdef, streams: from `split_model(train_mode(model))`.
        config: how to train; its learning rate and seed are not looked at.
        steps: in an epoch, for the learning rate's schedule.
        classes: K.

    Returns:
        `step((state, totals), images (B, H, W, C) uint8, labels (B,) int32, key, count,
        learning_rate)` to the next `(state, totals)`. The key decides dropout and augmentation;
        `count` is the number of steps before this one in the whole training.
    """
    every = config.accumulate_steps
    change = optimizer(config)
    factor = learning_rate_factor(config, steps / every)
    transforms = parse(config.augment)
    alpha = mixup_alpha(transforms)

    def update(state: State, gradients: Any, count: jax.Array, learning_rate: jax.Array) -> State:
        updates, moments = change.update(
            gradients, state.optimizer, state.params, learning_rate=learning_rate * factor(count)
        )
        params = optax.apply_updates(state.params, updates)
        average = state.average
        if config.ema:
            keep = jnp.where(count == 0, 0, config.ema)  # Keras's mean starts at the first update
            average = jax.tree.map(lambda a, p: keep * a + (1 - keep) * p, average, params)
        return state._replace(params=params, optimizer=moments, average=average)

    def gather(state: State, gradients: Any, count: jax.Array, learning_rate: jax.Array) -> State:
        total = jax.tree.map(jnp.add, state.gathered, gradients)

        def mean_update(state: State) -> State:
            mean = jax.tree.map(lambda g: g / every, total)
            new = update(state, mean, count // every, learning_rate)
            return new._replace(gathered=jax.tree.map(jnp.zeros_like, total))

        new: State = lax.cond(
            (count + 1) % every == 0, mean_update, lambda s: s._replace(gathered=total), state
        )
        return new

    def step(
        carry: Carry,
        images: jax.Array,
        labels: jax.Array,
        key: jax.Array,
        count: jax.Array,
        learning_rate: jax.Array,
    ) -> Carry:
        state, totals = carry
        size = len(images)
        chex.assert_rank(images, 4)
        chex.assert_shape(labels, (size,))
        chex.assert_type([images, labels], [jnp.uint8, jnp.int32])
        # No path of a model begins so: a key apart from those of its random streams.
        augment_key, mix_key = jax.random.split(jax.random.fold_in(key, crc32(b"//augment")))
        x = augment(normalise(images), augment_key, transforms)
        targets = labels
        if alpha or config.label_smoothing:
            targets = jax.nn.one_hot(labels, classes)
        if alpha:
            x, targets = mix(x, targets, mix_key, alpha)

        def mean_loss(params: Any) -> tuple[jax.Array, tuple[Any, Totals]]:
            model = nnx.merge(graphdef, _cast(params, config), streams, state.rest, copy=True)
            reseed(model, key)
            logits = model(_cast(x, config)).astype(jnp.float32)
            chex.assert_shape(logits, (size, classes))
            losses = _losses(logits, targets, config)
            sums = Totals(jnp.sum(losses), correct(logits, labels))
            return jnp.mean(losses), (split_model(model).rest, sums)

        gradients, (rest, sums) = jax.grad(mean_loss, has_aux=True)(state.params)
        change_params = update if every == 1 else gather
        state = change_params(state._replace(rest=rest), gradients, count, learning_rate)
        return state, jax.tree.map(jnp.add, totals, sums)

    return step


def _cast(tree: Any, config: TrainConfig) -> Any:
    return jax.tree.map(lambda x: x.astype(config.compute_dtype), tree)


def _losses(logits: jax.Array, targets: jax.Array, config: TrainConfig) -> jax.Array:
    """Loss of each example: the cross-entropy with its smoothed target, times its class's weight.

    Args:
        logits: `(B, K)` float32.
        targets: `(B,)` class numbers, or `(B, K)` probabilities.
        config: its label smoothing `s` makes `t` into `(1 - s) * t + s / K`.
    """
    smoothing = config.label_smoothing
    smooth = (1 - smoothing) * targets + smoothing / logits.shape[1] if smoothing else targets
    losses = ops.cross_entropy(logits, smooth)
    if config.class_weights is None:
        return losses
    weights = jnp.asarray(config.class_weights, jnp.float32)
    return losses * (weights[targets] if targets.ndim == 1 else targets @ weights)


@functools.lru_cache(maxsize=16)
def epoch_program(
    graphdef: Any, config: TrainConfig, *, examples: int, classes: int, members: Members = "one"
) -> Any:
    """The compiled steps of an epoch, from any step to any other.

    Batches, augmentation, steps and metrics run on the device. The loop's bounds are arguments,
    so one program runs a whole epoch, a second's worth of it, or nothing.

    Args:
        graphdef: from `split_model(train_mode(model))`.
        config: how to train, as `compiled_part` leaves it.
        examples: in an epoch.
        classes: K.
        members: other than "one", states, totals, orders, keys and learning rates have a leading
            axis, a row for each of several models. "at once" maps the program over them by
            `vmap`; "in turn" runs them one after the other inside the program.

    Returns:
        `run(state, streams, totals, *window, key, learning_rate, done, start, stop)` to
        `(state, totals)`, which takes over the buffers of `state` and `totals`. The window is a
        `jcnn.data.batches.Window`; `done` is the number of steps before the epoch.
    """
    full, remainder = divmod(examples, config.batch_size)
    steps = full + bool(remainder)

    def run(
        state: State,
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
        step = training_step(graphdef, streams, config, steps=steps, classes=classes)
        window = Window(images, labels, order, first)

        def run_step(i: jax.Array | int, carry: Carry, size: int) -> Carry:
            batch = take_batch(window, i, size, batch_size=config.batch_size)
            return step(carry, *batch, jax.random.fold_in(key, i), done + i, learning_rate)

        carry: Carry = (state, totals)
        if full:
            whole = functools.partial(run_step, size=config.batch_size)
            carry = lax.fori_loop(start, jnp.minimum(stop, full), whole, carry)
        if remainder:  # the partial last batch, of its own shape
            last = functools.partial(run_step, full, size=remainder)
            carry = lax.cond(stop > full, last, lambda carry: carry, carry)
        return carry

    axes = (0, None, 0, None, None, 0, None, 0, 0, None, None, None)
    programs: dict[Members, Callable[..., Carry]] = {
        "one": run,
        "in turn": _in_turn(run, axes),
        "at once": jax.vmap(run, in_axes=axes),
    }
    return jit(programs[members], donate_argnums=(0, 2))


def _in_turn(function: Callable[..., Carry], axes: tuple[int | None, ...]) -> Callable[..., Carry]:
    """What `jax.vmap(function, in_axes=axes)` gives, one row after the other; axes 0 or None."""

    def mapped(*arguments: Any) -> Carry:
        def one(rows: list[Any]) -> Carry:
            left = iter(rows)
            return function(
                *(
                    x if axis is None else next(left)
                    for x, axis in zip(arguments, axes, strict=True)
                )
            )

        rows = [x for x, axis in zip(arguments, axes, strict=True) if axis is not None]
        carry: Carry = lax.map(one, rows)
        return carry

    return mapped


@functools.lru_cache(maxsize=16)
def order_program(examples: int, *, shuffle: bool, members: bool) -> Any:
    """The compiled order of an epoch's examples.

    Args:
        examples: N.
        shuffle: whether it is another one in each epoch, or that of the data set always.
        members: whether there is a key, and so an order, for each of several models.

    Returns:
        `order(seed, epoch)` to `(N,)` int32, or `(M, N)`.
    """

    def order(seed: jax.Array, epoch: jax.Array) -> jax.Array:
        if not shuffle:
            return jnp.arange(examples, dtype=jnp.int32)
        return epoch_order(shuffle_key(seed, epoch), examples)

    return jit(jax.vmap(order, in_axes=(0, None)) if members else order)


@jax.jit
def seed_keys(seeds: np.ndarray) -> jax.Array:
    """The keys of seeds, of one `()` or of several `(M,)`, as one program."""
    keys: jax.Array = jax.vmap(jax.random.key)(seeds) if seeds.ndim else jax.random.key(seeds)
    return keys


# Compiled as one program: a key made by single calls is four.
step_keys = jax.jit(step_key)


def compiled_part(config: TrainConfig) -> TrainConfig:
    """The settings that a program depends on, the others at their defaults: its cache's key."""
    depends_on_epochs = config.schedule in ("cosine", "one_cycle") or config.warmup_epochs
    return dataclasses.replace(
        config,
        epochs=config.epochs if depends_on_epochs else 1,
        seed=0,
        learning_rate=1.0,
        validation_split=0.0,
        shuffle=True,
        monitor="val_loss",
        min_delta=0.0,
        patience=None,
        restore_best=False,
        plateau_patience=None,
        plateau_factor=0.1,
        steps_per_call=None,
    )


@functools.lru_cache(maxsize=16)
def logits_program(graphdef: Any, batch_size: int, *, members: bool = False) -> Any:
    """The compiled logits of a whole array of pictures, `batch_size` at a time.

    Args:
        graphdef: from `split_model(eval_mode(model))`.
        batch_size: examples computed at a time.
        members: whether `params` and `rest` have a leading axis, one row for each model; then so
            have the logits.

    Returns:
        `logits(params, streams, rest, images (N, H, W, C) uint8)` to `(N, K)`.
    """

    def logits(params: Any, streams: Any, rest: Any, images: jax.Array) -> jax.Array:
        model = nnx.merge(graphdef, params, streams, rest, copy=True)
        chex.assert_rank(images, 4)
        chex.assert_type(images, jnp.uint8)
        n = len(images)
        size = min(batch_size, n)
        # Every batch is whole: the last one reaches back over examples that are computed already.
        starts = np.minimum(np.arange(0, n, size), n - size)

        def one_batch(start: jax.Array) -> jax.Array:
            y: jax.Array = model(normalise(lax.dynamic_slice_in_dim(images, start, size)))
            chex.assert_shape(y, (size, None))
            return y

        y = lax.map(one_batch, jnp.asarray(starts))
        tail = n - (len(starts) - 1) * size
        return jnp.concatenate([y[:-1].reshape(-1, *y.shape[2:]), y[-1, size - tail :]])

    return jit(jax.vmap(logits, in_axes=(0, None, 0, None)) if members else logits)


def reseed(model: nnx.Module, key: jax.Array) -> None:
    """Give every random stream of a model its own key for one step, by its place in the model."""
    for path, node in nnx.iter_graph(model):
        if isinstance(node, nnx.RngStream):
            name = crc32("/".join(map(str, path)).encode())
            node.key[...] = jax.random.fold_in(key, name)
            node.count[...] = jnp.zeros((), jnp.uint32)
