"""`jcnn train` when it is killed or the disk is full."""

import json
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from jcnn import checkpoint
from tests.cli.process import Result, finish, start
from tests.disks import small_disk

pytestmark = pytest.mark.usefixtures("blank_figures")

WORDS = ["train", "--model", "mlp", "--data", "digits", "--batch-size", "128", "--epochs"]


def rows(run: Path) -> list[dict[str, float]]:
    lines = (run / "history.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.slow
def test_a_killed_training_is_resumed_to_the_same_end(cache: Path, tmp_path: Path) -> None:
    whole, run = tmp_path / "whole", tmp_path / "run"
    expected = finish(start(cache, *WORDS, "60", "--out", str(whole)))
    assert expected.code == 0
    process = start(cache, *WORDS, "60", "--out", str(run))
    for kept in (3, 20):
        while max(checkpoint.steps(run), default=0) < kept * 12 and process.poll() is None:
            time.sleep(0.01)
        process.kill()
        assert finish(process).code == -signal.SIGKILL
        process = start(cache, "train", "--resume", str(run))
    result = finish(process)
    assert result.code == 0
    assert result.out.splitlines()[0] == expected.out.splitlines()[0]
    for row, like in zip(rows(run), rows(whole), strict=True):
        for name in ("epoch", "loss", "accuracy"):
            assert row[name] == like[name]
    names = {path.name for path in whole.rglob("*")}
    assert {path.name for path in run.rglob("*")} == names


def test_a_full_disk_is_reported_in_one_line(jcnn: Callable[..., Result], tmp_path: Path) -> None:
    """With free space again, the run can be resumed."""
    with small_disk(tmp_path / "disk", "4m") as disk:
        run = disk / "run"
        filler = disk / "filler"
        filler.write_bytes(bytes(shutil.disk_usage(disk).free - 2**16))
        result = jcnn(*WORDS, "2", "--out", run)
        assert (result.code, result.out) == (2, "")
        reason = "could not be saved: No space left on device; there is no older one"
        last = f"jcnn: {run}: the checkpoint of step 12 {reason}"
        assert result.err.splitlines()[-1] == last
        assert "Traceback" not in result.err
        filler.unlink()
        assert jcnn("train", "--resume", run).code == 0
        assert len(rows(run)) == 2
