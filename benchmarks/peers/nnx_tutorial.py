"""Flax NNX, as in Flax's MNIST tutorial: `nnx.jit`, `nnx.Optimizer`, `nnx.MultiMetric`."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from benchmarks.peers import task as tables
from benchmarks.peers.task import CHECKED, MODELS, Task, digest, parameters, random_images


class Net(nnx.Module):
    """The model's layers in Flax: nnx.Conv, nnx.max_pool, nnx.Dropout, nnx.Linear."""

    def __init__(self, task: Task, rngs: nnx.Rngs) -> None:
        dtype = jnp.dtype(task.compute)
        layers: list[Callable[[jax.Array], jax.Array]] = []
        for layer, (_, _, channels) in tables.with_shapes(MODELS[task.model]):
            match layer:
                case tables.Conv(filters, padding):
                    layers.append(
                        nnx.Conv(
                            *(channels, filters, (3, 3)),
                            padding=padding.upper(),
                            dtype=dtype,
                            rngs=rngs,
                        )
                    )
                    layers.append(nnx.relu)
                case tables.Pool():
                    layers.append(pool)
                case tables.Flatten():
                    layers.append(flatten)
                case tables.Dropout(rate):
                    layers.append(nnx.Dropout(rate, rngs=rngs))
                case tables.Dense(units, relu):
                    layers.append(nnx.Linear(channels, units, dtype=dtype, rngs=rngs))
                    layers += [nnx.relu] if relu else []
        self.layers = nnx.List(layers)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map `(N, H, W, C)` to logits `(N, K)`."""
        for layer in self.layers:
            x = layer(x)
        return x

    def weighted(self) -> list[Any]:
        """The layers with parameters."""
        return [layer for layer in self.layers if isinstance(layer, nnx.Conv | nnx.Linear)]


def pool(x: jax.Array) -> jax.Array:
    """Max pooling 2x2."""
    y: jax.Array = nnx.max_pool(x, window_shape=(2, 2), strides=(2, 2))
    return y


def flatten(x: jax.Array) -> jax.Array:
    """Flatten each example."""
    return x.reshape(x.shape[0], -1)


def loss_fn(
    model: Net, images: jax.typing.ArrayLike, labels: jax.typing.ArrayLike
) -> tuple[jax.Array, jax.Array]:
    """The mean cross-entropy of a batch, and its logits."""
    logits = model(jnp.asarray(images, jnp.float32) / 255)
    losses = optax.softmax_cross_entropy_with_integer_labels(logits=logits, labels=labels)
    return losses.mean(), logits


@nnx.jit
def train_step(
    model: Net,
    optimizer: nnx.Optimizer[Any],
    metrics: nnx.MultiMetric,
    images: jax.typing.ArrayLike,
    labels: jax.typing.ArrayLike,
) -> None:
    """Train for one step."""
    (loss, logits), gradients = nnx.value_and_grad(loss_fn, has_aux=True)(model, images, labels)
    metrics.update(loss=loss, logits=logits, labels=labels)
    optimizer.update(model, gradients)


def step(task: Task) -> tuple[Callable[[], None], list[np.ndarray]]:
    """One call of `train_step`, on a batch on the device."""
    model, optimizer, metrics, answer = prepared(task)
    images, labels = map(jnp.asarray, random_images(MODELS[task.model], task.batch))

    def run() -> None:
        train_step(model, optimizer, metrics, images, labels)
        jax.block_until_ready(model.weighted()[-1].kernel[...])

    return run, answer


def epoch(task: Task) -> tuple[Callable[[], None], list[np.ndarray]]:
    """The tutorial's loop: batches of NumPy arrays, `train_step`, the metrics at the end."""
    model, optimizer, metrics, answer = prepared(task)
    images, labels = random_images(MODELS[task.model], task.steps * task.batch)
    rng = np.random.default_rng(0)

    def run() -> None:
        for rows in rng.permutation(len(images)).reshape(task.steps, task.batch):
            train_step(model, optimizer, metrics, images[rows], labels[rows])
        jax.block_until_ready((metrics.compute(), model.weighted()[-1].kernel[...]))
        metrics.reset()

    return run, answer


def prepared(
    task: Task,
) -> tuple[Net, nnx.Optimizer[Any], nnx.MultiMetric, list[np.ndarray]]:
    """The model with the task's parameters, its optimizer and metrics, and its digest."""
    model = filled(task)
    optimizer = nnx.Optimizer(model, optax.adam(1e-3, eps=1e-7), wrt=nnx.Param)
    metrics = nnx.MultiMetric(accuracy=nnx.metrics.Accuracy(), loss=nnx.metrics.Average("loss"))
    return model, optimizer, metrics, _answer(filled(replace(task, compute="float32")), task)


def filled(task: Task) -> Net:
    """The model with the task's parameters."""
    model = Net(task, nnx.Rngs(0))
    drawn = parameters(MODELS[task.model])
    for layer, kernel, bias in zip(model.weighted(), drawn[::2], drawn[1::2], strict=True):
        layer.kernel[...], layer.bias[...] = jnp.asarray(kernel), jnp.asarray(bias)
    return model


def _answer(model: Any, task: Task) -> list[np.ndarray]:
    images, labels = map(jnp.asarray, random_images(MODELS[task.model], CHECKED))
    model.eval()
    with jax.default_matmul_precision("highest"):
        gradient = nnx.jit(nnx.value_and_grad(loss_fn, has_aux=True))
        (value, _), gradients = gradient(model, images, labels)
    found = [
        np.asarray(gradients["layers"][place][part][...])
        for place, layer in enumerate(model.layers)
        if isinstance(layer, nnx.Conv | nnx.Linear)
        for part in ("kernel", "bias")
    ]
    return digest(float(value), found)
