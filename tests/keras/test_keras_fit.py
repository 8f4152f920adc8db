"""Keras's `fit` and jcnn's give the same weights for the same model and batches."""

from typing import Any

import numpy as np
import pytest
from flax import nnx

from jcnn import ops
from jcnn.config import TrainConfig
from jcnn.data import Dataset
from jcnn.layers import (
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Dense,
    Flatten,
    MaxPooling2D,
    Sequential,
)
from jcnn.train import fit
from tests.keras.settings import keras_optimizer

pytestmark = pytest.mark.slow

EPOCHS, BATCH, CLASSES = 4, 16, 3
COLUMNS = ("loss", "accuracy", "val_loss", "val_accuracy")
WEIGHTS = (0.5, 2.0, 1.25)


def dataset(n: int, seed: int) -> Dataset:
    """Noise images `(n, 8, 7, 2)`, brighter in one corner for each class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, n).astype(np.int32)
    images = rng.integers(0, 160, (n, 8, 7, 2)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[2 * label : 2 * label + 3, label : label + 3] += 90
    return Dataset(images, labels, ("a", "b", "c"))


def jcnn_model() -> Sequential:
    """All layers that both train alike; none is random."""
    rngs = nnx.Rngs(0)
    return Sequential(
        [
            Conv2D(2, 4, activation=ops.relu, rngs=rngs),
            BatchNormalization(4, rngs=rngs),
            MaxPooling2D(),
            Conv2D(4, 6, kernel_size=2, stride=(1, 2), activation=ops.relu, rngs=rngs),
            AveragePooling2D((2, 1)),
            Flatten(),
            Dense(24, CLASSES, rngs=rngs),
        ]
    )


def keras_model(keras: Any, model: Sequential) -> Any:
    """The same layers, with the weights of `model`."""
    layers = keras.layers
    twin = keras.Sequential(
        [
            keras.Input((8, 7, 2)),
            layers.Conv2D(4, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Conv2D(6, 2, strides=(1, 2), padding="same", activation="relu"),
            layers.AveragePooling2D((2, 1)),
            layers.Flatten(),
            layers.Dense(CLASSES),
        ]
    )
    twin.set_weights(list(weights(model).values()))
    return twin


def weights(model: Sequential) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays by name, in the order of Keras's `weights`."""
    found = {}
    for name in model.names:
        layer = getattr(model, name)
        for array in ("kernel", "scale", "bias", "mean", "var"):
            if getattr(layer, array, None) is not None:
                found[f"{name}.{array}"] = np.asarray(getattr(layer, array)[...])
    return found


def in_keras(
    keras: Any, model: Sequential, train: Dataset, validation: Dataset, config: TrainConfig
) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, list[float]]]:
    """The weights and the history of training with Keras from the weights of `model`."""
    names = weights(model)
    twin = keras_model(keras, model)
    steps = -(-len(train) // config.batch_size)
    losses, smoothing = keras.losses, config.label_smoothing
    plain = keras.metrics.CategoricalCrossentropy(from_logits=True, name="plain_loss")
    twin.compile(
        optimizer=keras_optimizer(keras, config, steps),
        loss=losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing),
        metrics=["accuracy", plain],
    )

    def floats(data: Dataset) -> tuple[Any, Any]:
        images = np.asarray(data.images, np.float32) / np.float32(255)
        return images, np.eye(CLASSES)[data.labels]

    history = twin.fit(
        *floats(train),
        batch_size=config.batch_size,
        epochs=config.epochs,
        validation_data=floats(validation),
        class_weight=dict(enumerate(config.class_weights or [1.0] * CLASSES)),
        shuffle=False,
        verbose=0,
    )
    # Not get_weights(), whose way to NumPy is deprecated there.
    arrays = [np.asarray(variable.value) for variable in twin.weights]
    columns = history.history
    if config.ema:  # Keras validates the averages after the training only, jcnn after each epoch
        last = twin.evaluate(*floats(validation), verbose=0, return_dict=True)
        columns.update({f"val_{name}": [value] for name, value in last.items()})
    # jcnn validates by the cross-entropy itself, Keras by its smoothed form.
    columns["val_loss"] = columns["val_plain_loss"]
    return dict(zip(names, arrays, strict=True)), columns


CASES: dict[str, dict[str, Any]] = {
    "adam": {"optimizer": "adam"},
    "adamw": {"optimizer": "adamw", "weight_decay": 0.1},
    "momentum": {"optimizer": "momentum", "learning_rate": 0.01},
    "nesterov": {"optimizer": "nesterov", "learning_rate": 0.01},
    "rmsprop": {"optimizer": "rmsprop"},
    "nadam": {"optimizer": "nadam"},
    "clip_value": {"optimizer": "adam", "clip_value": 0.01},
    "clip_norm": {"optimizer": "momentum", "learning_rate": 0.03, "clip_norm": 0.1},
    "global_clip_norm": {"optimizer": "adam", "global_clip_norm": 0.1},
    "class_weights": {"class_weights": WEIGHTS},
    "label_smoothing": {"label_smoothing": 0.2},
    "class_weights_and_smoothing": {"class_weights": WEIGHTS, "label_smoothing": 0.2},
    "exponential": {"schedule": "exponential", "decay_epochs": (1.5,), "decay_rate": 0.3},
    "piecewise": {"schedule": "piecewise", "decay_epochs": (1, 2.5), "decay_rate": 0.2},
    "cosine": {"schedule": "cosine", "warmup_epochs": 1.0, "optimizer": "nesterov"},
    # Four steps an epoch: gradients are gathered over its end, and one is left at the last.
    "accumulation": {"accumulate_steps": 3, "learning_rate": 0.003},
    "accumulation_and_clip": {
        "accumulate_steps": 2,
        "optimizer": "sgd",
        "learning_rate": 0.1,
        "clip_norm": 0.5,
    },
    "ema": {"ema": 0.8},
}


@pytest.mark.parametrize("name", CASES)
def test_training(keras: Any, name: str) -> None:
    """Compare weights and history columns to 1e-5; one example is 1/50 of the accuracy."""
    settings = {"learning_rate": 1e-3, **CASES[name]}
    config = TrainConfig(epochs=EPOCHS, batch_size=BATCH, shuffle=False, **settings)
    train, validation = dataset(50, 1), dataset(21, 2)  # their last batches hold 2 and 5
    model = jcnn_model()
    before = weights(model)
    wanted, columns = in_keras(keras, model, train, validation, config)
    history = fit(model, train, config, validation=validation)
    found = weights(model)
    for array, value in wanted.items():
        np.testing.assert_allclose(found[array], value, rtol=1e-5, atol=1e-5, err_msg=array)
        assert np.abs(value - before[array]).max() > 1e-3
    for column in COLUMNS:
        values = columns[column]
        last = history[column][-len(values) :]
        np.testing.assert_allclose(last, values, rtol=1e-5, atol=1e-5, err_msg=column)
