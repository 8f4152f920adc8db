"""Keras's EarlyStopping and ReduceLROnPlateau make the decisions of `jcnn.train.plateau`."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from jcnn.train.plateau import best_epoch, larger_is_better, reductions, stopped_at

pytestmark = pytest.mark.slow

FACTOR = 0.5


class Model:
    """A stand-in for a Keras model in callbacks; its weights are the number of the epoch."""

    def __init__(self) -> None:
        self.stop_training = False
        self.epoch = 0
        self.kept: int | None = None
        self.optimizer = SimpleNamespace(learning_rate=np.float64(1))

    def get_weights(self) -> int:
        """The current epoch."""
        return self.epoch

    def set_weights(self, weights: int) -> None:
        """Store the epoch whose weights are restored."""
        self.kept = weights


def drawn(seed: int) -> tuple[list[float], float, int]:
    """Random values in multiples of 1/64, exact in Keras's float32, and random settings."""
    rng = np.random.default_rng(seed)
    values = np.cumsum(rng.integers(-3, 4, rng.integers(1, 40))) / 64
    return values.tolist(), float(rng.integers(0, 3)) / 64, int(rng.integers(1, 5))


@pytest.mark.parametrize("monitor", ["val_loss", "val_accuracy"])
def test_early_stopping(keras: Any, monitor: str) -> None:
    rises = larger_is_better(monitor)
    stops = 0
    for seed in range(60):
        values, delta, patience = drawn(seed)
        model = Model()
        callback = keras.callbacks.EarlyStopping(
            monitor,
            min_delta=delta,
            patience=patience,
            restore_best_weights=True,
            mode="max" if rises else "min",
        )
        callback.set_model(model)
        callback.on_train_begin()
        while model.epoch < len(values) and not model.stop_training:
            logs = {monitor: values[model.epoch]}
            model.epoch += 1
            callback.on_epoch_end(model.epoch - 1, logs)
        callback.on_train_end()
        seen = values[: model.epoch]
        stop = stopped_at(values, patience=patience, min_delta=delta, larger_is_better=rises)
        assert stop == (model.epoch if model.stop_training else None)
        assert best_epoch(seen, min_delta=delta, larger_is_better=rises) == model.kept
        stops += stop is not None
    assert 10 < stops < 60


@pytest.mark.parametrize("monitor", ["val_loss", "val_accuracy"])
def test_plateaus(keras: Any, monitor: str) -> None:
    rises = larger_is_better(monitor)
    most = 0
    for seed in range(60):
        values, delta, patience = drawn(seed)
        model = Model()
        callback = keras.callbacks.ReduceLROnPlateau(
            monitor,
            factor=FACTOR,
            min_delta=delta,
            patience=patience,
            mode="max" if rises else "min",
        )
        callback.set_model(model)
        callback.on_train_begin()
        for epoch, value in enumerate(values):
            callback.on_epoch_end(epoch, {monitor: value})
            so_far = values[: epoch + 1]
            times = reductions(so_far, patience=patience, min_delta=delta, larger_is_better=rises)
            assert FACTOR**times == model.optimizer.learning_rate
            most = max(most, times)
    assert most > 3
