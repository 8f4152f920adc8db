"""Compile several programs at the same time; a GPU's take seconds each, on one core."""

import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

Key = TypeVar("Key")
WORKERS = max(2, min(16, os.cpu_count() or 1))


class Program(NamedTuple):
    """A compiled program, and the seconds in which it was prepared, beside others."""

    run: Any
    seconds: float


class Failed(NamedTuple):
    """Why a program is missing, in one line."""

    reason: str


def reason_of(error: Exception) -> str:
    """The type and the first line of an error, at most 200 characters."""
    return f"{type(error).__name__}: {error}".strip().splitlines()[0][:200]


def compile_together(programs: Mapping[Key, Callable[[], Any]]) -> dict[Key, Program | Failed]:
    """Call functions that compile, each in a thread, since the compiler does not hold the GIL.

    Args:
        programs: functions that return a compiled program, or what contains it, by name.

    Returns:
        The programs by name, in the same order; an exception becomes a `Failed`.
    """

    def one(build: Callable[[], Any]) -> Program | Failed:
        start = time.perf_counter()
        try:
            return Program(build(), time.perf_counter() - start)
        except Exception as error:  # the others are still measured
            return Failed(reason_of(error))

    with ThreadPoolExecutor(WORKERS) as pool:
        return dict(zip(programs, pool.map(one, programs.values()), strict=True))


def memory_gib(compiled: Any) -> float:
    """The device memory of a program: arguments, results and temporary arrays, in GiB."""
    found = compiled.memory_analysis()
    if found is None:
        return 0.0
    size = found.argument_size_in_bytes + found.output_size_in_bytes - found.alias_size_in_bytes
    return float(size + found.temp_size_in_bytes) / 1024**3
