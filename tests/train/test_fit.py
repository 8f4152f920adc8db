"""`fit` updates a model, and reports events and a history."""

from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx

from jcnn.config import TrainConfig
from jcnn.data import Dataset, Note, load, split, split_validation
from jcnn.layers import Dense, Flatten, Layer, Sequential, eval_mode
from jcnn.models import build
from jcnn.runs.history import EpochResult
from jcnn.train import Compiling, Event, Progress, evaluate, fit, predict
from tests.train import small


def test_every_example_is_seen_once_an_epoch() -> None:
    # 10 examples in batches of 4: the last batch has two.
    images = np.eye(10, dtype=np.uint8).reshape(10, 1, 10, 1) * 255
    data = Dataset(images, np.arange(10, dtype=np.int32) % 2, ("a", "b"))
    model = small.Counter(10)
    fit(model, data, TrainConfig(epochs=3, batch_size=4))
    np.testing.assert_array_equal(model.seen[...], np.full(10, 3.0))
    assert model.calls[...] == 3 * 3


@pytest.mark.parametrize(("n", "batch_size", "steps"), [(10, 5, 2), (10, 4, 3), (3, 64, 1)])
def test_an_epoch_has_as_many_steps_as_batches(n: int, batch_size: int, steps: int) -> None:
    images = np.eye(n, dtype=np.uint8).reshape(n, 1, n, 1) * 255
    data = Dataset(images, np.arange(n, dtype=np.int32) % 2, ("a", "b"))
    model = small.Counter(n)
    fit(model, data, TrainConfig(epochs=1, batch_size=batch_size))
    assert model.calls[...] == steps
    np.testing.assert_array_equal(model.seen[...], np.ones(n))


def test_history_is_the_mean_over_examples_not_over_batches() -> None:
    # With a learning rate too small to move anything, an epoch's loss is the model's.
    data = small.dataset(50)
    model = Sequential([Flatten(), Dense(60, 3, rngs=nnx.Rngs(0))])
    history = fit(model, data, TrainConfig(epochs=1, batch_size=16, learning_rate=1e-30))
    scores = evaluate(model, data)
    np.testing.assert_allclose(history["loss"], [scores.loss], rtol=1e-6)
    assert history["accuracy"] == [scores.accuracy]


def test_full_batch_training_is_adam_as_keras_has_it() -> None:
    data = small.dataset(20)
    model = Sequential([Flatten(), Dense(60, 3, rngs=nnx.Rngs(0))])
    kernel = np.asarray(model.dense.kernel[...], np.float64)
    bias = np.zeros(3)
    x = np.asarray(data.images).reshape(20, -1).astype(np.float64) / 255
    one_hot = np.eye(3)[data.labels]
    moments = [np.zeros_like(v) for v in (kernel, kernel, bias, bias)]
    for t in range(1, 6):
        logits = x @ kernel + bias
        p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        gradients = (x.T @ (p - one_hot) / 20, (p - one_hot).mean(0))
        for i, (value, g) in enumerate(zip((kernel, bias), gradients, strict=True)):
            moments[2 * i] = 0.9 * moments[2 * i] + 0.1 * g
            moments[2 * i + 1] = 0.999 * moments[2 * i + 1] + 0.001 * g**2
            rate = 0.01 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
            value -= rate * moments[2 * i] / (np.sqrt(moments[2 * i + 1]) + 1e-7)
    fit(model, data, TrainConfig(epochs=5, batch_size=20, learning_rate=0.01))
    # Five steps of 0.01 each; float32 carries the gradients to about 1e-6 of that.
    np.testing.assert_allclose(np.asarray(model.dense.kernel[...]), kernel, atol=2e-6)
    np.testing.assert_allclose(np.asarray(model.dense.bias[...]), bias, atol=2e-6)


def test_validation_split_is_cut_from_the_end_before_shuffling() -> None:
    data = small.dataset(50)
    model = small.model()
    history = fit(model, data, TrainConfig(epochs=2, batch_size=16, validation_split=0.3))
    _, tail = split(data, 0.3)
    assert tail is not None
    np.testing.assert_array_equal(tail.labels, data.labels[35:])
    scores = evaluate(model, tail)
    np.testing.assert_allclose(history["val_loss"][-1], scores.loss, rtol=1e-5)
    assert history["val_accuracy"][-1] == scores.accuracy
    # The images that trained it: the same run on the head alone gives the same bits.
    head = Dataset(data.images[:35], data.labels[:35], data.class_names)
    other = small.model()
    fit(other, head, TrainConfig(epochs=2, batch_size=16), validation=tail)
    small.assert_same_bits(model, other)


def test_rows_sorted_by_class_are_validated_on_a_share_of_every_class(tmp_path: Path) -> None:
    data = small.dataset(50)
    data = data.take(np.argsort(data.labels, kind="stable"))
    config = TrainConfig(epochs=2, batch_size=16, validation_split=0.3, seed=5)
    events: list[Event] = []
    linear = [Sequential([Flatten(), Dense(60, 3, rngs=nnx.Rngs(seed))]) for seed in (0, 0, 0)]
    history = fit(linear[0], data, config, on_event=events.append)
    train, validation, words = split_validation(data, 0.3, 5)
    assert validation is not None
    assert set(validation.labels) == set(train.labels) == {0, 1, 2}
    assert events[0] == Note(words)
    assert words.endswith(
        "0.3 of every class drawn with seed 5, because the rows are sorted by class"
    )
    scores = evaluate(linear[0], validation)
    np.testing.assert_allclose(history["val_loss"][-1], scores.loss, rtol=1e-5)
    assert history["val_accuracy"][-1] == scores.accuracy
    # A resumed run and the part that a data set brings along: the same images, the same bits.
    fit(linear[1], data, replace(config, epochs=1), run=tmp_path)
    fit(linear[1], data, config, run=tmp_path, resume=True)
    small.assert_same_bits(linear[0], linear[1])
    own = replace(train, validation=validation)
    again = fit(linear[2], own, replace(config, validation_split=0.0))
    assert again["val_loss"] == history["val_loss"]
    small.assert_same_bits(linear[0], linear[2])


