"""Every setting of `TrainConfig` does to the training what its line says."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jcnn.config import TrainConfig
from jcnn.data import Dataset
from jcnn.layers import Dense, Flatten, Sequential
from jcnn.runs.history import EpochResult, History
from jcnn.train import Event, Progress, evaluate, fit, predict, predict_logits
from jcnn.train.scores import scores
from tests.train import small


def linear(seed: int = 0) -> Sequential:
    return Sequential([Flatten(), Dense(60, 3, rngs=nnx.Rngs(seed))])


def still(**settings: Any) -> TrainConfig:
    """Settings with which nothing is random: the order is the data set's."""
    plain = TrainConfig(shuffle=False, optimizer="sgd", learning_rate=0.1)
    return replace(plain, **settings)


class Numpy:
    """The linear model's training by gradient descent in float64."""

    def __init__(self, model: Sequential, data: Dataset) -> None:
        self.kernel = np.asarray(model.dense.kernel[...], np.float64)
        self.bias = np.zeros(3)
        self.x = np.asarray(data.images).reshape(len(data), -1).astype(np.float64) / 255
        self.labels = data.labels

    def losses(
        self, rows: slice, weights: np.ndarray | None = None, smoothing: float = 0.0
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Losses of these rows, and the gradients of their mean by kernel and bias."""
        x, y = self.x[rows], np.eye(3)[self.labels[rows]]
        w = np.ones(len(x)) if weights is None else weights[self.labels[rows]]
        y = (1 - smoothing) * y + smoothing / 3
        logits = x @ self.kernel + self.bias
        logp = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        slopes = w[:, None] * (np.exp(logp) - y) / len(x)
        return -(w[:, None] * y * logp).sum(1), x.T @ slopes, slopes.sum(0)

    def step(self, kernel: np.ndarray, bias: np.ndarray, rate: float = 0.1) -> None:
        """Go down these gradients."""
        self.kernel = self.kernel - rate * kernel
        self.bias = self.bias - rate * bias


def assert_equals(model: Sequential, oracle: Numpy) -> None:
    # A few steps of 0.1 on gradients below 1: float32 carries them to about 1e-7.
    np.testing.assert_allclose(np.asarray(model.dense.kernel[...]), oracle.kernel, atol=1e-6)
    np.testing.assert_allclose(np.asarray(model.dense.bias[...]), oracle.bias, atol=1e-6)


def test_without_shuffling_batches_follow_the_data_set() -> None:
    data, model = small.dataset(20), linear()
    oracle = Numpy(model, data)
    for _ in range(2):
        for start in range(0, 20, 8):
            oracle.step(*oracle.losses(slice(start, start + 8))[1:])
    fit(model, data, still(epochs=2, batch_size=8))
    assert_equals(model, oracle)


def test_label_smoothing_and_class_weights_change_loss_and_gradient_but_not_accuracy() -> None:
    data, model = small.dataset(20), linear()
    oracle = Numpy(model, data)
    weights = np.array([0.5, 2.0, 0.0])
    losses, kernel, bias = oracle.losses(slice(None), weights, 0.3)
    before = evaluate(model, data).accuracy
    oracle.step(kernel, bias)
    settings = still(
        epochs=1, batch_size=20, label_smoothing=0.3, class_weights=tuple(weights.tolist())
    )
    history = fit(model, data, settings)
    assert_equals(model, oracle)
    np.testing.assert_allclose(history["loss"], [losses.mean()], rtol=1e-6)
    assert history["accuracy"] == [before]


def test_class_weights_alone_take_the_labels_as_numbers() -> None:
    data, model = small.dataset(20), linear()
    oracle = Numpy(model, data)
    oracle.step(*oracle.losses(slice(None), np.array([3.0, 0.1, 1.0]))[1:])
    fit(model, data, still(epochs=1, batch_size=20, class_weights=(3.0, 0.1, 1.0)))
    assert_equals(model, oracle)


def test_balanced_class_weights_are_those_of_the_training_part(tmp_path: Path) -> None:
    data = small.dataset(50)
    # The last 20 images are for validation.
    counts = np.bincount(data.labels[:30], minlength=3)
    assert len(set(counts.tolist())) > 1
    config = still(epochs=2, batch_size=15, validation_split=0.4)
    balanced = replace(config, class_weights="balanced")
    by_hand, model, resumed = linear(), linear(), linear()
    fit(by_hand, data, replace(config, class_weights=(30 / (3 * counts)).tolist()))
    fit(model, data, balanced)
    small.assert_same_bits(model, by_hand)
    fit(resumed, data, replace(balanced, epochs=1), run=tmp_path)
    fit(resumed, data, balanced, run=tmp_path, resume=True)
    small.assert_same_bits(resumed, by_hand)


def test_gradients_of_several_steps_make_one_update() -> None:
    # 7 steps, 3 an update: two updates in the epochs' first 6 steps, the third in the second
    # epoch, whose first step belongs to it.
    data, model = small.dataset(20), linear()
    oracle = Numpy(model, data)
    starts = [*range(0, 20, 3)] * 2
    for first in range(0, len(starts) - 2, 3):
        parts = [oracle.losses(slice(s, s + 3))[1:] for s in starts[first : first + 3]]
        oracle.step(*(np.mean(part, axis=0) for part in zip(*parts, strict=True)))
    fit(model, data, still(epochs=2, batch_size=3, accumulate_steps=3))
    assert_equals(model, oracle)


def test_the_running_mean_of_the_weights_is_what_is_kept_and_validated() -> None:
    data, model = small.dataset(20), linear()
    oracle = Numpy(model, data)
    mean: list[np.ndarray] = []
    for i in range(6):
        start = i % 3 * 8
        oracle.step(*oracle.losses(slice(start, start + 8))[1:])
        new = [oracle.kernel, oracle.bias]
        mean = [0.7 * m + 0.3 * n for m, n in zip(mean or new, new, strict=True)]
    history = fit(model, data, still(epochs=2, batch_size=8, ema=0.7), validation=data)
    oracle.kernel, oracle.bias = mean
    assert_equals(model, oracle)
    scores = evaluate(model, data)
    np.testing.assert_allclose(history["val_loss"][-1], scores.loss, rtol=1e-6)


def test_the_schedule_is_followed_and_noted() -> None:
    data, model = small.dataset(24), linear()
    oracle = Numpy(model, data)
    for i in range(6):  # 3 steps an epoch: halved every epoch, without steps
        rate = 0.1 * 0.5 ** (i / 3)
        oracle.step(*oracle.losses(slice(i % 3 * 8, i % 3 * 8 + 8))[1:], rate)
    settings = still(
        epochs=2, batch_size=8, schedule="exponential", decay_rate=0.5, decay_epochs=(1.0,)
    )
    history = fit(model, data, settings)
    assert_equals(model, oracle)
    np.testing.assert_allclose(
        history["learning_rate"], [0.1 * 0.5 ** (2 / 3), 0.1 * 0.5 ** (5 / 3)], rtol=1e-6
    )


def test_bfloat16_computes_in_16_bits_and_keeps_32() -> None:
    seen: list[Any] = []

    class Spy(nnx.Module):
        def __init__(self) -> None:
            self.dense = Dense(60, 3, rngs=nnx.Rngs(0))

        def __call__(self, x: jax.Array) -> jax.Array:
            seen.append((x.dtype, self.dense.kernel[...].dtype))
            return self.dense(x.reshape(len(x), -1))

    data, spy, plain = small.dataset(60), Spy(), linear()
    fit(spy, data, TrainConfig(epochs=8, learning_rate=0.01, compute_dtype="bfloat16"))
    fit(plain, data, TrainConfig(epochs=8, learning_rate=0.01))
    assert (jnp.bfloat16, jnp.bfloat16) in seen
    assert spy.dense.kernel[...].dtype == jnp.float32
    difference = np.abs(np.asarray(spy.dense.kernel[...]) - np.asarray(plain.dense.kernel[...]))
    assert 0 < difference.max() < 0.02  # 8 bits of mantissa, 8 steps of at most 0.01
    assert evaluate(spy, data).accuracy > 0.9


def test_batch_statistics_stay_float32_in_bfloat16() -> None:
    model = small.model()
    fit(model, small.dataset(), TrainConfig(epochs=2, batch_size=16, compute_dtype="bfloat16"))
    dtypes = {name: array.dtype for name, array in small.arrays(model).items()}
    assert set(dtypes.values()) == {np.dtype(np.float32)}


def test_augmentation_moves_the_pictures_and_is_seeded() -> None:
    data = small.dataset()
    config = TrainConfig(epochs=2, batch_size=16)
    moving = replace(config, augment="shift,flip,mixup")
    plain, first, second, other = (small.model() for _ in range(4))
    fit(plain, data, config)
    fit(first, data, moving)
    fit(second, data, moving)
    fit(other, data, replace(moving, seed=1))
    small.assert_same_bits(first, second)
    assert not np.array_equal(plain.dense.kernel[...], first.dense.kernel[...])
    assert not np.array_equal(other.dense.kernel[...], first.dense.kernel[...])


def test_augmentation_that_changes_nothing_changes_nothing() -> None:
    data = small.dataset()
    plain, zero = small.model(), small.model()
    fit(plain, data, TrainConfig(epochs=1, batch_size=16))
    fit(zero, data, TrainConfig(epochs=1, batch_size=16, augment="shift=0,flip=0"))
    for name, array in small.arrays(plain).items():
        np.testing.assert_allclose(small.arrays(zero)[name], array, atol=1e-6, err_msg=name)


# --- what looks at the history --------------------------------------------------------------------


def wrong_way(epochs: int = 9, **settings: Any) -> tuple[Sequential, History]:
    """A training that gets worse on its validation images, whose labels are moved by one."""
    data = small.dataset(40)
    moved = Dataset(data.images, (data.labels + 1) % 3, data.class_names)
    model = linear()
    config = still(epochs=epochs, batch_size=40, **settings)
    return model, fit(model, data, config, validation=moved)


def test_patience_ends_the_training() -> None:
    _, history = wrong_way(patience=3)
    values = history["val_loss"]
    best = int(np.argmin(values))
    assert values == [*values[: best + 1], *sorted(values[best + 1 :])]
    assert len(history) == best + 1 + 3 < 9


def test_restore_best_keeps_the_best_epochs_weights() -> None:
    model, history = wrong_way(patience=3, restore_best=True)
    best = int(np.argmin(history["val_loss"])) + 1
    alone, _ = wrong_way(best)
    small.assert_same_bits(model, alone)
    last, _ = wrong_way(patience=3)
    assert not np.array_equal(model.dense.kernel[...], last.dense.kernel[...])


def test_a_plateau_lowers_the_learning_rate() -> None:
    _, history = wrong_way(plateau_patience=2, plateau_factor=0.5)
    values, rates = history["val_loss"], history["learning_rate"]
    best = int(np.argmin(values))
    expected = [0.1 * 0.5 ** (max(0, i - 1 - best) // 2) for i in range(9)]
    np.testing.assert_allclose(rates, expected, rtol=1e-6)
    assert len(set(rates)) > 2


@pytest.mark.parametrize("name", ["patience", "plateau_patience", "restore_best"])
def test_going_by_validation_needs_validation(name: str) -> None:
    settings = {name: True if name == "restore_best" else 1}
    with pytest.raises(ValueError, match=r"^monitor: got 'val_loss' without validation"):
        fit(linear(), small.dataset(), still(**settings))


def test_one_weight_for_each_class() -> None:
    with pytest.raises(ValueError, match=r"^class_weights: got 2; accepted: one for each of the 3"):
        fit(linear(), small.dataset(), TrainConfig(class_weights=(1.0, 2.0)))


def test_callbacks_see_the_model_of_the_epoch_and_may_end_it() -> None:
    data, seen = small.dataset(), []

    def look(model: nnx.Module, history: History) -> bool:
        seen.append((len(history), evaluate(model, data).loss))
        return len(history) == 2

    model = linear()
    history = fit(
        model, data, TrainConfig(epochs=5), validation=data, callbacks=[look, lambda m, h: None]
    )
    assert [epoch for epoch, _ in seen] == [1, 2]
    np.testing.assert_allclose([loss for _, loss in seen], history["val_loss"], rtol=1e-6)


def test_steps_per_call_is_how_often_python_looks_in() -> None:
    events: list[Event] = []
    config = TrainConfig(epochs=1, batch_size=4, steps_per_call=3)
    fit(linear(), small.dataset(50), config, on_event=events.append)
    assert [e.step for e in events if isinstance(e, Progress)] == [3, 6, 9, 12, 13]
    assert len([e for e in events if isinstance(e, EpochResult)]) == 1


# --- test time ------------------------------------------------------------------------------------


def test_flips_are_averaged_as_probabilities() -> None:
    data, model = small.dataset(20), small.model()
    mirrored = np.asarray(data.images)[:, :, ::-1]
    expected = (predict(model, data.images) + predict(model, mirrored)) / 2
    np.testing.assert_allclose(predict(model, data.images, flips=True), expected, atol=1e-6)
    found = evaluate(model, data, flips=True)
    right = expected[np.arange(20), data.labels]
    np.testing.assert_allclose(found.loss, -np.log(right).mean(), rtol=1e-5)
    assert found.accuracy == np.mean(expected.argmax(1) == data.labels)


def test_a_loss_does_not_underflow() -> None:
    """Logits apart by hundreds of nats: float32 probabilities are 0, losses are not infinite."""
    model = Sequential([Flatten(), Dense(12, 3, rngs=nnx.Rngs(0))])
    kernel = np.random.default_rng(5).normal(0, 300, (12, 3)).astype(np.float32)
    model.dense.kernel[...] = jnp.asarray(kernel)
    pixels = np.random.default_rng(6).integers(0, 255, (9, 2, 3, 2)).astype(np.uint8)
    labels = np.arange(9, dtype=np.int32) % 3
    data = Dataset(pixels, labels, ("a", "b", "c"))

    def log_p(images: np.ndarray) -> np.ndarray:
        z = images.reshape(9, -1) / 255 @ kernel.astype(np.float64)
        z = z - z.max(1, keepdims=True)
        found: np.ndarray = z - np.log(np.exp(z).sum(1, keepdims=True))
        return found

    plain, mirrored = log_p(pixels), log_p(pixels[:, :, ::-1])
    both = np.logaddexp(plain, mirrored) - np.log(2)
    assert (predict(model, pixels, flips=True) == 0).any()
    for flips, expected in ((False, plain), (True, both)):
        losses = -expected[np.arange(9), labels]
        assert losses.max() > 150
        found = evaluate(model, data, flips=flips)
        np.testing.assert_allclose(found.loss, losses.mean(), rtol=1e-5)
        p, logits = predict(model, pixels, flips=flips), predict_logits(model, pixels, flips=flips)
        np.testing.assert_allclose(p, np.exp(expected), atol=1e-4)
        judged = scores(p, labels, data.class_names, logits=np.asarray(logits))
        np.testing.assert_allclose(judged.loss, found.loss, rtol=1e-6)
    config = TrainConfig(epochs=1, learning_rate=1e-30)
    history = fit(model, data, config, validation=data)
    np.testing.assert_allclose(history["val_loss"], [evaluate(model, data).loss], rtol=1e-6)
