"""The learning rate range test, against NumPy in float64."""

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from jcnn.config import TrainConfig
from jcnn.layers import Dense, Flatten, Sequential
from jcnn.report.learning_rates import draw_learning_rates
from jcnn.train import Event, Progress, find_learning_rate
from tests.train import small

DATA = small.dataset(20)
STILL = TrainConfig(batch_size=8, shuffle=False, optimizer="sgd")


def linear() -> Sequential:
    return Sequential([Flatten(), Dense(60, 3, rngs=nnx.Rngs(0))])


@pytest.mark.parametrize("every", [1, 2])
def test_each_loss_is_that_of_a_training_at_a_rising_rate(every: int) -> None:
    model = linear()
    kernel, bias = np.asarray(model.dense.kernel[...], np.float64), np.zeros(3)
    x = np.asarray(DATA.images).reshape(20, -1) / 255
    rates = 1e-3 * 10 ** (np.arange(11) * 3 / 10)
    batches = [slice(0, 8), slice(8, 16), slice(16, 20)] * 8
    losses = []
    for update, rate in enumerate(rates):
        slopes, total, seen = [], 0.0, 0
        for rows in batches[update * every : (update + 1) * every]:
            z = x[rows] @ kernel + bias
            p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
            one_hot = np.eye(3)[DATA.labels[rows]]
            total -= (one_hot * np.log(p)).sum()
            seen += len(z)
            slope = (p - one_hot) / len(z)
            slopes.append((x[rows].T @ slope, slope.sum(0)))
        losses.append(total / seen)
        kernel = kernel - rate * np.mean([a for a, _ in slopes], axis=0)
        bias = bias - rate * np.mean([b for _, b in slopes], axis=0)
    before = small.arrays(model)
    config = replace(STILL, accumulate_steps=every, schedule="cosine", warmup_epochs=1)
    found = find_learning_rate(model, DATA, config, low=1e-3, high=1.0, updates=11)
    np.testing.assert_allclose(found.learning_rates, rates, rtol=1e-12)
    np.testing.assert_allclose(found.losses, losses, rtol=1e-5)
    weights = [0.9 ** np.arange(n)[::-1] for n in range(1, 12)]
    smooth = [(w * losses[: len(w)]).sum() / w.sum() for w in weights]
    np.testing.assert_allclose(found.smooth, smooth, rtol=1e-5)
    best = int(np.argmin(smooth))
    assert found.lowest == pytest.approx(rates[best])
    assert smooth[best] < 0.98 * np.mean(losses[:3])
    assert found.suggestion == pytest.approx(rates[best] / 10)
    for name, array in small.arrays(model).items():
        np.testing.assert_array_equal(array, before[name])
    words = f"{rates[best] / 10:.1g}"
    assert draw_learning_rates(found).alt == f"Loss by learning rate; suggested: {words}."


def test_it_ends_where_the_loss_diverges() -> None:
    events: list[Event] = []
    model = small.model()
    graph, before = nnx.graphdef(model), small.arrays(model)
    config = replace(STILL, freeze=("conv2d",), validation_split=0.2, class_weights="balanced")
    found = find_learning_rate(
        model, small.dataset(), config, low=1e-3, high=1e6, updates=30, on_event=events.append
    )
    assert 10 < len(found.losses) < 30
    assert np.isfinite(found.losses).all()
    steps = [event.step for event in events if isinstance(event, Progress)]
    assert steps == list(range(1, len(steps) + 1))
    assert nnx.graphdef(model) == graph  # also no longer frozen
    for name, array in small.arrays(model).items():
        np.testing.assert_array_equal(array, before[name])


def test_a_loss_that_never_falls_has_no_suggestion() -> None:
    def rising(logits: Any, labels: Any) -> Any:
        return 1 + 0 * logits[:, 0] + labels * 0

    found = find_learning_rate(linear(), DATA, STILL, updates=10, loss=rising)
    assert found.suggestion is None
    assert "none, the loss did not fall" in draw_learning_rates(found).alt


def test_labels_of_numbers() -> None:
    targets = np.random.default_rng(3).normal(size=(20, 3)).astype(np.float32)
    found = find_learning_rate(
        linear(),
        replace(DATA, labels=targets),
        STILL,
        low=1e-4,
        updates=20,
        loss=lambda logits, labels: jnp.mean(optax.squared_error(logits, labels), axis=-1),
    )
    assert found.suggestion is not None
    with pytest.raises(ValueError, match=r"^loss: got None for labels"):
        find_learning_rate(linear(), replace(DATA, labels=targets), STILL)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"low": 0.0}, "^low: got 0.0; accepted: a number > 0"),
        ({"high": 1e-8}, "^high: got 1e-08; accepted: a number > 1e-07"),
        ({"updates": 9}, "^updates: got 9; accepted: an int >= 10"),
    ],
)
def test_a_wrong_range_is_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find_learning_rate(linear(), DATA, STILL, **given)
