"""Keras's rules for early stopping and for plateaus of the learning rate.

Each function takes one column of the history, with a value for each epoch. There is no other
state, so a resumed training makes the same decisions as an uninterrupted one.
"""

import itertools
from collections.abc import Sequence


def larger_is_better(monitor: str) -> bool:
    """Whether larger values of a history column are better, as for "val_accuracy"."""
    return monitor.endswith("accuracy")


def gains(values: Sequence[float], *, min_delta: float, larger_is_better: bool) -> list[bool]:
    """Whether each epoch is better than the best one before it by more than `min_delta`.

    The first epoch always counts as better; a later NaN never does.
    """
    found: list[bool] = []
    best = 0.0
    for value in values:
        better = value - min_delta > best if larger_is_better else value + min_delta < best
        found.append(better or not found)
        best = value if found[-1] else best
    return found


def best_epoch(values: Sequence[float], *, min_delta: float, larger_is_better: bool) -> int | None:
    """The last epoch with a gain, 1 for the first; None without values.

    Keras's `EarlyStopping(restore_best_weights=True)` restores the weights of this epoch. With
    `min_delta`, another epoch may be slightly better.
    """
    found = gains(values, min_delta=min_delta, larger_is_better=larger_is_better)
    return max((epoch for epoch, gain in enumerate(found, 1) if gain), default=None)


def stopped_at(
    values: Sequence[float], *, patience: int, min_delta: float, larger_is_better: bool
) -> int | None:
    """The first epoch that is the `patience`-th in a row without a gain, or None.

    As in Keras's `EarlyStopping`.
    """
    found = gains(values, min_delta=min_delta, larger_is_better=larger_is_better)
    waits = itertools.accumulate(found, lambda wait, gain: 0 if gain else wait + 1, initial=0)
    return next((epoch for epoch, wait in enumerate(waits) if wait >= patience), None)


def reductions(
    values: Sequence[float], *, patience: int, min_delta: float, larger_is_better: bool
) -> int:
    """How often the learning rate has been lowered after these epochs.

    As in Keras's `ReduceLROnPlateau` without a cooldown: at every `patience`-th epoch in a row
    without a gain. Keras's default `min_delta` is 1e-4; here all rules share one `min_delta`.
    """
    found = gains(values, min_delta=min_delta, larger_is_better=larger_is_better)
    runs = (list(run) for gain, run in itertools.groupby(found) if not gain)
    return sum(len(run) // patience for run in runs)
