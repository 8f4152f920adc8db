"""A user's optimizer, loss and metrics, against NumPy in float64 and against jcnn's own."""

import dataclasses
import json
import math
import pickle
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from jcnn.checkpoint import CheckpointError
from jcnn.config import TrainConfig
from jcnn.data import Dataset, StreamedImages
from jcnn.layers import Dense, Flatten, Sequential
from jcnn.runs.history import History, from_rows, mean_history, read_history
from jcnn.train import DivergedError, evaluate, fit, fit_population, predict_logits
from jcnn.train.functions import REPLACED
from tests.train import small

DATA = small.dataset(20)
STILL = TrainConfig(epochs=2, batch_size=8, shuffle=False)
TARGETS = np.random.default_rng(7).normal(size=(20, 3)).astype(np.float32)
NUMBERS = replace(DATA, labels=TARGETS, class_names=("x", "y", "angle"))
OTHER = replace(DATA, class_names=NUMBERS.class_names)
TAGS = replace(DATA, labels=(TARGETS > 0.3).astype(np.float32))


def needs_value(updates: Any, state: Any, params: Any = None, **extra: Any) -> Any:
    if "value" not in extra:
        raise TypeError("missing argument: value")
    return updates, state


@dataclasses.dataclass
class Unhashable:
    """A loss that cannot be in the key of a compiled program."""

    weight: float = 1.0

    def __call__(self, logits: jax.Array, labels: jax.Array) -> jax.Array:
        """Another number."""
        return self.weight * logits[:, 0]


NEEDS_VALUE = optax.GradientTransformationExtraArgs(lambda _: (), needs_value)


def linear(seed: int = 0) -> Sequential:
    return Sequential([Flatten(), Dense(60, 3, rngs=nnx.Rngs(seed))])


def squares(logits: jax.Array, labels: jax.Array) -> jax.Array:
    return jnp.mean(optax.squared_error(logits, labels), axis=-1)


def binary(logits: jax.Array, labels: jax.Array) -> jax.Array:
    return jnp.mean(optax.sigmoid_binary_cross_entropy(logits, labels), axis=-1)


def all_right(logits: jax.Array, labels: jax.Array) -> jax.Array:
    return jnp.all((logits > 0) == (labels > 0.5), axis=-1)


def descend(
    data: Dataset, kind: str, rate: float, epochs: int, size: int
) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """Gradient descent of the linear model in float64; kernel, bias, and the loss of each epoch."""
    kernel = np.asarray(linear().dense.kernel[...], np.float64)
    bias = np.zeros(3)
    x = np.asarray(data.images).reshape(len(data), -1).astype(np.float64) / 255
    t = data.labels.astype(np.float64)
    losses = []
    for _ in range(epochs):
        total = 0.0
        for start in range(0, len(x), size):
            rows = slice(start, start + size)
            z = x[rows] @ kernel + bias
            if kind == "squares":
                total += ((z - t[rows]) ** 2).mean(1).sum()
                slope = 2 * (z - t[rows])
            else:
                p = 1 / (1 + np.exp(-z))
                total -= (t[rows] * np.log(p) + (1 - t[rows]) * np.log(1 - p)).mean(1).sum()
                slope = p - t[rows]
            slope = slope / (3 * len(z))
            kernel, bias = kernel - rate * x[rows].T @ slope, bias - rate * slope.sum(0)
        losses.append(total / len(x))
    return kernel, bias, losses


@pytest.mark.parametrize(
    ("data", "loss", "kind"), [(NUMBERS, squares, "squares"), (TAGS, binary, "binary")]
)
@pytest.mark.parametrize("own", [False, True])
def test_labels_of_numbers_are_trained_on_as_numpy_does(
    data: Dataset, loss: Any, kind: str, own: bool
) -> None:
    kernel, bias, losses = descend(data, kind, 0.05, 2, 8)
    model, config = linear(), replace(STILL, optimizer="sgd", learning_rate=0.05)
    if own:
        history = fit(model, data, STILL, loss=loss, optimizer=optax.sgd(0.05), verbose=0)
        assert history["learning_rate"] == [None, None]
    else:
        history = fit(model, data, config, loss=loss, verbose=0)
    np.testing.assert_allclose(model.dense.kernel[...], kernel, atol=1e-6)
    np.testing.assert_allclose(model.dense.bias[...], bias, atol=1e-6)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-6)
    assert history["accuracy"] == [None, None]


