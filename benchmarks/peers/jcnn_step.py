"""jcnn: the step that `fit` compiles, called step by step, and the epoch program of `fit`."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from benchmarks.peers.task import CHECKED, MODELS, Task, digest, parameters, random_images
from jcnn import ops
from jcnn.compile import jit
from jcnn.config import TrainConfig
from jcnn.data.batches import normalise, step_key
from jcnn.layers import Conv2D, Dense, Sequential, eval_mode, train_mode
from jcnn.layers.model import SplitModel, split_model
from jcnn.models import build
from jcnn.train.metrics import zero_totals
from jcnn.train.programs import compiled_part, epoch_program, order_program
from jcnn.train.step import TrainState, init_state, training_step


def step(task: Task) -> tuple[Callable[[], None], list[np.ndarray]]:
    """One call per step, on a batch on the device."""
    model, answer = prepared(task)
    compiled, first, batch = program_and_arguments(model, task)
    carry = [first]

    def run() -> None:
        carry[0] = compiled(carry[0], *batch)
        jax.block_until_ready(carry[0])

    return run, answer


def epoch(
    task: Task, *, options: dict[str, str | bool] | None = None
) -> tuple[Callable[[], None], list[np.ndarray]]:
    """One call per epoch: order, batches, steps and metrics run on the device.

    Args:
        task: the training.
        options: compiler options in addition to those of `jcnn.compile`.
    """
    model, answer = prepared(task)
    parts, shape = split_model(train_mode(model)), MODELS[task.model]
    examples = task.steps * task.batch
    order = order_program(examples, shuffle=True, population=False)
    program = epoch_program(
        parts.graphdef, settings(task), examples=examples, classes=shape.classes
    )
    images, labels = map(jnp.asarray, random_images(shape, examples))
    state = [begin(parts, task)]
    seed, rate = jax.random.key(0), jnp.float32(1e-3)

    def arguments() -> tuple[Any, ...]:
        window = (images, labels, order(seed, 1), 0)
        bounds = (0, 0, task.steps)
        return state[0], parts.streams, zero_totals(), *window, step_key(seed, 1), rate, *bounds

    if options is not None:
        program = program.lower(*arguments()).compile(compiler_options=options)

    def run() -> None:
        state[0], totals = program(*arguments())
        jax.block_until_ready((state[0], totals))

    return run, answer


def compiled_step(task: Task) -> str:
    """The compiled step as HLO text."""
    program, first, batch = program_and_arguments(build(task.model), task)
    text: str = program.lower(first, *batch).compile().as_text()
    return text


def program_and_arguments(model: nnx.Module, task: Task) -> tuple[Any, Any, tuple[Any, ...]]:
    """The step, its initial carry, and its batch with key and learning rate."""
    parts, shape = split_model(train_mode(model)), MODELS[task.model]
    made = training_step(
        parts.graphdef, parts.streams, settings(task), steps=1, classes=shape.classes
    )
    images, labels = map(jnp.asarray, random_images(shape, task.batch))
    batch = (images, labels, jax.random.key(0), jnp.int32(0), jnp.float32(1e-3))
    return jit(made, donate_argnums=(0,)), (begin(parts, task), zero_totals()), batch


def settings(task: Task) -> TrainConfig:
    """The settings of `fit` for the task."""
    return compiled_part(TrainConfig(batch_size=task.batch, compute_dtype=task.compute))


def begin(parts: SplitModel, task: Task) -> TrainState:
    """The state before the first step, in buffers of its own."""
    return init_state(jax.tree.map(jnp.copy, parts.params), parts.rest, settings(task))


def prepared(task: Task) -> tuple[nnx.Module, list[np.ndarray]]:
    """The zoo's model with the task's parameters, and its digest."""
    shape = MODELS[task.model]
    model = build(task.model)
    assert isinstance(model, Sequential)
    layers = [layer for layer in model if isinstance(layer, Conv2D | Dense)]
    drawn = parameters(shape)
    for layer, kernel, bias in zip(layers, drawn[::2], drawn[1::2], strict=True):
        assert layer.bias is not None
        layer.kernel[...], layer.bias[...] = jnp.asarray(kernel), jnp.asarray(bias)

    images, labels = map(jnp.asarray, random_images(shape, CHECKED))
    still = split_model(eval_mode(model))

    def loss(params: Any) -> jax.Array:
        whole = nnx.merge(still.graphdef, params, still.streams, still.rest)
        return jnp.mean(ops.cross_entropy(whole(normalise(images)), labels))

    with jax.default_matmul_precision("highest"):
        value, gradients = jit(jax.value_and_grad(loss))(still.params)
    names = [name for name in model.names if isinstance(getattr(model, name), Conv2D | Dense)]
    found = [
        np.asarray(gradients[name][part][...]) for name in names for part in ("kernel", "bias")
    ]
    return model, digest(float(value), found)
