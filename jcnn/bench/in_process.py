"""Time functions of one library in alternating order, in this process.

Contestants of different libraries need separate processes: see `processes`.
"""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax

# Least duration of a timed run, in seconds; a fast function is called several times per run.
_LEAST = 0.01
# Total time for each contestant, in seconds; it is timed at least three times.
_BUDGET = 1.0
_FEWEST = 3


def time_in_rounds(
    calls: Mapping[str, Callable[[], Any]],
    *,
    rounds: int,
    most: float = 5.0,
    least: float | None = None,
    queued: bool = False,
) -> dict[str, tuple[float, ...]]:
    """Time each function once per round; every other round reverses the order.

    A slow function is skipped in the later rounds.

    Args:
        calls: compiled functions that return arrays; a run waits for them.
        rounds: largest number of timed runs of each.
        most: a function whose first run takes more seconds is not timed.
        least: least seconds of a timed run, in which a faster function is called several times;
            None means a hundredth of a second.
        queued: a run waits only after its last call, so that an accelerator does not wait for
            Python between calls. The calls of a run then overlap on a CPU.

    Returns:
        Seconds of each timed run, or the mean over its calls if it has several. Empty for a
        function that was not timed.
    """
    least = _LEAST if least is None else least
    repeats: dict[str, int] = {}
    turns: dict[str, int] = {}
    for name, call in calls.items():
        first = _seconds(call, 1, queued)
        if first > most:
            continue
        once = first if first > _BUDGET else _seconds(call, 1, queued)
        repeats[name] = max(1, math.ceil(least / once))
        if repeats[name] > 1 and queued:  # a single call includes the time to queue it
            once = _seconds(call, repeats[name], queued)
            repeats[name] = max(1, math.ceil(least / once))
        affordable = max(_FEWEST, int(_BUDGET / (repeats[name] * once)))
        turns[name] = min(rounds, affordable)
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds):
        left = [name for name in repeats if number < turns[name]]
        for name in left if number % 2 == 0 else reversed(left):
            if (
                repeats[name] > 1
            ):  # the other contestants have evicted this one's data from the caches
                _seconds(calls[name], 1, queued)
            taken[name].append(_seconds(calls[name], repeats[name], queued))
    return {name: tuple(seconds) for name, seconds in taken.items()}


def _seconds(call: Callable[[], Any], repeats: int, queued: bool) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        answer = call()
        if not queued:
            jax.block_until_ready(answer)
    jax.block_until_ready(answer)
    return (time.perf_counter() - start) / repeats
