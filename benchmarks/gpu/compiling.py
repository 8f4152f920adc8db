"""Compile programs and note the seconds, or why one cannot be compiled.

One after another: XLA chooses among a GPU's algorithms by timing them, and programs that are
compiled at the same time would disturb the times. (On an H200 it took many times longer, too.)
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

Key = TypeVar("Key")


class Program(NamedTuple):
    """A compiled program, and the seconds in which it was prepared."""

    run: Any
    seconds: float


class Failed(NamedTuple):
    """Why a program is missing, in one line."""

    reason: str


def reason_of(error: Exception) -> str:
    """The type and the first line of an error, at most 200 characters."""
    return f"{type(error).__name__}: {error}".strip().splitlines()[0][:200]


def compile_all(programs: Mapping[Key, Callable[[], Any]]) -> dict[Key, Program | Failed]:
    """Call functions that compile.

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

    return {name: one(build) for name, build in programs.items()}


def memory_gib(compiled: Any) -> float:
    """The device memory of a program: arguments, results and temporary arrays, in GiB."""
    found = compiled.memory_analysis()
    if found is None:
        return 0.0
    size = found.argument_size_in_bytes + found.output_size_in_bytes - found.alias_size_in_bytes
    return float(size + found.temp_size_in_bytes) / 1024**3
