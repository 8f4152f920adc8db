"""Diverged models are detected, and excluded from every mean."""

import math
from dataclasses import replace

import numpy as np
import pytest
from flax import nnx

from jcnn.config import TrainConfig
from jcnn.layers import Dense, Flatten, Sequential
from jcnn.runs.history import EpochResult, History, mean_history
from jcnn.train import DivergedError, Event, Progress, epoch_results, fit, fit_population
from tests.train import small

# One step an epoch: its loss is finite, and what it leaves of the parameters is not.
CONFIG = TrainConfig(
    epochs=2, batch_size=50, optimizer="sgd", shuffle=False, class_weights=(50.0,) * 3
)
TOO_FAST = replace(CONFIG, learning_rate=3e38)
DATA = small.dataset(50)


def linear() -> Sequential:
    return Sequential([Flatten(), Dense(60, 3, rngs=nnx.Rngs(0))])


def test_parameters_that_became_infinite_are_noticed_though_the_loss_is_finite() -> None:
    model = linear()
    before, losses = small.arrays(model), []

    def keep(event: Event) -> None:
        if isinstance(event, Progress):
            losses.append(event.loss)

    said = r"^the parameters became infinite or NaN in epoch 1; the last good epoch is 0"
    with pytest.raises(DivergedError, match=said):
        fit(model, DATA, TOO_FAST, on_event=keep)
    assert len(losses) == 1
    assert math.isfinite(losses[0])
    for name, array in small.arrays(model).items():
        np.testing.assert_array_equal(array, before[name])


def test_a_diverged_member_is_in_no_mean() -> None:
    alone: list[Event] = []
    expected = fit(linear(), DATA, CONFIG, on_event=alone.append)
    events: list[Event] = []
    models = [linear(), linear(), linear()]
    histories = fit_population(models, DATA, [CONFIG, TOO_FAST, CONFIG], on_event=events.append)
    assert [math.isnan(loss) for loss in histories[1]["loss"]] == [True, True]
    assert histories[0]["accuracy"][0] == expected["accuracy"][0]
    # The first epoch's numbers are those of the parameters that all began with.
    for kind in (Progress, EpochResult):
        found = [event for event in events if isinstance(event, kind)]
        single = [event for event in alone if isinstance(event, kind)]
        for many, one in zip(found, single, strict=True):
            np.testing.assert_allclose(many.loss, one.loss, rtol=1e-5)
            assert many.accuracy == pytest.approx(one.accuracy, abs=1e-9)


def test_an_infinite_loss_is_in_no_mean_of_the_progress() -> None:
    means = epoch_results.Means(
        np.array([1.0, math.inf, 3.0, math.nan]), np.array([0.5, 0, 0.75, 0]), {}
    )
    told = epoch_results.progress(2, 3, 4, means, 0.25)
    assert told == Progress(2, 3, 4, 2.0, 0.625, 0.25)


def test_the_mean_of_histories_leaves_out_what_diverged() -> None:
    def row(loss: float, accuracy: float, rate: float) -> EpochResult:
        return EpochResult(1, loss, accuracy, loss / 2, accuracy / 2, 3.0, 60.0, rate)

    rows = [row(2.0, 0.25, 0.1), row(math.nan, 0.0, 9.0), row(1.0, 0.75, 0.3)]
    histories = [History((one,)) for one in rows]
    mean = mean_history(histories).epochs[0]
    assert (mean.loss, mean.accuracy, mean.val_loss, mean.val_accuracy) == (1.5, 0.5, 0.75, 0.25)
    assert (mean.epoch, mean.seconds, mean.images_per_second) == (1, 3.0, 60.0)
    assert mean.learning_rate == pytest.approx(0.2)
    infinite = mean_history([histories[0], History((row(math.inf, 0.0, 9.0),))]).epochs[0]
    assert infinite == rows[0]
    assert math.isnan(mean_history([histories[1]] * 2).epochs[0].loss)
