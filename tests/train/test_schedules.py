"""Schedules against their formulas in float64, at boundaries, and for counts above 2**24."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jcnn.config import TrainConfig
from jcnn.train.schedules import learning_rate_factor

SETTINGS: dict[str, dict[str, Any]] = {
    "constant": {"schedule": "constant"},
    "cosine": {"schedule": "cosine"},
    "one_cycle": {"schedule": "one_cycle"},
    "exponential": {"schedule": "exponential", "decay_epochs": (1.5,), "decay_rate": 0.3},
    "piecewise": {"schedule": "piecewise", "decay_epochs": (2, 3.5, 9), "decay_rate": 0.2},
}


def expected(config: TrainConfig, per_epoch: float, count: int) -> float:
    """The factor by its definition, one count at a time."""
    warmup = round(config.warmup_epochs * per_epoch)
    if count < warmup:
        return count / warmup
    c, all_of_them = count - warmup, config.epochs * per_epoch - warmup
    done = min(c / all_of_them, 1)
    if config.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * done))
    if config.schedule == "one_cycle":
        if done < 0.3:
            return 0.04 + 0.96 * 0.5 * (1 - math.cos(math.pi * done / 0.3))
        return 0.5 * (1 + math.cos(math.pi * (done - 0.3) / 0.7))
    if config.schedule == "exponential":
        return float(config.decay_rate ** (c / per_epoch / config.decay_epochs[0]))
    if config.schedule == "piecewise":
        behind = [b for b in config.decay_epochs if c > round(b * per_epoch)]
        return float(config.decay_rate ** len(behind))
    return 1.0


def factors(config: TrainConfig, per_epoch: float, counts: Any) -> Any:
    factor = jax.jit(learning_rate_factor(config, per_epoch))
    found = factor(jnp.asarray(counts, jnp.int32))
    assert found.dtype == jnp.float32
    return np.asarray(found)


@given(st.data())
def test_a_schedule_follows_its_formula(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(list(SETTINGS)))
    warmup = 0.0 if name == "one_cycle" else data.draw(st.sampled_from([0.0, 0.4, 1.0, 2.5]))
    epochs = data.draw(st.integers(3, 12))
    per_epoch = data.draw(st.integers(2, 100)) / 2  # halves, as where two steps make an update
    config = TrainConfig(epochs=epochs, warmup_epochs=warmup, **SETTINGS[name])
    counts = np.arange(650)  # of one length in all cases: operations are compiled once
    wanted = [expected(config, per_epoch, int(count)) for count in counts]
    factor = learning_rate_factor(config, per_epoch)
    np.testing.assert_allclose(factor(jnp.asarray(counts, jnp.int32)), wanted, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_first_update_and_the_one_after_the_last(name: str) -> None:
    first, last, after = factors(TrainConfig(epochs=10, **SETTINGS[name]), 30, [0, 299, 300])
    wanted = {
        "constant": (1, 1, 1),
        "cosine": (1, math.sin(math.pi / 600) ** 2, 0),
        "one_cycle": (0.04, math.sin(math.pi / 420) ** 2, 0),
        "exponential": (1, 0.3 ** (299 / 45), 0.3 ** (300 / 45)),
        "piecewise": (1, 0.2**3, 0.2**3),
    }[name]
    np.testing.assert_allclose([first, last, after], wanted, rtol=1e-5, atol=1e-6)


def test_the_warm_up_rises_from_nothing_to_the_schedule_s_beginning() -> None:
    config = TrainConfig(epochs=6, schedule="cosine", warmup_epochs=2)
    found = factors(config, 10, [0, 1, 19, 20, 40, 60])
    np.testing.assert_allclose(found, [0, 0.05, 0.95, 1, 0.5, 0], atol=1e-6)


def test_one_cycle_is_largest_after_three_tenths() -> None:
    found = factors(TrainConfig(epochs=10, schedule="one_cycle"), 10, np.arange(101))
    assert found.argmax() == 30
    assert found[30] == 1
    assert (np.diff(found[:31]) > 0).all()
    assert (np.diff(found[30:]) < 0).all()


def test_the_update_at_a_boundary_belongs_to_the_piece_before() -> None:
    config = TrainConfig(epochs=6, schedule="piecewise", decay_epochs=(2, 3), decay_rate=0.5)
    np.testing.assert_array_equal(factors(config, 7, [14, 15, 21, 22]), [1, 0.5, 0.5, 0.25])


def test_no_count_is_lost_beyond_float32_s_whole_numbers() -> None:
    """In float32 2**24 + 3 and 2**24 + 4 are one number."""
    at = 2**24 + 3
    pieces = TrainConfig(epochs=3, schedule="piecewise", decay_epochs=(1,), decay_rate=0.5)
    found = factors(pieces, at, [at - 1, at, at + 1, 2**31 - 1])
    np.testing.assert_array_equal(found, [1, 1, 0.5, 0.5])
    warmup = TrainConfig(
        epochs=3, warmup_epochs=1, schedule="piecewise", decay_epochs=(1e-7,), decay_rate=0.5
    )
    found = factors(warmup, at, [at, at + 2, at + 3])
    np.testing.assert_array_equal(found, [1, 1, 0.5])


@pytest.mark.parametrize("name", SETTINGS)
def test_counts_near_the_largest_follow_the_formula(name: str) -> None:
    config = TrainConfig(epochs=120, **SETTINGS[name])
    per_epoch = 2**24 + 3
    counts = [2**24, 2**24 + 1, 2**30 + 1, 2**31 - 1]
    wanted = [expected(config, per_epoch, count) for count in counts]
    np.testing.assert_allclose(factors(config, per_epoch, counts), wanted, rtol=2e-5, atol=1e-6)


def test_a_boundary_beyond_int32_is_never_reached() -> None:
    config = TrainConfig(epochs=1, schedule="piecewise", decay_epochs=(1000,))
    assert factors(config, 2**24, [2**31 - 1]) == 1


def test_a_factor_is_mapped_over_a_population_s_counts() -> None:
    factor = learning_rate_factor(TrainConfig(**SETTINGS["piecewise"]), 5)
    counts = jnp.arange(50).reshape(10, 5)
    np.testing.assert_array_equal(jax.jit(jax.vmap(factor))(counts), jax.jit(factor)(counts))
    assert jax.eval_shape(factor, counts[0, 0]).shape == ()
