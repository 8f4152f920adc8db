"""Contestants in separate processes alternate; every other round reverses the order."""

import multiprocessing
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from jcnn.bench import processes


def test_the_order_is_reversed_every_other_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads replace the processes, since only the order of the turns matters here."""
    threads = SimpleNamespace(Pipe=multiprocessing.Pipe, Process=threading.Thread)
    monkeypatch.setattr(multiprocessing, "get_context", lambda method: threads)
    ran: list[str] = []

    def contestant(name: str) -> Callable[[], tuple[Callable[[], None], Any]]:
        return lambda: (lambda: ran.append(name), f"answer of {name}")

    timings = processes.time_in_turn({"a": contestant("a"), "b": contestant("b")}, rounds=3, runs=2)
    # Each runs once before the first round, and once more before each of its turns.
    assert ran == [*"ab", *"aaabbb", *"bbbaaa", *"aaabbb"]
    assert {name: timing.answer for name, timing in timings.items()} == {
        "a": "answer of a",
        "b": "answer of b",
    }
    assert {len(timing.seconds) for timing in timings.values()} == {6}
