"""Timing functions of one library in turn, in this process.

Contestants of different libraries need processes of their own: see `pairs`.
"""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax

# A counted run lasts at least so long: a quick function is called several times in it.
_LEAST = 0.01
# A contestant is timed for about so long in all, but never fewer than three times.
_BUDGET = 1.0
_FEWEST = 3


def time_in_rounds(
    calls: Mapping[str, Callable[[], Any]], *, rounds: int, most: float = 5.0
) -> dict[str, tuple[float, ...]]:
    """Time each function once a round, in turn; the order is reversed every other round.

    A slow function sits out the later rounds.

    Args:
        calls: each returns arrays, which are waited for; they are compiled already.
        rounds: counted runs of each, at the most.
        most: a function whose first run takes more seconds is not timed.

    Returns:
        Seconds of each counted run; the mean of the calls in it, where it has several. Empty for
        a function that was given up.
    """
    repeats: dict[str, int] = {}
    turns: dict[str, int] = {}
    for name, call in calls.items():
        if _seconds(call, 1) > most:
            continue
        once = _seconds(call, 1)
        repeats[name] = max(1, math.ceil(_LEAST / once))
        affordable = max(_FEWEST, int(_BUDGET / (repeats[name] * once)))
        turns[name] = min(rounds, affordable)
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds):
        left = [name for name in repeats if number < turns[name]]
        for name in left if number % 2 == 0 else reversed(left):
            if repeats[name] > 1:  # after another's turn the caches hold nothing of this one's
                _seconds(calls[name], 1)
            taken[name].append(_seconds(calls[name], repeats[name]))
    return {name: tuple(seconds) for name, seconds in taken.items()}


def _seconds(call: Callable[[], Any], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        jax.block_until_ready(call())
    return (time.perf_counter() - start) / repeats
