"""Functions of one process are timed in alternation after a warm-up; slow ones are skipped."""

import time
from collections import Counter

import pytest

from jcnn.bench import in_process
from jcnn.bench.in_process import time_in_rounds


def test_every_other_round_has_the_reverse_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_process, "_LEAST", 0.0)  # one call a run
    called: list[str] = []
    calls = {name: lambda name=name: called.append(name) for name in "abc"}
    seconds = time_in_rounds(calls, rounds=3)
    assert "".join(called) == "aabbcc" + "abc" + "cba" + "abc"
    assert {name: len(taken) for name, taken in seconds.items()} == {"a": 3, "b": 3, "c": 3}


def test_a_quick_function_is_called_often_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    count: Counter[str] = Counter()

    def take(name: str, seconds: float) -> None:
        count[name] += 1
        clock[0] += seconds

    calls = {
        "quick": lambda: take("quick", 0.001),
        "slow": lambda: take("slow", 0.4),
        "hopeless": lambda: take("hopeless", 7.0),
    }
    seconds = time_in_rounds(calls, rounds=5, most=5.0)
    assert seconds["quick"] == pytest.approx([0.001] * 5)
    assert count["quick"] >= 2 + 5 * 10  # a run lasts a hundredth of a second
    assert seconds["slow"] == pytest.approx([0.4] * 3)  # limited by its share of the time
    assert (seconds["hopeless"], count["hopeless"]) == ((), 1)


def test_queued_calls_are_waited_for_at_the_end_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    waited: list[int] = []

    def call() -> int:
        clock[0] += 0.001
        return len(waited)

    def wait(_answer: int) -> None:
        waited.append(0)
        clock[0] += 0.004

    monkeypatch.setattr("jax.block_until_ready", wait)
    # A first call with its wait takes 5 ms, so 4 are tried; these take 2 ms each, so 10 are run.
    (seconds,) = time_in_rounds({"a": call}, rounds=1, least=0.02, queued=True)["a"]
    assert seconds == pytest.approx((10 * 0.001 + 0.004) / 10)
    assert len(waited) == 5  # the first two calls, a trial, and a run with its own warm-up
