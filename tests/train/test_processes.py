"""Several processes on one machine train as one, and end together."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jcnn.train import fit, fit_population, predict
from tests.train import small
from tests.train.peers import CONFIG, DATA

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


class Peers:
    """The processes 0 to `count - 1` of one training."""

    def __init__(self, count: int, run: Path, epochs: int, *words: str, **environment: str) -> None:
        address = f"127.0.0.1:{free_port()}"
        more = {"JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": "2"} | environment
        self.processes = [
            subprocess.Popen(
                [
                    *(sys.executable, "-m", "tests.train.peers"),
                    *(f"{address},{count},{i}", str(run), str(epochs), *words),
                ],
                cwd=ROOT,
                env=os.environ | more,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for i in range(count)
        ]

    def end(self) -> list[tuple[int, str, str]]:
        """Exit code, standard output and errors of each, when all have ended."""
        try:
            texts = [process.communicate(timeout=60) for process in self.processes]
        finally:
            for process in self.processes:  # those that wait for another
                process.kill()
                process.wait()
        codes = [process.returncode for process in self.processes]
        return [(code, *text) for code, text in zip(codes, texts, strict=True)]

    def told(self) -> list[dict[str, Any]]:
        """What each has printed at its end, which must be a good one."""
        ended = self.end()
        assert [code for code, _, _ in ended] == [0] * len(ended), ended
        return [json.loads(out.strip().splitlines()[-1]) for _, out, _ in ended]


def assert_near(told: dict[str, Any], other: dict[str, Any]) -> None:
    np.testing.assert_allclose(told["loss"], other["loss"], rtol=1e-5)
    np.testing.assert_allclose(told["val_loss"], other["val_loss"], rtol=1e-5)
    for name, array in told["arrays"].items():
        np.testing.assert_allclose(array, other["arrays"][name], rtol=1e-4, atol=1e-5)


def one_process(devices: int) -> dict[str, Any]:
    model = small.model()
    history = fit(model, DATA, replace(CONFIG, devices=devices), verbose=0)
    predicted = predict(model, np.asarray(DATA.images))
    return {
        "loss": history["loss"],
        "val_loss": history["val_loss"],
        "arrays": small.arrays(model),
        "predicted": float(np.sum(predicted * np.arange(1, 4))),
    }


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    peers = Peers(2, tmp_path / "run", 3, "streamed")
    alone = one_process(4)
    told = peers.told()
    assert {**told[0], "read": 0} == {**told[1], "read": 0}
    assert_near(told[0], alone)
    assert told[0]["predicted"] == pytest.approx(alone["predicted"], rel=1e-5)
    # Half of the six whole batches, 3 of the last 7 images, and half of two validation batches; 0
    # reads images to describe the data, too.
    assert told[1]["read"] == CONFIG.epochs * (6 * 4 + 3 + 2 * 4)
    assert (tmp_path / "run" / "history.csv").exists()


@pytest.mark.slow
def test_four_processes_train_as_one(tmp_path: Path) -> None:
    told = Peers(4, tmp_path / "run", 3, JAX_NUM_CPU_DEVICES="1").told()
    assert all(one == told[0] for one in told)
    assert_near(told[0], one_process(4))


@pytest.mark.slow
def test_a_population_is_spread_over_processes(tmp_path: Path) -> None:
    told: list[Any] = list(Peers(2, tmp_path / "run", 2, "population").told())
    configs = [replace(CONFIG, epochs=2, seed=seed, devices=1) for seed in range(4)]
    alone = fit_population([small.model(seed) for seed in range(4)], DATA, configs, verbose=0)
    assert told[0] == told[1]
    np.testing.assert_allclose(told[0], [history["val_loss"] for history in alone], rtol=1e-5)


@pytest.mark.slow
def test_a_callback_of_process_0_stops_all(tmp_path: Path) -> None:
    told = Peers(2, tmp_path / "run", 3, "stop").told()
    assert [len(one["loss"]) for one in told] == [2, 2]


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_process_ends_the_others_and_a_restart_has_the_same_bits(
    tmp_path: Path, killed: int
) -> None:
    whole = Peers(2, tmp_path / "whole", 40).told()[0]
    peers = Peers(2, tmp_path / "run", 40, "wait")
    first = peers.processes[0].stdout
    assert first is not None
    while first.readline().strip() != "7":
        assert peers.processes[0].poll() is None
    peers.processes[killed].send_signal(signal.SIGKILL)
    began = time.monotonic()
    code, _, error = peers.end()[1 - killed]
    assert time.monotonic() - began < 30
    assert code != 0
    assert f"another process has ended; start all of them again with --resume {tmp_path}" in error
    resumed = Peers(2, tmp_path / "run", 40, "resume").told()
    assert resumed[0] == resumed[1] == whole


@pytest.mark.slow
def test_ctrl_c_at_one_process_stops_all(tmp_path: Path) -> None:
    peers = Peers(2, tmp_path / "run", 10_000, "wait")
    first = peers.processes[0].stdout
    assert first is not None
    while first.readline().strip() != "2":
        assert peers.processes[0].poll() is None
    peers.processes[1].send_signal(signal.SIGINT)
    ended = peers.end()
    assert all("KeyboardInterrupt" in error for _, _, error in ended)


@pytest.mark.slow
def test_an_error_of_one_process_is_that_of_all(tmp_path: Path) -> None:
    ended = Peers(2, tmp_path / "run", 3, "fail").end()
    assert all(code == 1 for code, _, _ in ended)
    assert "ProcessError: process 1: image" in ended[0][2]
    assert "cannot be read" in ended[0][2]
    assert "ValueError: image" in ended[1][2]


@pytest.mark.slow
def test_a_process_that_never_comes(tmp_path: Path) -> None:
    peers = Peers(2, tmp_path / "run", 0, JCNN_JOIN_SECONDS="3")
    peers.processes[1].kill()
    code, _, error = peers.end()[0]
    assert code == 2
    assert "not all processes have come to 127.0.0.1:" in error
    assert "within 3 seconds" in error