def test_validation_and_evaluate_give_loss_and_metrics(tmp_path: Path) -> None:
    model = linear()
    config = replace(STILL, validation_split=0.3)
    # At batch size 8 the last batch has 6 examples: each counts once.
    history = fit(
        model, TAGS, config, loss=binary, metrics={"all_right": all_right}, run=tmp_path, verbose=0
    )
    last = TAGS.take(slice(14, None))
    logits = np.asarray(predict_logits(model, last.images), np.float64)
    right = ((logits > 0) == (last.labels > 0.5)).all(1).mean()
    loss = np.mean(np.log1p(np.exp(-np.where(last.labels > 0, logits, -logits))))
    assert history["val_all_right"][-1] == pytest.approx(right, abs=1e-7)
    assert history["val_loss"][-1] == pytest.approx(loss, rel=1e-6)
    found = evaluate(model, last, loss=binary, metrics={"all_right": all_right})
    assert (found.loss, found.metrics["all_right"]) == (
        history["val_loss"][-1],
        history["val_all_right"][-1],
    )
    assert math.isnan(found.accuracy)
    assert read_history(tmp_path / "history.jsonl") == history
    row = json.loads((tmp_path / "history.jsonl").read_text().splitlines()[-1])
    assert row["accuracy"] is None
    assert row["all_right"] == history["all_right"][-1]
    header = (tmp_path / "history.csv").read_text().splitlines()[0]
    assert header.endswith(",learning_rate,all_right,val_all_right")
    assert "all right" in history._repr_html_()


def test_a_metric_of_the_training_is_a_mean_over_all_examples() -> None:
    metrics = {"of_class_2": lambda _, labels: labels == 2, "largest": lambda x, _: x.max(-1)}
    config = replace(STILL, epochs=1, learning_rate=1e-30)
    model = linear()
    history = fit(model, DATA, config, metrics=metrics, verbose=0)
    assert history["of_class_2"] == [pytest.approx((DATA.labels == 2).mean())]
    largest = np.asarray(predict_logits(model, DATA.images)).max(1).mean()
    assert history["largest"] == [pytest.approx(largest, rel=1e-6)]
    assert history["accuracy"] == [evaluate(model, DATA).accuracy]


def test_the_lines_have_metrics_and_no_accuracy(capsys: pytest.CaptureFixture[str]) -> None:
    config = replace(STILL, epochs=1, validation_split=0.3)
    fit(linear(), TAGS, config, loss=binary, metrics={"all_right": all_right})
    line = capsys.readouterr().out.splitlines()[-1]
    number = r"\d\.\d{4}"
    pattern = (
        rf"epoch 1/1  loss {number}  all_right {number}  val_loss {number}  "
        rf"val_all_right {number}  \d+\.\d s  [\d,]+ images/s"
    )
    assert re.fullmatch(pattern, line)


def test_streamed_images_have_numbers_too() -> None:
    images = np.asarray(NUMBERS.images)
    streamed = replace(
        NUMBERS, images=StreamedImages(images.__getitem__, np.arange(20), images.shape[1:])
    )
    models = [linear(), linear()]
    for model, data in zip(models, (NUMBERS, streamed), strict=True):
        fit(model, data, replace(STILL, steps_per_call=1), loss=squares, verbose=0)
    small.assert_same_bits(*models)


def test_mixup_mixes_numbers() -> None:
    model = linear()
    fit(model, NUMBERS, replace(STILL, augment="mixup"), loss=squares, verbose=0)
    plain = linear()
    fit(plain, NUMBERS, STILL, loss=squares, verbose=0)
    assert not np.array_equal(model.dense.kernel[...], plain.dense.kernel[...])


def test_columns_of_another_order_are_matched_by_name() -> None:
    order = np.array([2, 0, 1])
    names = tuple(NUMBERS.class_names[i] for i in order)
    other = replace(NUMBERS, labels=TARGETS[:, order], class_names=names)
    model = linear()
    given = evaluate(model, NUMBERS, loss=squares)
    again = evaluate(model, other, loss=squares, class_names=NUMBERS.class_names)
    np.testing.assert_equal(dataclasses.asdict(again), dataclasses.asdict(given))  # with NaN
    assert evaluate(model, other, loss=squares).loss != given.loss


@pytest.mark.parametrize(
    "optimizer",
    [
        optax.adamw(1e-3),
        optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(0.1, momentum=0.9)),
        optax.sgd(optax.cosine_decay_schedule(0.1, 20)),
        optax.contrib.schedule_free_sgd(0.1),  # its state holds the parameters
        optax.MultiSteps(optax.adam(1e-3), 2).gradient_transformation(),
        optax.inject_hyperparams(optax.sgd)(learning_rate=0.1),
    ],
)
def test_a_run_with_an_own_optimizer_goes_on_with_the_same_bits(
    optimizer: Any, tmp_path: Path
) -> None:
    config = TrainConfig(batch_size=8, ema=0.9)
    whole, parts = linear(), linear()
    fit(whole, DATA, replace(config, epochs=2), optimizer=optimizer, verbose=0)
    fit(parts, DATA, replace(config, epochs=1), optimizer=optimizer, run=tmp_path, verbose=0)
    fit(
        parts,
        DATA,
        replace(config, epochs=2),
        optimizer=optimizer,
        run=tmp_path,
        resume=True,
        verbose=0,
    )
    small.assert_same_bits(whole, parts)
    assert not np.array_equal(whole.dense.kernel[...], linear().dense.kernel[...])


