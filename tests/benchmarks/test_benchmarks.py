"""The benchmarks run and measure what they claim."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from jcnn.bench.processes import machine, time_in_turn

ROOT = Path(__file__).parents[2]


def short() -> tuple[Callable[[], None], int]:
    return (lambda: time.sleep(0.002)), os.getpid()


def long() -> tuple[Callable[[], None], int]:
    return (lambda: time.sleep(0.02)), os.getpid()


def test_contestants_run_in_their_own_processes_and_are_distinguished() -> None:
    timings = time_in_turn({"short": short, "long": long}, rounds=3, runs=2)
    assert [len(t.seconds) for t in timings.values()] == [6, 6]
    assert 0.002 <= timings["short"].median < timings["long"].median
    pids = {t.answer for t in timings.values()} | {os.getpid()}
    assert len(pids) == 3
    assert "n=6" in timings["short"].line("short")


def test_the_machine_is_named_with_its_versions() -> None:
    line = machine("jax", "no-such-package")
    assert f"python {sys.version.split()[0]}" in line
    assert "no-such-package absent" in line


@pytest.mark.slow
def test_the_kernels_benchmark_runs_interpreted() -> None:
    words = ["--interpret", "--rounds", "1", "--calls", "1"]
    command = [sys.executable, "-m", "benchmarks.pallas_conv", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.count("forward+backward, pallas") == 2


@pytest.mark.slow
def test_transposed_and_depthwise_agree_with_pytorch() -> None:
    pytest.importorskip("torch", reason="torch is not installed: pip install torch==2.13.0")
    words = ["--rounds", "1"]
    command = [sys.executable, "-m", "benchmarks.transposed_depthwise", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.count("auto / it: ") == 4 * 8


@pytest.mark.slow
def test_the_page_shows_changes_and_takes_them_back() -> None:
    if not (shutil.which("chromium") or shutil.which("google-chrome")):
        pytest.skip("no browser; looked for chromium and google-chrome on the path")
    words = ["--models", "conv1", "--turns", "2"]
    command = [sys.executable, "-m", "benchmarks.explorer", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.count(" n=2)") == 5
