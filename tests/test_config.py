"""`TrainConfig` rejects invalid settings by name."""

import re
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from jcnn.config import Population, TrainConfig

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
            "global_clip_norm: got 2.0; accepted: None together with clip_value; at most one clip",
        ),
        (
            {"clip_norm": 1.0, "clip_value": 2.0},
            "clip_norm: got 1.0; accepted: None together with clip_value; at most one clip",
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


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("epochs", np.int64(3), 3),
        ("epochs", jnp.int32(3), 3),
        ("batch_size", np.array(16), 16),
        ("shuffle", np.bool_(False), False),
        ("learning_rate", np.float32(0.5), 0.5),
        ("learning_rate", jnp.float32(0.25), 0.25),
        ("learning_rate", np.float64(0.1), 0.1),
        ("class_weights", [1.0, 2.0], (1.0, 2.0)),
        ("class_weights", np.array([1, 0.5], np.float32), (1.0, 0.5)),
        ("class_weights", [np.float32(1), jnp.float32(0.5)], (1.0, 0.5)),
        ("class_weights", {"cat": np.float32(2)}, (("cat", 2.0),)),
        ("class_weights", [["cat", 2.0]], (("cat", 2.0),)),  # as JSON has it
    ],
)
def test_numbers_and_sequences_are_made_plain(name: str, given: Any, kept: Any) -> None:
    config = TrainConfig(**{name: given})
    value = getattr(config, name)
    assert value == kept
    assert type(value) is type(kept)
    if isinstance(value, tuple):
        assert [type(x) for x in value] == [type(x) for x in kept]
    assert hash(config) == hash(TrainConfig(**{name: kept}))


def test_sequences_of_other_settings_are_made_plain() -> None:
    config = TrainConfig(schedule="exponential", decay_epochs=[1.0])
    assert config.decay_epochs == (1.0,)
    tried: Any = np.array([0.5, 0.25], np.float32)
    members = Population(2, tried, [0.25]).members(config, None)
    assert [member.learning_rate for member, _ in members] == [0.5, 0.5, 0.25, 0.25]
    assert all(type(member.learning_rate) is float for member, _ in members)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"class_weights": (0.0, 0)}, "class_weights: got (0.0, 0); accepted: numbers >= 0, one"),
        ({"class_weights": np.zeros((2, 2))}, "class_weights: got ((0.0, 0.0), (0.0, 0.0));"),
        ({"class_weights": {"cat": -1}}, "class_weights: got (('cat', -1),);"),
        ({"class_weights": {}}, "class_weights: got ();"),
        ({"class_weights": 2.0}, "class_weights: got 2.0;"),
        ({"class_weights": "balance"}, "class_weights: got 'balance'; accepted: numbers >= 0, one"),
        ({"keep_checkpoints": 1}, "keep_checkpoints: got 1; accepted: None, all, or an int >= 2"),
        ({"keep_checkpoints": "al"}, "keep_checkpoints: got 'al'; accepted: None, all, or"),
        ({"time_limit": 0}, "time_limit: got 0; accepted: None, or a number > 0"),
        ({"class_weights": (1.0, float("nan"))}, "class_weights: got (1.0, nan);"),
        ({"schedule": "piecewise", "decay_epochs": 1.0}, "decay_epochs: got 1.0;"),
        ({"schedule": "piecewise", "decay_epochs": (1, float("inf"))}, "decay_epochs: got (1, inf"),
        ({"learning_rate": "0.1"}, "learning_rate: got '0.1'; accepted: a number > 0"),
        ({"learning_rate": np.ones(2)}, "learning_rate: got (1.0, 1.0); accepted: a number > 0"),
        ({"ema": "half"}, "ema: got 'half'; accepted: 0 <= ema < 1"),
        ({"shuffle": 1}, "shuffle: got 1; accepted: True or False"),
        ({"seed": True}, "seed: got True; accepted: an int"),
    ],
)
def test_what_is_no_setting_is_named(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(named)}"):
        TrainConfig(**settings)


def test_balanced_class_weights() -> None:
    """As scikit-learn's: 8 images, of which 1, 5 and 2 are of a class, and none of the third."""
    config = TrainConfig(class_weights="balanced")
    found = config.with_class_weights_of(("a", "b", "c", "d"), (1, 5, 0, 2)).class_weights
    assert found == (8 / 3, 8 / 15, 1.0, 8 / 6)


def test_class_weights_by_name() -> None:
    config = TrainConfig(class_weights={"dog": 2.5, "cat": 0})
    assert config.with_class_weights_of(("cat", "dog", "horse"), (1, 1, 1)).class_weights == (
        0,
        2.5,
        1.0,
    )
    with pytest.raises(
        ValueError, match=r"^class_weights: got 'cat'; accepted: names of dog, cow$"
    ):
        config.with_class_weights_of(("dog", "cow"), (1, 1))
