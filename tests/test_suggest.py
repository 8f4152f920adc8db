"""Suggestions for names that do not exist."""

from typing import Any

import pytest

from jcnn.config import TrainConfig
from jcnn.suggest import did_you_mean

NAMES = ("--learning-rate", "--learning-rates", "--epochs", "--decay-epochs", "conv4", "mlp")


@pytest.mark.parametrize(
    ("got", "meant"),
    [
        ("--lr", "--learning-rate"),
        ("--epoch", "--epochs"),
        ("--EPOCHS", "--epochs"),
        ("--learning_rate", "--learning-rate"),
        ("conv44", "conv4"),
        ("mpl", "mlp"),
    ],
)
def test_the_nearest_name(got: str, meant: str) -> None:
    assert did_you_mean(got, NAMES) == f"; did you mean {meant!r}?"


@pytest.mark.parametrize("got", ["", "--", "zebra", "--output"])
def test_nothing_near(got: str) -> None:
    assert did_you_mean(got, NAMES) == ""
    assert did_you_mean(got, []) == ""


def test_settings_are_suggested() -> None:
    wrong: Any = {"optimizer": "adamm"}
    with pytest.raises(ValueError, match=r"lion, muon; did you mean 'adam'\?$"):
        TrainConfig(**wrong)
