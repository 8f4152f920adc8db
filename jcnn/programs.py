"""What is compiled: a training step, the epoch that runs it, and the logits of many pictures."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple
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
from jcnn.data.batches import epoch_order, normalise, take_batch
from jcnn.layers import take_apart
from jcnn.metrics import Totals, correct


class State(NamedTuple):
    """What training changes: the parameters, the layers' other state, the optimizer's."""

    params: Any
    rest: Any
    optimizer: Any


Carry = tuple[State, Totals]


def optimizer(learning_rate: float) -> optax.GradientTransformation:
    """Adam, with Keras's epsilon."""
    return optax.adam(learning_rate, eps=1e-7)


def training_step(graphdef: Any, streams: Any, learning_rate: float) -> Callable[..., Carry]:
    """One step of training as a pure function of its batch and key, to be compiled.

    Args:
        graphdef, streams: from `take_apart(training(model))`.
        learning_rate: Adam's.

    Returns:
        `step((state, totals), images (B, H, W, C) uint8, labels (B,) int32, key)` to the next
        `(state, totals)`. The key decides the dropout.
    """
    adam = optimizer(learning_rate)

    def step(carry: Carry, images: jax.Array, labels: jax.Array, key: jax.Array) -> Carry:
        state, totals = carry
        size = len(images)
        chex.assert_rank(images, 4)
        chex.assert_shape(labels, (size,))
        chex.assert_type([images, labels], [jnp.uint8, jnp.int32])

        def mean_loss(params: Any) -> tuple[jax.Array, tuple[Any, Totals]]:
            model = nnx.merge(graphdef, params, streams, state.rest, copy=True)
            reseed(model, key)
            logits = model(normalise(images))
            chex.assert_shape(logits, (size, None))
            losses = ops.cross_entropy(logits, labels)
            sums = Totals(jnp.sum(losses, dtype=jnp.float32), correct(logits, labels))
            return jnp.mean(losses), (take_apart(model).rest, sums)

        gradients, (rest, sums) = jax.grad(mean_loss, has_aux=True)(state.params)
        updates, moments = adam.update(gradients, state.optimizer, state.params)
        params = optax.apply_updates(state.params, updates)
        return State(params, rest, moments), jax.tree.map(jnp.add, totals, sums)

    return step


@functools.lru_cache(maxsize=16)
def epoch_program(graphdef: Any, learning_rate: float, batch_size: int) -> Any:
    """The compiled steps of an epoch, from any step to any other.

    Shuffling, batches, steps and metrics run on the device. The loop's bounds are arguments, so
    one program runs a whole epoch, a second's worth of it, or nothing.

    Args:
        graphdef: from `take_apart(training(model))`.
        learning_rate: Adam's.
        batch_size: of every step but perhaps the last.

    Returns:
        `run(state, streams, totals, images, labels, key, start, stop)` to `(state, totals)`,
        which takes over the buffers of `state` and `totals`.
    """

    def run(
        state: State,
        streams: Any,
        totals: Totals,
        images: jax.Array,
        labels: jax.Array,
        key: jax.Array,
        start: jax.Array,
        stop: jax.Array,
    ) -> Carry:
        step = training_step(graphdef, streams, learning_rate)
        full, remainder = divmod(len(images), batch_size)
        shuffle_key, dropout_key = jax.random.split(key)
        order = epoch_order(shuffle_key, len(images))

        def run_step(i: jax.Array | int, carry: Carry, size: int) -> Carry:
            batch = take_batch(images, labels, order, i, size, batch_size=batch_size)
            return step(carry, *batch, jax.random.fold_in(dropout_key, i))

        carry: Carry = (state, totals)
        if full:
            whole = functools.partial(run_step, size=batch_size)
            carry = lax.fori_loop(start, jnp.minimum(stop, full), whole, carry)
        if remainder:  # the partial last batch, of its own shape
            last = functools.partial(run_step, full, size=remainder)
            carry = lax.cond(stop > full, last, lambda carry: carry, carry)
        return carry

    return jit(run, donate_argnums=(0, 2))


@functools.lru_cache(maxsize=16)
def logits_program(graphdef: Any, batch_size: int) -> Any:
    """The compiled logits of a whole array of pictures, `batch_size` at a time.

    Args:
        graphdef: from `nnx.split(evaluating(model))`.
        batch_size: examples computed at a time.

    Returns:
        `logits(state, images (N, H, W, C) uint8)` to `(N, K)`.
    """

    def logits(state: Any, images: jax.Array) -> jax.Array:
        model = nnx.merge(graphdef, state, copy=True)
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

    return jit(logits)


def reseed(model: nnx.Module, key: jax.Array) -> None:
    """Give every random stream of a model its own key for one step, by its place in the model."""
    for path, node in nnx.iter_graph(model):
        if isinstance(node, nnx.RngStream):
            name = crc32("/".join(map(str, path)).encode())
            node.key[...] = jax.random.fold_in(key, name)
            node.count[...] = jnp.zeros((), jnp.uint32)