def test_what_a_resumed_run_must_share(tmp_path: Path) -> None:
    adam = optax.adam(1e-3)
    fit(linear(), DATA, STILL, optimizer=adam, metrics={"a": all_rows}, run=tmp_path, verbose=0)

    def again(**changed: Any) -> None:
        given: dict[str, Any] = {"optimizer": adam, "metrics": {"a": all_rows}, **changed}
        config = replace(STILL, epochs=3)
        fit(linear(), DATA, config, run=tmp_path, resume=True, verbose=0, **given)

    state = r"^resume: .* was trained with optimizer state '.*ScaleByAdamState.*', not "
    for other in (None, optax.sgd(0.1, momentum=0.9), optax.sgd(0.1)):
        with pytest.raises(ValueError, match=state):
            again(optimizer=other)
    with pytest.raises(CheckpointError, match="optimizer"):
        again(optimizer=optax.adam(1e-3, mu_dtype=jnp.bfloat16))
    with pytest.raises(ValueError, match=r"with loss function 'cross-entropy', not 'rows'"):
        again(loss=rows)
    with pytest.raises(ValueError, match=r"with metrics a, not b"):
        again(metrics={"b": all_rows})
    again()


def rows(logits: jax.Array, labels: jax.Array) -> jax.Array:
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels)


def all_rows(logits: jax.Array, labels: jax.Array) -> jax.Array:
    return logits[:, 0] * 0 + labels


def test_frozen_layers_have_no_state_in_an_own_optimizer(tmp_path: Path) -> None:
    model = small.model()
    kernel = np.asarray(model.conv2d.kernel[...])
    config = replace(STILL, freeze=("backbone",))
    fit(model, small.dataset(), config, optimizer=optax.adamw(0.1), run=tmp_path, verbose=0)
    np.testing.assert_array_equal(model.conv2d.kernel[...], kernel)
    newest = max((tmp_path / "checkpoints").glob("*"), key=lambda file: int(file.stem))
    names = re.findall(rb'"(optimizer[^"]*)"', newest.read_bytes())
    assert any(b"dense" in name for name in names)
    assert not any(b"conv2d" in name for name in names)


def test_a_population_with_own_functions_is_its_models_alone() -> None:
    own: dict[str, Any] = {
        "optimizer": optax.adam(0.01),
        "loss": binary,
        "metrics": {"all_right": all_right},
        "verbose": 0,
    }
    configs = [replace(STILL, seed=seed, shuffle=True) for seed in (1, 2)]
    models = [linear(1), linear(2)]
    histories = fit_population(models, TAGS, configs, validation=TAGS, **own)
    for seed, config, model, history in zip((1, 2), configs, models, histories, strict=True):
        alone = linear(seed)
        expected = fit(alone, TAGS, config, validation=TAGS, **own)
        np.testing.assert_allclose(
            model.dense.kernel[...], alone.dense.kernel[...], rtol=1e-4, atol=1e-6
        )
        for name in ("loss", "val_loss", "all_right", "val_all_right"):
            np.testing.assert_allclose(history[name], expected[name], rtol=1e-5)
    assert mean_history(histories)["all_right"] == [
        pytest.approx(np.mean(pair))
        for pair in zip(*(history["all_right"] for history in histories), strict=True)
    ]


@pytest.mark.parametrize("name", REPLACED)
def test_settings_that_an_own_optimizer_replaces_are_refused(name: str) -> None:
    given: dict[str, Any] = {
        "optimizer": "sgd",
        "schedule": "cosine",
        "weight_decay_mask": "kernels",
        "decay_epochs": (1.0,),
        "plateau_patience": 2,
    }
    value = given.get(name, 0.5)
    more: dict[str, Any] = {"schedule": "exponential"} if name == "decay_epochs" else {}
    config = replace(STILL, **{"monitor": "loss", name: value, **more})
    named = "schedule" if more else name
    with pytest.raises(
        ValueError, match=rf"^{named}: got .* together with fit\(optimizer=\.\.\.\)"
    ):
        fit(linear(), DATA, config, optimizer=optax.adam(1e-3), verbose=0)


