"""`TrainConfig` refuses what cannot be trained with, naming the setting."""

import re
from typing import Any

import pytest

from jcnn.config import TrainConfig

INT = "accepted: an int >= 1"
RATE = "accepted: a number > 0"
SHARE = "accepted: 0 <= validation_split < 1"
SEED = "accepted: an int, 0 <= seed < 2**32"


def test_the_defaults() -> None:
    config = TrainConfig()
    assert (config.epochs, config.batch_size, config.learning_rate) == (5, 64, 1e-3)
    assert (config.validation_split, config.seed) == (0.0, 0)


def test_the_limits_are_accepted() -> None:
    config = TrainConfig(1, 1, 0.999, 2**32 - 1, learning_rate=1e-300)
    assert config.seed == 4294967295


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("epochs", 0, f"got 0; {INT}"),
        ("epochs", -1, f"got -1; {INT}"),
        ("epochs", 2.5, f"got 2.5; {INT}"),
        ("epochs", "3", f"got '3'; {INT}"),
        ("batch_size", 0, f"got 0; {INT}"),
        ("batch_size", 64.0, f"got 64.0; {INT}"),
        ("learning_rate", 0.0, f"got 0.0; {RATE}"),
        ("learning_rate", -1e-3, f"got -0.001; {RATE}"),
        ("learning_rate", float("nan"), f"got nan; {RATE}"),
        ("learning_rate", float("inf"), f"got inf; {RATE}"),
        ("validation_split", 1.0, f"got 1.0; {SHARE}"),
        ("validation_split", -0.1, f"got -0.1; {SHARE}"),
        ("validation_split", float("nan"), f"got nan; {SHARE}"),
        ("seed", -1, f"got -1; {SEED}"),
        ("seed", 2**32, f"got 4294967296; {SEED}"),
        ("seed", 0.5, f"got 0.5; {SEED}"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(f'{name}: {message}')}$"):
        TrainConfig(**{name: value})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"clip_value": 1.0, "global_clip_norm": 2.0},
            "global_clip_norm: got 2.0; accepted: None beside clip_value; one clip at most",
        ),
        (
            {"clip_norm": 1.0, "clip_value": 2.0},
            "clip_norm: got 1.0; accepted: None beside clip_value; one clip at most",
        ),
        ({"warmup_epochs": 5.0}, "warmup_epochs: got 5.0; accepted: below 5 epochs"),
        (
            {"warmup_epochs": 1.0, "schedule": "one_cycle"},
            "warmup_epochs: got 1.0; accepted: 0 with one_cycle, which rises",
        ),
    ],
)
def test_settings_that_do_not_go_together(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        TrainConfig(**settings)


def test_settings_that_go_together() -> None:
    assert TrainConfig(clip_norm=1.0, warmup_epochs=4.9, schedule="cosine").clip_norm == 1
    assert TrainConfig(warmup_epochs=0, schedule="one_cycle").warmup_epochs == 0
