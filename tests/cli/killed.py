"""A training that is killed, resumed and compared with one that was not."""

import json
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jcnn import checkpoint
from tests.cli.process import finish, start


def rows(run: Path) -> list[dict[str, Any]]:
    """The epochs of a run."""
    lines = (run / "history.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def check_killed_and_resumed(
    cache: Path, words: Sequence[str], whole: Path, run: Path, *, steps: Sequence[int]
) -> None:
    """Train to `whole`, and to `run` with kills: the same last line and the same epochs.

    Args:
        cache: for `start`.
        words: of the command, without --out.
        whole, run: run folders to make.
        steps: of the checkpoints after which the process is killed.
    """
    expected = finish(start(cache, *words, "--out", str(whole)))
    assert expected.code == 0
    process = start(cache, *words, "--out", str(run))
    for kept in steps:
        while max(checkpoint.steps(run), default=0) < kept and process.poll() is None:
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