@pytest.mark.parametrize(
    ("data", "config", "given", "message"),
    [
        (DATA, {}, {"optimizer": "adam"}, r"^optimizer: got 'adam'; accepted: an optax\.Gradient"),
        (DATA, {}, {"loss": 3}, "^loss: got 3; accepted: a function"),
        (DATA, {}, {"loss": Unhashable()}, "^loss: got .*; accepted: a function"),
        (DATA, {}, {"loss": lambda z, _: z.mean(0)}, r"^loss: gives \(3,\) of float32 for 5"),
        (DATA, {}, {"metrics": ["accuracy"]}, r"^metrics: got \['accuracy'\]; accepted: a dict"),
        (DATA, {}, {"metrics": {"loss": rows}}, "^metrics: got the name 'loss'"),
        (DATA, {}, {"metrics": {"val_a": rows}}, "^metrics: got the name 'val_a'"),
        (DATA, {}, {"metrics": {"a b": rows}}, "^metrics: got the name 'a b'"),
        (DATA, {}, {"metrics": {"a": "f1"}}, "^metrics: a: got 'f1'; accepted: a function"),
        (NUMBERS, {}, {}, r"^loss: got None for labels \(N, K\)"),
        (
            NUMBERS,
            {},
            {"loss": optax.squared_error},
            r"^loss: gives \(5, 3\) of float32 for 5 examples; expected a number for each",
        ),
        (DATA, {}, {"loss": lambda z, y: y}, r"^loss: gives \(5,\) of int32 for 5 examples"),
        (DATA, {}, {"metrics": {"a": lambda z, y: z.mean()}}, r"^metrics: a: gives \(\) of float"),
        (DATA, {"label_smoothing": 0.1}, {"loss": rows}, "^label_smoothing: got 0.1 together"),
        (DATA, {"class_weights": (1, 2, 3)}, {"loss": rows}, "^class_weights: got .* together"),
        (NUMBERS, {"class_weights": "balanced"}, {"loss": squares}, "^class_weights: got 'bal"),
        (DATA, {"augment": "mixup"}, {"loss": rows}, "^augment: got mixup together with fit"),
        (
            NUMBERS,
            {"monitor": "accuracy", "patience": 2},
            {"loss": squares},
            "^monitor: got 'accuracy' for labels",
        ),
        (NUMBERS, {}, {"loss": squares, "validation": OTHER},
         "^validation: got labels of int32; expected float32"),
        (
            DATA,
            {},
            {"optimizer": NEEDS_VALUE},
            "^optimizer: cannot be called with gradients, state and parameters alone: .*value",
        ),
        (
            DATA,
            {},
            {"optimizer": optax.GradientTransformation(
                lambda p: jnp.zeros(()), lambda g, s, p=None: (g, s[None]))},
            "^optimizer: gives state of another structure",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name(
    data: Dataset, config: dict[str, Any], given: dict[str, Any], message: str
) -> None:
    model = linear()
    before = nnx.graphdef(model)
    with pytest.raises(ValueError, match=message):
        fit(model, data, replace(STILL, **config), verbose=0, **given)
    assert nnx.graphdef(model) == before


def test_a_key_in_a_state_can_be_trained_with_but_not_saved(tmp_path: Path) -> None:
    noise = optax.chain(optax.add_noise(0.1, 0.5, 3), optax.sgd(0.1))
    fit(linear(), DATA, STILL, optimizer=noise, verbose=0)
    with pytest.raises(ValueError, match=r"^optimizer: its state has an array of key<fry>"):
        fit(linear(), DATA, STILL, optimizer=noise, run=tmp_path, verbose=0)


def test_flips_are_for_classes() -> None:
    with pytest.raises(ValueError, match=r"^flips: got True for labels"):
        evaluate(linear(), NUMBERS, loss=squares, flips=True)


def test_an_own_optimizer_that_diverges_says_so() -> None:
    with pytest.raises(DivergedError, match="try a learning rate below its own"):
        fit(linear(), NUMBERS, STILL, loss=squares, optimizer=optax.sgd(1e30), verbose=0)


def test_a_history_with_metrics_is_copied_and_read() -> None:
    row = {"epoch": 1, "loss": 0.5, "accuracy": None, "val_loss": None, "val_accuracy": None}
    row |= {"seconds": 1.0, "images_per_second": 9.0, "learning_rate": None}
    history = from_rows([{**row, "f1": 0.25, "val_f1": "nan"}])
    assert history["f1"] == [0.25]
    assert math.isnan(history["val_f1"][0])
    again: History = pickle.loads(pickle.dumps(history))
    assert (
        dataclasses.asdict(again.epochs[0]).keys() == dataclasses.asdict(history.epochs[0]).keys()
    )
    assert type(again.epochs[0]) is type(history.epochs[0])
    with pytest.raises(KeyError, match="f2"):
        history["f2"]