def test_validating_does_not_change_the_training() -> None:
    data = small.dataset(50)
    validated, plain = small.model(), small.model()
    fit(validated, data, TrainConfig(epochs=2, batch_size=16), validation=small.dataset(20, 9))
    fit(plain, data, TrainConfig(epochs=2, batch_size=16))
    small.assert_same_bits(validated, plain)


def test_events_come_in_order() -> None:
    events: list[Event] = []
    config = TrainConfig(epochs=2, batch_size=16)
    history = fit(small.model(), small.dataset(50), config, on_event=events.append)
    assert isinstance(events[0], Compiling)
    assert [e.epoch for e in events if isinstance(e, EpochResult)] == [1, 2]
    for epoch in (1, 2):
        steps = [e.step for e in events if isinstance(e, Progress) and e.epoch == epoch]
        assert steps == sorted(set(steps))
        assert steps[-1] == 4  # 50 images in batches of 16
    assert tuple(e for e in events if isinstance(e, EpochResult)) == history.epochs
    assert all(seconds > 0 for seconds in history["seconds"])


def test_a_plain_nnx_module_is_trained_with_its_batch_statistics() -> None:
    data = small.dataset(120)
    model = small.PlainNet(nnx.Rngs(0))
    before = small.arrays(model)
    history = fit(model, data, TrainConfig(epochs=15, batch_size=16, learning_rate=0.01))
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    after = small.arrays(model)
    moved = {name for name in before if not np.array_equal(before[name], after[name])}
    assert moved == set(before)  # running mean and variance too
    assert evaluate(model, data).accuracy > 0.9


def test_a_list_of_layers_is_trained_in_place() -> None:
    dense = Dense(60, 3, rngs=nnx.Rngs(0))
    layers: list[Layer] = [Flatten(), dense]
    data = small.dataset(60)
    before = np.asarray(dense.kernel[...])
    fit(layers, data, TrainConfig(epochs=10, learning_rate=0.01))
    assert not np.array_equal(before, dense.kernel[...])
    assert evaluate(layers, data).accuracy > 0.9


def test_evaluation_and_prediction_agree_with_numpy() -> None:
    data = small.dataset(37)
    model = small.model(3)
    images = np.asarray(data.images, np.float32) / 255
    logits = np.asarray(jax.jit(eval_mode(model))(images), np.float64)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    losses = -np.log(p[np.arange(37), data.labels])
    for batch_size in (1, 5, 36, 37, 64):
        scores = evaluate(model, data, batch_size=batch_size)
        np.testing.assert_allclose(scores.loss, losses.mean(), rtol=1e-5)
        assert scores.accuracy == np.mean(logits.argmax(1) == data.labels)
        assert scores.n == 37
        probabilities = predict(model, data.images, batch_size=batch_size)
        np.testing.assert_allclose(probabilities, p, atol=1e-6)


def compiled_after_each_epoch(model: Sequential, data: Dataset, config: TrainConfig) -> list[int]:
    """Number of programs that a training has compiled by the end of each epoch."""
    compiled: list[str] = []
    epochs: list[int] = []

    def on_compile(event: str, duration_secs: float, **_: str | int) -> None:
        if event.endswith("backend_compile_duration"):
            compiled.append(event)

    def on_event(event: Event) -> None:
        if isinstance(event, EpochResult):
            epochs.append(len(compiled))

    jax.monitoring.register_event_duration_secs_listener(on_compile)
    fit(model, data, config, on_event=on_event)
    return epochs


def test_the_second_epoch_and_the_second_batch_compile_nothing() -> None:
    config = TrainConfig(epochs=4, batch_size=16, validation_split=0.2)
    epochs = compiled_after_each_epoch(small.model(), small.dataset(50), config)
    assert epochs[0] > 0  # the listener works
    assert epochs[1:] == [epochs[0]] * 3


def test_a_training_compiles_a_few_programs_however_many_arrays_it_has() -> None:
    """Data of shapes for which no other test has compiled a program."""
    sizes = [(60, 17), (17, 19), (19, 23), (23, 29), (29, 3)]
    layers = [Dense(*size, rngs=nnx.Rngs(0)) for size in sizes]
    config = TrainConfig(epochs=1, batch_size=17, ema=0.9)
    (compiled,) = compiled_after_each_epoch(
        Sequential([Flatten(), *layers]), small.dataset(51), config
    )
    assert compiled < 20  # one for each array and each thing done to it would be 50 and more


def test_the_lectures_model_learns_real_digits() -> None:
    train, test = load("digits")
    model = build("conv1", train.image_shape, len(train.class_names))
    fit(model, train, TrainConfig(epochs=6, batch_size=32))
    assert evaluate(model, test).accuracy > 0.93
