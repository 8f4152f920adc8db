"""One training step as a pure function, and the state that it updates."""

from collections.abc import Callable
from typing import Any, NamedTuple
from zlib import crc32

import chex
import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax import lax

from jcnn import ops
from jcnn.config import TrainConfig
from jcnn.data.augment import augment, mix
from jcnn.data.batches import augment_keys, normalise
from jcnn.data.transforms import mixup_alpha, parse
from jcnn.layers import Frozen
from jcnn.layers.model import split_model
from jcnn.train.features import call
from jcnn.train.functions import NONE, Functions
from jcnn.train.metrics import Totals, correct
from jcnn.train.optimizers import optimizer
from jcnn.train.schedules import learning_rate_factor


class TrainState(NamedTuple):
    """The state that a training step updates.

    Attributes:
        params: the parameters, float32.
        rest: the layers' other state, such as batch statistics.
        optimizer: the optimizer's state.
        average: exponential moving average (EMA) of the parameters; () without EMA.
        gathered: sum of the gradients since the last update; () without accumulation.

    A checkpoint stores the arrays under these field names.
    """

    params: Any
    rest: Any
    optimizer: Any
    average: Any
    gathered: Any


Carry = tuple[TrainState, Totals]


def init_state(
    params: Any, rest: Any, config: TrainConfig, functions: Functions = NONE
) -> TrainState:
    """The state before the first step."""
    return TrainState(
        params,
        rest,
        optimizer(config, functions.optimizer).init(params),
        jax.tree.map(jnp.copy, params) if config.ema else (),
        jax.tree.map(jnp.zeros_like, params) if config.accumulate_steps > 1 else (),
    )


