"""Each model of a population equals the one that `fit` trains alone."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from flax import nnx

from jcnn import ops
from jcnn.config import TrainConfig
from jcnn.layers import Dense, Dropout, Flatten, Sequential
from jcnn.runs.history import History
from jcnn.train import DivergedError, Event, Progress, fit, fit_population, loop
from tests.train import small

CONFIG = TrainConfig(epochs=2, batch_size=16, validation_split=0.2)
# Of float32: two programs may add the same numbers in another order. Measured on CPU: 0.
TOLERANCE = 1e-5


def dropper(rate: float, seed: int = 0) -> Sequential:
    rngs = nnx.Rngs(seed)
    layers = [Flatten(), Dense(60, 8, activation=ops.relu, rngs=rngs), Dropout(rate, rngs=rngs)]
    return Sequential([*layers, Dense(8, 3, rngs=rngs)])


def assert_close(a: nnx.Module, b: nnx.Module) -> None:
    left, right = small.arrays(a), small.arrays(b)
    assert left.keys() == right.keys()
    for name, array in left.items():
        np.testing.assert_allclose(array, right[name], atol=TOLERANCE, err_msg=name)


@pytest.fixture
def each_mode(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mode of a CPU and that of an accelerator."""
    monkeypatch.setattr(loop, "population_mode", lambda: request.param)


@pytest.mark.parametrize(
    "each_mode", ["vmap", pytest.param("map", marks=pytest.mark.slow)], indirect=True
)
@pytest.mark.usefixtures("each_mode")
def test_together_is_as_alone() -> None:
    data = small.dataset()
    configs = [
        replace(CONFIG, seed=seed, learning_rate=10**-rate) for seed, rate in ((3, 2), (4, 3))
    ]
    together = [small.model(config.seed) for config in configs]
    histories = fit_population(together, data, configs)
    for model, config, history in zip(together, configs, histories, strict=True):
        alone = small.model(config.seed)
        expected = fit(alone, data, config)
        assert_close(model, alone)
        for column in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"):
            np.testing.assert_allclose(history[column], expected[column], atol=TOLERANCE)
    assert histories[0]["loss"] != histories[1]["loss"]


@pytest.mark.parametrize(
    "each_mode", ["vmap", pytest.param("map", marks=pytest.mark.slow)], indirect=True
)
@pytest.mark.usefixtures("each_mode")
def test_members_may_differ_in_dropout() -> None:
    data = small.dataset()
    rates = (0.0, 0.25, 0.6)
    together = [dropper(rate) for rate in rates]
    fit_population(together, data, [CONFIG] * 3)
    for model, rate in zip(together, rates, strict=True):
        alone = dropper(rate)
        fit(alone, data, CONFIG)
        assert_close(model, alone)
        assert model.dropout.rate == rate


def test_all_settings_hold_for_each_member() -> None:
    data = small.dataset()
    config = replace(
        CONFIG,
        epochs=3,
        ema=0.8,
        restore_best=True,
        plateau_patience=1,
        accumulate_steps=2,
        augment="shift,mixup",
        schedule="cosine",
    )
    configs = [replace(config, seed=seed, learning_rate=0.03) for seed in (1, 2)]
    together = [dropper(0.2, seed) for seed in (1, 2)]
    histories = fit_population(together, data, configs)
    for model, config, history in zip(together, configs, histories, strict=True):
        alone = dropper(0.2, config.seed)
        expected = fit(alone, data, config)
        assert_close(model, alone)
        np.testing.assert_allclose(history["val_loss"], expected["val_loss"], atol=TOLERANCE)
        np.testing.assert_allclose(history["learning_rate"], expected["learning_rate"], rtol=1e-6)


def test_a_population_is_resumed_bit_for_bit(tmp_path: Path) -> None:
    data = small.dataset()
    configs = [replace(CONFIG, seed=seed) for seed in (1, 2)]
    whole = [dropper(0.2, seed) for seed in (1, 2)]
    parts = [dropper(0.2, seed) for seed in (1, 2)]
    resumed = [dropper(0.2, seed) for seed in (7, 8)]
    expected = fit_population(whole, data, configs)
    fit_population(parts, data, [replace(c, epochs=1) for c in configs], run=tmp_path)
    histories = fit_population(resumed, data, configs, run=tmp_path, resume=True)
    for a, b in zip(whole, resumed, strict=True):
        small.assert_same_bits(a, b)
    assert [h["loss"] for h in histories] == [h["loss"] for h in expected]
    assert len((tmp_path / "history.jsonl").read_text().splitlines()) == 2
    with pytest.raises(ValueError, match=r"holds a training of 2 models, not of 1"):
        fit(dropper(0.2), data, CONFIG, run=tmp_path, resume=True)


def test_one_that_diverges_leaves_the_others_alone() -> None:
    data = small.dataset()
    configs = [replace(CONFIG, learning_rate=rate) for rate in (1e38, 1e-3)]
    together = [dropper(0.2), dropper(0.2)]
    events: list[Event] = []
    histories = fit_population(together, data, configs, on_event=events.append)
    alone = dropper(0.2)
    expected = fit(alone, data, configs[1])
    assert all(math.isnan(loss) for loss in histories[0]["loss"])
    np.testing.assert_allclose(histories[1]["loss"], expected["loss"], atol=TOLERANCE)
    assert_close(together[1], alone)
    assert all(math.isfinite(e.loss) for e in events if isinstance(e, Progress))
    with pytest.raises(DivergedError):
        fit_population([dropper(0.2), dropper(0.2)], data, [configs[0]] * 2)


def test_callbacks_are_called_for_each_member() -> None:
    data, seen = small.dataset(), []

    def look(model: nnx.Module, history: History) -> None:
        seen.append((len(history), history["val_loss"][-1], fingerprint(model)))

    def fingerprint(model: nnx.Module) -> float:
        return float(sum(np.sum(a, dtype=np.float64) for a in small.arrays(model).values()))

    models = [dropper(0.2, seed) for seed in (1, 2)]
    histories = fit_population(models, data, [CONFIG] * 2, callbacks=[look])
    assert [row[0] for row in seen] == [1, 1, 2, 2]
    assert [row[1] for row in seen[2:]] == [h["val_loss"][-1] for h in histories]
    assert [row[2] for row in seen[2:]] == [fingerprint(model) for model in models]


def test_what_cannot_be_trained_together_is_refused() -> None:
    data = small.dataset()
    with pytest.raises(ValueError, match=r"^configs: got 1 for 2 models$"):
        fit_population([dropper(0.1), dropper(0.1)], data, [CONFIG])
    with pytest.raises(ValueError, match=r"^configs: members may differ in seed and learning_rate"):
        fit_population([dropper(0.1)] * 2, data, [CONFIG, replace(CONFIG, batch_size=8)])
    with pytest.raises(ValueError, match=r"^models: number 1 has another structure than number 0"):
        fit_population([dropper(0.1), small.model()], data, [CONFIG] * 2)
    with pytest.raises(ValueError, match=r"^patience: got 2; accepted: None for several models"):
        fit_population([dropper(0.1)] * 2, data, [replace(CONFIG, patience=2)] * 2)
