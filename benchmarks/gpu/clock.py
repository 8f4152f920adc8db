"""Timing a compiled function in this process."""

import time
from collections.abc import Callable
from typing import Any

import jax


def seconds(function: Callable[..., Any], *arguments: Any, runs: int) -> tuple[float, ...]:
    """Time `runs` calls of a function that is compiled, each until its result is there.

    A GPU is slow to start: a run of calls without waiting comes first and is not counted.
    """
    jax.block_until_ready([function(*arguments) for _ in range(3)])
    taken = []
    for _ in range(runs):
        start = time.perf_counter()
        jax.block_until_ready(function(*arguments))
        taken.append(time.perf_counter() - start)
    return tuple(taken)
