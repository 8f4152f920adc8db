"""What `fit` prints: a line an epoch, and why training ended and with which epoch."""

import re
from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pytest
from flax import nnx

from jcnn.config import TrainConfig
from jcnn.runs.history import EpochResult, History
from jcnn.train import Event, fit, fit_population
from jcnn.train.epoch_results import ending
from tests.train import small

LINE = re.compile(
    r"epoch (\d)/(\d)  loss (\S+)  accuracy (\S+)  val_loss (\S+)  val_accuracy (\S+)"
    r"  \d+\.\d s  [\d,]+ images/s"
)
CONFIG = TrainConfig(epochs=3, batch_size=16, validation_split=0.3)


def history(*values: float) -> History:
    """A history with these validation losses, and accuracies 1 minus them."""
    return History(
        tuple(
            EpochResult(i, value, 1 - value, value, 1 - value, 1.0, 10.0)
            for i, value in enumerate(values, 1)
        )
    )


def test_a_line_for_each_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    found = fit(small.model(), small.dataset(50), CONFIG)
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "\r" not in printed.out and "\x1b" not in printed.out
    note, compiling, *lines = printed.out.splitlines()
    assert note.startswith("note: ") and compiling == "compiling ..."
    assert len(lines) == 3
    for line, row in zip(lines, found.epochs, strict=True):
        match = LINE.fullmatch(line)
        assert match is not None, line
        epoch, epochs, *numbers = match.groups()
        assert (int(epoch), int(epochs)) == (row.epoch, 3)
        expected = [row.loss, row.accuracy, row.val_loss, row.val_accuracy]
        assert [float(x) for x in numbers] == pytest.approx(expected, abs=6e-5)


def test_a_silent_training(capsys: pytest.CaptureFixture[str]) -> None:
    data = small.dataset(50)
    events: list[Event] = []
    fit(small.model(), data, CONFIG, verbose=0)
    fit(small.model(), data, CONFIG, on_event=events.append)
    fit_population([small.model(i) for i in (0, 1)], data, [CONFIG] * 2, verbose=0)
    assert capsys.readouterr() == ("", "")
    assert len(events) > 3
    with pytest.raises(ValueError, match=r"^verbose: got 2; accepted: 0 or 1$"):
        fit(small.model(), data, CONFIG, verbose=2)


def test_early_stopping_says_which_epoch_the_model_has(capsys: pytest.CaptureFixture[str]) -> None:
    """The oracle is a training that is as long as the epoch that the line names."""
    config = replace(CONFIG, epochs=9, patience=2, restore_best=True, learning_rate=0.3, seed=1)
    data, stopped = small.dataset(50), small.model()
    found = fit(stopped, data, config)
    *_, last = capsys.readouterr().out.splitlines()
    match = re.fullmatch(
        r"note: early stopping after epoch (\d) of 9: val_loss has not improved for 2 epochs, "
        r"since (\S+) in epoch (\d); the model has the parameters of epoch (\d), the best by "
        r"val_loss",
        last,
    )
    assert match is not None, last
    end, value, since, best = match.groups()
    assert int(end) == len(found) < 9
    assert int(since) == int(best) == int(np.argmin(found["val_loss"])) + 1 == len(found) - 2
    assert float(value) == pytest.approx(min(found["val_loss"]), abs=6e-5)
    as_long = small.model()
    fit(as_long, data, replace(config, epochs=int(best), patience=None), verbose=0)
    params = [jax.tree.leaves(nnx.state(model, nnx.Param)) for model in (stopped, as_long)]
    for here, there in zip(*params, strict=True):
        np.testing.assert_array_equal(here, there)


def test_a_callback_that_stops(capsys: pytest.CaptureFixture[str]) -> None:
    fit(small.model(), small.dataset(50), CONFIG, callbacks=[lambda _model, rows: len(rows) == 2])
    assert capsys.readouterr().out.splitlines()[-1] == (
        "note: stopped by a callback after epoch 2 of 3; the model has the parameters of the last "
        "epoch, 2 (restore_best is off)"
    )


@pytest.mark.parametrize(
    ("changes", "values", "expected"),
    [
        ({}, (0.5, 0.25, 0.75), ""),
        ({"restore_best": True}, (0.5, 0.4, 0.25), ""),
        (
            {"restore_best": True},
            (0.5, 0.25, 0.75),
            "the model has the parameters of epoch 2, the best by val_loss",
        ),
        (
            {"epochs": 9, "patience": 1, "min_delta": 0.125, "monitor": "val_accuracy"},
            (0.5, 0.4),
            (
                "early stopping after epoch 2 of 9: val_accuracy has not improved by more than "
                "0.125 for 1 epoch, since 0.5000 in epoch 1; the model has the parameters of the "
                "last epoch, 2 (restore_best is off)"
            ),
        ),
        ({"patience": 2}, (0.5, 0.25, 0.75), ""),
    ],
    ids=["nothing", "last is best", "restored", "threshold", "patient"],
)
def test_the_words_about_the_end(
    changes: dict[str, Any], values: tuple[float, ...], expected: str
) -> None:
    assert ending(replace(TrainConfig(epochs=3), **changes), [history(*values)]) == expected


def test_the_words_about_several_models() -> None:
    config = TrainConfig(epochs=3, restore_best=True)
    assert ending(config, [history(0.5, 0.25, 0.3), history(0.1, 0.2, 0.3)]) == (
        "the models have the parameters of their best epochs by val_loss, 2, 1"
    )
