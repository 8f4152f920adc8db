"""Keras 3 on JAX and on TensorFlow, as in its guides: `train_on_batch` and `fit`."""

import os
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from benchmarks.peers import task as tables
from benchmarks.peers.task import CHECKED, MODELS, Task, digest, on_gpu, parameters, random_images

Backend = Literal["jax", "tensorflow"]


def step(task: Task, *, backend: Backend) -> tuple[Callable[[], None], list[np.ndarray]]:
    """One `model.train_on_batch` of NumPy arrays; it returns when the metrics are available."""
    model, answer = prepared(task, backend)
    images, labels = random_images(MODELS[task.model], task.batch)

    def run() -> None:
        model.train_on_batch(images, labels)

    return run, answer


def epoch(
    task: Task, *, backend: Backend, steps_per_execution: int = 1
) -> tuple[Callable[[], None], list[np.ndarray]]:
    """One epoch of `model.fit`, which shuffles."""
    model, answer = prepared(task, backend, steps_per_execution)
    images, labels = random_images(MODELS[task.model], task.steps * task.batch)

    def run() -> None:
        model.fit(images, labels, batch_size=task.batch, epochs=1, verbose=0)

    return run, answer


def prepared(
    task: Task, backend: Backend, steps_per_execution: int = 1
) -> tuple[Any, list[np.ndarray]]:
    """The compiled model with the task's parameters, and its digest.

    Keras reads its backend at its first import, which is here, so a process has one backend.
    """
    os.environ["KERAS_BACKEND"] = backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras

    if backend == "tensorflow" and on_gpu():
        import tensorflow as tf

        if not tf.config.list_physical_devices("GPU"):  # it would silently run on the CPU
            raise RuntimeError("TensorFlow sees no GPU: pip install 'tensorflow[and-cuda]'")
    answer = _answer(network(task), task, backend)
    if task.compute == "bfloat16":
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
    model = network(task)
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3, epsilon=1e-7),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=steps_per_execution,
    )
    return model, answer


def network(task: Task) -> Any:
    """The model's layers as a `keras.Sequential` with the task's parameters."""
    from keras import Input, Sequential, layers

    shape = MODELS[task.model]
    made: list[Any] = [Input(shape.shape, dtype="uint8"), layers.Rescaling(1 / 255)]
    for layer in shape.layers:
        match layer:
            case tables.Conv(filters, padding):
                made.append(layers.Conv2D(filters, 3, padding=padding, activation="relu"))
            case tables.Pool():
                made.append(layers.MaxPooling2D())
            case tables.Dropout(rate):
                made.append(layers.Dropout(rate))
            case tables.Flatten():
                made.append(layers.Flatten())
            case tables.Dense(units, relu):
                made.append(layers.Dense(units, activation="relu" if relu else None))
    model = Sequential(made)
    for variable, array in zip(model.trainable_variables, parameters(shape), strict=True):
        variable.assign(array)
    return model


def _answer(model: Any, task: Task, backend: Backend) -> list[np.ndarray]:
    import keras

    images, labels = random_images(MODELS[task.model], CHECKED)
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    if backend == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_tensor_float_32_execution(False)
        with tf.GradientTape() as tape:
            value = cross_entropy(labels, model(images, training=False))
        gradients = tape.gradient(value, [v.value for v in model.trainable_variables])
        tf.config.experimental.enable_tensor_float_32_execution(True)
        return digest(float(value), [np.asarray(g) for g in gradients])

    import jax

    def loss(trainable: Any) -> Any:
        logits, _ = model.stateless_call(trainable, rest, images, training=False)
        return cross_entropy(labels, logits)

    rest = [v.value for v in model.non_trainable_variables]
    with jax.default_matmul_precision("highest"):
        found = jax.jit(jax.value_and_grad(loss))([v.value for v in model.trainable_variables])
    return digest(float(found[0]), [np.asarray(g) for g in found[1]])
