"""Time contestants in alternating order, each in its own process, one running at a time.

Two libraries in one process share threads badly: the one that has just finished still spins on
its locks while the other is timed. Here each contestant sleeps until its turn, which begins with
one run that is not counted.
"""

import multiprocessing
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

# Builds a contestant: the function to time, and its result for the check.
Setup = Callable[[], tuple[Callable[[], None], Any]]


@dataclass(frozen=True)
class Timing:
    """Seconds of each timed run of one contestant, and the result that its set-up returned."""

    seconds: list[float]
    answer: Any

    @property
    def median(self) -> float:
        """The median of the runs."""
        return statistics.median(self.seconds)

    def line(self, name: str) -> str:
        """Median and quartiles in milliseconds."""
        low, _, high = statistics.quantiles(self.seconds, n=4)
        return (
            f"{name:<28} {1e3 * self.median:8.1f} ms  (quartiles {1e3 * low:.1f} to "
            f"{1e3 * high:.1f}, n={len(self.seconds)})"
        )


def time_in_turn(contestants: dict[str, Setup], *, rounds: int, runs: int) -> dict[str, Timing]:
    """Time every contestant `runs` times per round, in alternating order.

    Args:
        contestants: top-level functions of a module, since a new process imports them.
        rounds: number of turns of each; every other round reverses the order.
        runs: timed runs per turn.
    """
    context = multiprocessing.get_context("spawn")
    workers: dict[str, tuple[Any, Connection]] = {}
    answers = {}
    for name, setup in contestants.items():
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(setup, theirs), daemon=True)
        process.start()
        workers[name] = (process, ours)
        answers[name] = ours.recv()
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds):
        order = list(workers) if number % 2 == 0 else list(reversed(workers))
        for name in order:
            workers[name][1].send(runs)
            seconds[name] += workers[name][1].recv()
    for process, pipe in workers.values():
        pipe.send(0)
        process.join()
    return {name: Timing(seconds[name], answers[name]) for name in contestants}


def _serve(setup: Setup, pipe: Connection) -> None:
    run, answer = setup()
    run()
    pipe.send(answer)
    while runs := pipe.recv():
        run()
        taken = []
        for _ in range(runs):
            start = time.perf_counter()
            run()
            taken.append(time.perf_counter() - start)
        pipe.send(taken)


def machine(*packages: str) -> str:
    """One line with the processor, its cores and the versions."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text().splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        cpu = f"{names[0]}, {len(names)} cores" if names else cpu
    versions = [f"python {platform.python_version()}"]
    for package in packages:
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            versions.append(f"{package} absent")
    return f"{cpu}; {', '.join(versions)}"
