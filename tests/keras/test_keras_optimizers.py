"""Keras's optimizers and schedules give the same weights for the same gradients."""

from typing import Any, get_args

import jax.numpy as jnp
import numpy as np
import pytest

from jcnn.config import Optimizer, TrainConfig
from jcnn.train.schedules import learning_rate_factor
from tests.keras.settings import keras_optimizer, keras_schedule
from tests.train.updates import Arrays, drawn, gradients, learning_rate, trained

pytestmark = pytest.mark.slow

UPDATES = 50


def keras_trained(keras: Any, config: TrainConfig) -> Arrays:
    """The arrays after UPDATES updates by Keras."""
    arrays = drawn()
    # Keras's Muon works on dense kernels alone: a convolution's is given to it as jcnn sees it.
    flat = (-1, arrays["conv"].shape[-1]) if config.optimizer == "muon" else arrays["conv"].shape
    given = {**arrays, "conv": arrays["conv"].reshape(flat)}
    variables = {name: keras.Variable(array, name=name) for name, array in given.items()}
    optimizer = keras_optimizer(keras, config)
    if config.weight_decay_mask == "kernels":
        optimizer.exclude_from_weight_decay(var_list=[variables["bias"], variables["scale"]])
    optimizer.build(list(variables.values()))
    for t in range(1, UPDATES + 1):
        optimizer.learning_rate = learning_rate(t)
        g = gradients(t)
        optimizer.apply([jnp.asarray(g[name].reshape(v.shape)) for name, v in variables.items()])
    return {name: np.asarray(v).reshape(arrays[name].shape) for name, v in variables.items()}


def assert_same(keras: Any, **settings: Any) -> None:
    """Compare to 1e-6; most arrays change by about 0.5, and some numbers are above 4."""
    config = TrainConfig(**settings)
    wanted, found = keras_trained(keras, config), trained(config, UPDATES)
    for name, array in wanted.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-6, atol=1e-6, err_msg=name)
        assert np.abs(array - drawn()[name]).max() > 1e-4


@pytest.mark.parametrize("name", get_args(Optimizer))
def test_an_optimizer(keras: Any, name: Optimizer) -> None:
    assert_same(keras, optimizer=name)


@pytest.mark.parametrize("mask", ["all", "kernels"])
@pytest.mark.parametrize("name", ["adam", "adamw", "nesterov", "lion", "muon"])
def test_weight_decay(keras: Any, name: Optimizer, mask: str) -> None:
    assert_same(keras, optimizer=name, weight_decay=0.2, weight_decay_mask=mask)


@pytest.mark.parametrize(
    "clip", [{"clip_value": 0.4}, {"clip_norm": 1.5}, {"global_clip_norm": 1.5}], ids=str
)
@pytest.mark.parametrize("name", ["momentum", "adam"])
def test_clipping(keras: Any, name: Optimizer, clip: dict[str, float]) -> None:
    assert_same(keras, optimizer=name, **clip)


@pytest.mark.parametrize(
    "settings",
    [
        {"schedule": "cosine"},
        {"schedule": "cosine", "warmup_epochs": 1.5},
        {"schedule": "exponential", "decay_epochs": (2.5,), "decay_rate": 0.3},
        {"schedule": "piecewise", "decay_epochs": (1, 2.5, 4), "decay_rate": 0.2},
    ],
    ids=str,
)
def test_a_schedule(keras: Any, settings: dict[str, Any]) -> None:
    config = TrainConfig(epochs=6, learning_rate=0.03, **settings)
    schedule = keras_schedule(keras, config, 10)
    counts = jnp.arange(60)
    found = config.learning_rate * learning_rate_factor(config, 10)(counts)
    wanted = [float(schedule(count)) for count in counts]
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6 * config.learning_rate)
