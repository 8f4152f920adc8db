"""`jcnn train` when it is killed or the disk is full."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.killed import check_killed_and_resumed, rows
from tests.cli.process import Result
from tests.disks import small_disk

pytestmark = pytest.mark.usefixtures("blank_figures")

WORDS = ["train", "--model", "mlp", "--data", "digits", "--batch-size", "128", "--epochs"]


@pytest.mark.slow
def test_a_killed_training_is_resumed_to_the_same_end(cache: Path, tmp_path: Path) -> None:
    whole, run = tmp_path / "whole", tmp_path / "run"
    steps = [3 * 12, 20 * 12]
    check_killed_and_resumed(cache, [*WORDS, "60"], whole, run, steps=steps)
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
