"""Early stopping and plateaus against a direct loop over the epochs."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jcnn.train.plateau import best_epoch, gains, larger_is_better, reductions, stopped_at

# Sixty-fourths: sums and differences are exact, so that a gain of exactly min_delta is often met.
VALUES = st.lists(st.integers(-8, 8).map(lambda n: n / 64), max_size=30)
DELTAS = st.integers(0, 4).map(lambda n: n / 64)


@given(VALUES, DELTAS, st.booleans(), st.integers(1, 4))
def test_the_rules_are_those_of_a_loop_over_epochs(
    values: list[float], delta: float, rises: bool, patience: int
) -> None:
    best, last_gain, stop = -math.inf, None, None
    wait = lowered = since_lowered = 0
    for epoch, value in enumerate(values, 1):
        score = value if rises else -value
        if score > best + delta:
            best, last_gain, wait, since_lowered = score, epoch, 0, 0
            continue
        wait += 1
        since_lowered += 1
        if stop is None and wait == patience:
            stop = epoch
        if since_lowered == patience:
            lowered, since_lowered = lowered + 1, 0
    assert best_epoch(values, min_delta=delta, larger_is_better=rises) == last_gain
    found = stopped_at(values, patience=patience, min_delta=delta, larger_is_better=rises)
    assert found == stop
    found = reductions(values, patience=patience, min_delta=delta, larger_is_better=rises)
    assert found == lowered


def test_an_example_by_hand() -> None:
    losses = [1.0, 0.8, 0.79, 0.8, 0.7, 0.7, 0.71, 0.72, 0.73]
    assert gains(losses, min_delta=0, larger_is_better=False) == [
        *(True, True, True, False, True),
        *(False, False, False, False),
    ]
    assert best_epoch(losses, min_delta=0, larger_is_better=False) == 5
    assert best_epoch(losses, min_delta=0.15, larger_is_better=False) == 2
    assert stopped_at(losses, patience=2, min_delta=0, larger_is_better=False) == 7
    assert stopped_at(losses, patience=2, min_delta=0.05, larger_is_better=False) == 4
    assert stopped_at(losses, patience=5, min_delta=0, larger_is_better=False) is None
    assert reductions(losses, patience=2, min_delta=0, larger_is_better=False) == 2
    assert reductions(losses, patience=1, min_delta=0, larger_is_better=False) == 5


@pytest.mark.parametrize("rises", [False, True])
def test_nan_is_no_gain(rises: bool) -> None:
    assert gains([0.5, math.nan, 0.5], min_delta=0, larger_is_better=rises) == [True, False, False]


def test_accuracies_rise_and_losses_fall() -> None:
    names = ("val_loss", "val_accuracy", "loss", "accuracy")
    assert [larger_is_better(name) for name in names] == [False, True, False, True]
