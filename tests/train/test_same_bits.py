"""The same seed gives the same bits, also after an interruption and a resume."""

from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx

from jcnn import checkpoint
from jcnn.config import TrainConfig
from jcnn.runs.history import EpochResult
from jcnn.train import DivergedError, Event, Progress, fit, loop, step
from tests.train import small

CONFIG = TrainConfig(epochs=4, batch_size=16, validation_split=0.2, seed=7)


def test_the_same_seed_gives_the_same_bits() -> None:
    first, second = small.model(), small.model()
    a, b = fit(first, small.dataset(), CONFIG), fit(second, small.dataset(), CONFIG)
    small.assert_same_bits(first, second)
    assert a["loss"] == b["loss"]
    assert a["val_loss"] == b["val_loss"]


def test_another_seed_gives_another_result() -> None:
    first, second = small.model(), small.model()
    fit(first, small.dataset(), TrainConfig(epochs=1, batch_size=16, seed=1))
    fit(second, small.dataset(), TrainConfig(epochs=1, batch_size=16, seed=2))
    assert not np.array_equal(first.dense.kernel[...], second.dense.kernel[...])


def test_two_epochs_and_two_more_equal_four(tmp_path: Path) -> None:
    whole, parts, resumed = small.model(), small.model(), small.model(99)
    data = small.dataset()
    expected = fit(whole, data, CONFIG)
    two = TrainConfig(epochs=2, batch_size=16, validation_split=0.2, seed=7)
    fit(parts, data, two, run=tmp_path / "run")
    history = fit(resumed, data, CONFIG, run=tmp_path / "run", resume=True)
    small.assert_same_bits(whole, resumed)
    for column in ("epoch", "loss", "accuracy", "val_loss", "val_accuracy"):
        assert history[column] == expected[column]


def test_how_often_python_looks_in_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    by_step, at_once = small.model(), small.model()
    monkeypatch.setattr(loop, "next_stop", lambda step, end, seconds, config: step + 1)
    fit(by_step, small.dataset(), CONFIG)
    monkeypatch.setattr(loop, "next_stop", lambda step, end, seconds, config: end)
    fit(at_once, small.dataset(), CONFIG)
    small.assert_same_bits(by_step, at_once)


def test_ctrl_c_keeps_the_last_finished_epoch(tmp_path: Path) -> None:
    data = small.dataset()

    def interrupt(event: Event) -> None:
        if isinstance(event, Progress) and event.epoch == 3:
            raise KeyboardInterrupt

    stopped = small.model()
    with pytest.raises(KeyboardInterrupt):
        fit(stopped, data, CONFIG, run=tmp_path / "run", on_event=interrupt)
    two = small.model()
    fit(two, data, TrainConfig(epochs=2, batch_size=16, validation_split=0.2, seed=7))
    small.assert_same_bits(stopped, two)
    assert checkpoint.steps(tmp_path / "run") == [3, 6]

    resumed, whole = small.model(), small.model()
    fit(resumed, data, CONFIG, run=tmp_path / "run", resume=True)
    fit(whole, data, CONFIG)
    small.assert_same_bits(resumed, whole)


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_epoch(tmp_path: Path) -> None:
    # The step before the last of epoch 2 is poisoned through the learning rate of a resumed run.
    data = small.dataset()
    model = small.model()
    fit(model, data, TrainConfig(epochs=1, batch_size=16), run=tmp_path / "run")
    good = small.arrays(model)
    config = TrainConfig(epochs=3, batch_size=16, learning_rate=1e38)
    with pytest.raises(
        DivergedError, match=r"the loss became NaN or infinite in epoch 2.*last good"
    ):
        fit(model, data, config, run=tmp_path / "run", resume=True)
    for name, array in small.arrays(model).items():
        np.testing.assert_array_equal(array, good[name])
    assert checkpoint.steps(tmp_path / "run") == [4]
    assert len((tmp_path / "run" / "history.jsonl").read_text().splitlines()) == 1


def test_a_finished_run_is_left_as_it_is(tmp_path: Path) -> None:
    data = small.dataset()
    model, again = small.model(), small.model(5)
    config = TrainConfig(epochs=2, batch_size=16)
    fit(model, data, config, run=tmp_path / "run")
    events: list[Event] = []
    history = fit(again, data, config, run=tmp_path / "run", resume=True, on_event=events.append)
    assert events == []
    assert len(history) == 2
    small.assert_same_bits(model, again)


def test_two_dropouts_of_one_step_draw_different_masks() -> None:
    model = small.model()
    key = jax.random.key(3)
    step.reseed(model, key)
    first, second = model.dropout.rngs(), model.dropout_1.rngs()
    assert not np.array_equal(jax.random.key_data(first), jax.random.key_data(second))
    step.reseed(model, key)
    np.testing.assert_array_equal(
        jax.random.key_data(model.dropout.rngs()), jax.random.key_data(first)
    )
    step.reseed(model, jax.random.key(4))
    assert not np.array_equal(jax.random.key_data(model.dropout.rngs()), jax.random.key_data(first))


def test_one_stream_shared_by_two_dropouts_draws_different_masks() -> None:
    class Shared(nnx.Module):
        def __init__(self) -> None:
            self.rngs = nnx.Rngs(0)

    model = Shared()
    step.reseed(model, jax.random.key(3))
    masks = [jax.random.key_data(model.rngs.dropout()) for _ in range(2)]
    assert not np.array_equal(masks[0], masks[1])


def test_every_epoch_has_its_own_order() -> None:
    orders: list[list[float]] = []

    def keep(event: Event) -> None:
        if isinstance(event, EpochResult):
            orders.append(losses.copy())
            losses.clear()
        elif isinstance(event, Progress):
            losses.append(event.loss)

    losses: list[float] = []
    config = TrainConfig(epochs=3, batch_size=16, learning_rate=1e-30)
    fit(small.PlainNet(nnx.Rngs(0)), small.dataset(64), config, on_event=keep)
    assert len({round(order[0], 6) for order in orders}) == 3