def training_step(
    graphdef: Any,
    streams: Any,
    config: TrainConfig,
    *,
    steps: int,
    classes: int,
    functions: Functions = NONE,
    head: str = "",
) -> Callable[..., Carry]:
    """Return one training step, a pure function of its batch and key, to be compiled.

    Args:
        graphdef, streams: from `split_model(train_mode(model))`.
        config: the settings; the step does not use their learning rate and seed.
        steps: number of steps in an epoch, for the learning rate schedule.
        classes: K, the number of classes.
        functions: the user's loss, metrics and optimizer.
        head: path of the layer to which `config.backbone_lr_factor` does not apply.

    Returns:
        `step((state, totals), images (B, H, W, C) uint8, labels, key, count, learning_rate)` to
        the next `(state, totals)`, for labels `(B,)` int32 or `(B, K)` float32. The key
        determines dropout and augmentation; `count` is the number of steps taken before this
        one, in all epochs.
    """
    every = config.accumulate_steps
    change = optimizer(config, functions.optimizer)
    factor = learning_rate_factor(config, steps / every)
    transforms = parse(config.augment)
    alpha = mixup_alpha(transforms)

    def update(
        state: TrainState, gradients: Any, count: jax.Array, learning_rate: jax.Array
    ) -> TrainState:
        updates, moments = change.update(
            gradients, state.optimizer, state.params, learning_rate=learning_rate * factor(count)
        )
        if config.backbone_lr_factor != 1:
            updates = _slowed(updates, head, config.backbone_lr_factor)
        params = optax.apply_updates(state.params, updates)
        average = state.average
        if config.ema:
            keep = jnp.where(count == 0, 0, config.ema)  # Keras's EMA starts at the first update
            average = jax.tree.map(lambda a, p: keep * a + (1 - keep) * p, average, params)
        return state._replace(params=params, optimizer=moments, average=average)

    def accumulate(
        state: TrainState, gradients: Any, count: jax.Array, learning_rate: jax.Array
    ) -> TrainState:
        total = jax.tree.map(jnp.add, state.gathered, gradients)

        def mean_update(state: TrainState) -> TrainState:
            mean = jax.tree.map(lambda g: g / every, total)
            new = update(state, mean, count // every, learning_rate)
            return new._replace(gathered=jax.tree.map(jnp.zeros_like, total))

        new: TrainState = lax.cond(
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
        of_classes = labels.ndim == 1
        chex.assert_shape(labels, (size,) if of_classes else (size, classes))
        chex.assert_type(labels, jnp.int32 if of_classes else jnp.float32)
        augment_key, mix_key = augment_keys(key)
        x = images
        if images.dtype == jnp.uint8:  # otherwise features
            chex.assert_rank(images, 4)
            x = augment(normalise(images), augment_key, transforms)
        targets = labels
        if of_classes and (alpha or config.label_smoothing):
            targets = jax.nn.one_hot(labels, classes)
        if alpha:
            x, targets = mix(x, targets, mix_key, alpha)

        def mean_loss(params: Any) -> tuple[jax.Array, tuple[Any, Totals]]:
            frozen, moving = nnx.split_state(state.rest, Frozen, ...)
            arrays = _cast(params, config), streams, _cast(frozen, config), moving
            model = nnx.merge(graphdef, *arrays, copy=True)
            reseed(model, key)
            logits = call(model, x, config.compute_dtype).astype(jnp.float32)
            chex.assert_shape(logits, (size, classes))
            if functions.loss is None:
                losses = _losses(logits, targets, config)
            else:
                losses = functions.loss(logits, targets)
            sums = _totals(losses, logits, labels, functions)
            _, moved = nnx.split_state(split_model(model).rest, Frozen, ...)
            return jnp.mean(losses), (nnx.merge_state(frozen, moved), sums)

        gradients, (rest, sums) = jax.grad(mean_loss, has_aux=True)(state.params)
        change_params = update if every == 1 else accumulate
        state = change_params(state._replace(rest=rest), gradients, count, learning_rate)
        return state, jax.tree.map(jnp.add, totals, sums)

    return step


def _slowed(updates: Any, head: str, factor: float) -> Any:
    """The updates of a model's parameters, those outside the head times a factor."""

    def scaled(path: tuple[Any, ...], update: jax.Array) -> jax.Array:
        name = "/".join(str(getattr(key, "key", key)) for key in path)
        return update if name.startswith(f"{head}/") else factor * update

    return jax.tree_util.tree_map_with_path(scaled, updates)


def _cast(tree: Any, config: TrainConfig) -> Any:
    return jax.tree.map(lambda x: x.astype(config.compute_dtype), tree)


def _totals(
    losses: jax.Array, logits: jax.Array, labels: jax.Array, functions: Functions
) -> Totals:
    """The sums over one batch."""
    chex.assert_shape(losses, (len(labels),))
    loss = jnp.sum(losses)
    right = correct(logits, labels) if labels.ndim == 1 else jnp.int32(0)
    named = {
        name: jnp.sum(metric(logits, labels).astype(jnp.float32))
        for name, metric in functions.metrics
    }
    return Totals(loss, right, named or ())


def _losses(logits: jax.Array, targets: jax.Array, config: TrainConfig) -> jax.Array:
    """Loss of each example: cross-entropy with smoothed targets, times the class weight.

    Args:
        logits: `(B, K)` float32.
        targets: `(B,)` class indices, or `(B, K)` probabilities.
        config: its label smoothing `s` turns a target `t` into `(1 - s) * t + s / K`.

    Returns:
        `(B,)` float32, in nats.
    """
    smoothing = config.label_smoothing
    smooth = (1 - smoothing) * targets + smoothing / logits.shape[1] if smoothing else targets
    losses = ops.cross_entropy(logits, smooth)
    if config.class_weights is None:
        return losses
    weights = jnp.asarray(config.class_weights, jnp.float32)
    return losses * (weights[targets] if targets.ndim == 1 else targets @ weights)


def reseed(model: nnx.Module, key: jax.Array) -> None:
    """Give each random stream of a model its own key for one step, derived from its path."""
    for path, node in nnx.iter_graph(model):
        if isinstance(node, nnx.RngStream):
            name = crc32("/".join(map(str, path)).encode())
            node.key[...] = jax.random.fold_in(key, name)
            node.count[...] = jnp.zeros((), jnp.uint32)
