"""A training with a time limit stops at a safe point, says so, and goes on with the same bits."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jcnn.config import TrainConfig
from jcnn.data import Note
from jcnn.runs.history import History
from jcnn.train import Event, fit, loop
from tests.train import small

DATA = small.dataset(50)
CONFIG = TrainConfig(epochs=3, batch_size=16, steps_per_call=1)
LATE = replace(CONFIG, time_limit=1e-9)


def notes(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Note)]


def test_a_short_epoch_is_finished(tmp_path: Path) -> None:
    whole, parts = small.model(), small.model()
    expected = fit(whole, DATA, CONFIG, verbose=0)
    events: list[Event] = []
    history = fit(parts, DATA, LATE, run=tmp_path, on_event=events.append)
    assert history["loss"] == expected["loss"][:1]
    assert notes(events) == [
        (
            "time limit of 1e-09 minutes: stopped after epoch 1 (of 3 epochs); the model has the "
            "parameters of the last epoch, 1 (restore_best is off)"
        )
    ]
    history = fit(parts, DATA, CONFIG, run=tmp_path, resume=True, verbose=0)
    assert history["loss"] == expected["loss"]
    small.assert_same_bits(whole, parts)


def test_a_long_epoch_is_stopped_within_and_each_call_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "PATIENCE_SECONDS", 0.0)
    whole, parts = small.model(), small.model()
    config = replace(CONFIG, epochs=1)
    fit(whole, DATA, config, verbose=0)
    before = small.arrays(parts)
    said: list[str] = []
    history, calls = History(), 0
    while not len(history):
        events: list[Event] = []
        late = replace(LATE, epochs=1)
        history = fit(parts, DATA, late, run=tmp_path, resume=calls > 0, on_event=events.append)
        calls += 1
        said += notes(events)
        if not len(history):
            for name, array in small.arrays(parts).items():
                np.testing.assert_array_equal(array, before[name])
    assert calls == 4  # steps
    assert said == [
        f"time limit of 1e-09 minutes: stopped {step} of 4 steps into epoch 1, which are saved "
        "(of 1 epochs); no epoch is finished, and the model has its initial parameters"
        for step in (1, 2, 3)
    ]
    small.assert_same_bits(whole, parts)


def test_without_a_run_folder_it_says_what_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "PATIENCE_SECONDS", 0.0)
    events: list[Event] = []
    assert not len(fit(small.model(), DATA, LATE, on_event=events.append))
    assert "1 of 4 steps into epoch 1, which are not kept without a run folder" in notes(events)[0]


def test_a_training_that_is_finished_in_time_says_nothing() -> None:
    events: list[Event] = []
    config = replace(LATE, epochs=1)
    assert len(fit(small.model(), DATA, config, on_event=events.append)) == 1
    assert notes(events) == []
