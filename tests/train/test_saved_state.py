"""The state that a training saves in its run folder, and resumes from."""

import os
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jcnn import checkpoint
from jcnn.checkpoint import CheckpointError
from jcnn.data import Note
from jcnn.runs.history import EpochResult, History, from_rows
from jcnn.train import Event
from jcnn.train.resume import (
    TrainProgress,
    finished_epochs,
    restore_or_init,
    save_progress,
)

TREE = {
    "params": {"kernel": np.arange(6, dtype=np.float32)},
    "kept": {"kernel": np.arange(6, 12, dtype=np.float32)},
}
ROW = EpochResult(1, 1.5, 0.25, None, None, 2.0, 10.0, 0.1)
ONE = History((ROW,))
OTHER = History((replace(ROW, loss=1.25),))
TWO = History((ROW, replace(ROW, epoch=2, loss=1.25)))


def start(run: Path | None, *, resume: bool = True, members: int = 1) -> tuple[Any, list[Event]]:
    told: list[Event] = []
    tree, position = restore_or_init(run, resume, TREE, members, told.append, separate=False)
    np.testing.assert_array_equal(tree["params"]["kernel"], TREE["params"]["kernel"])
    return position, told


def files(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}


def test_a_position_comes_back(tmp_path: Path) -> None:
    """For each model of a population, also within an epoch."""
    middle = TrainProgress((ONE, OTHER), 7, 1.75)
    save_progress(tmp_path, 15, TREE, middle, separate=False)
    assert start(tmp_path, members=2) == (middle, [])
    assert finished_epochs(tmp_path) == 1
    meta = checkpoint.read_meta(tmp_path)
    assert meta is not None
    kept = [from_rows(rows) for rows in meta["histories"]]
    assert [asdict(h) for h in kept] == [asdict(ONE), asdict(OTHER)]


@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("step", [0, 7])
def test_what_becomes_the_models_is_kept_apart_where_it_is_another(
    tmp_path: Path, separate: bool, step: int
) -> None:
    save_progress(tmp_path, 15, TREE, TrainProgress((ONE,), step), separate=separate)
    tree, _ = restore_or_init(tmp_path, True, TREE, 1, lambda event: None, separate=separate)
    assert ("kept" in tree) == (separate or step > 0)
    if "kept" in tree:
        np.testing.assert_array_equal(tree["kept"]["kernel"], TREE["kept"]["kernel"])


def test_histories_that_a_kill_left_behind_or_ahead_are_put_right(tmp_path: Path) -> None:
    save_progress(tmp_path, 8, TREE, TrainProgress((ONE,)), separate=False)
    one = files(tmp_path)
    save_progress(tmp_path, 16, TREE, TrainProgress((TWO,)), separate=False)
    two = files(tmp_path)
    assert one.keys() == two.keys() == {"history.jsonl", "history.csv"}
    for name, content in one.items():  # killed between the checkpoint and these
        (tmp_path / name).write_bytes(content)
    assert start(tmp_path) == (TrainProgress((TWO,)), [])
    assert files(tmp_path) == two
    os.truncate(tmp_path / "checkpoints/16.safetensors", 30)
    position, told = start(tmp_path)
    assert position == TrainProgress((ONE,))
    assert files(tmp_path) == one
    place = f"{tmp_path}: the checkpoint of step 16 is damaged (its header cannot be read)"
    assert told == [Note(f"{place}; going back to that of step 8")]


def test_what_cannot_be_begun_or_resumed(tmp_path: Path) -> None:
    nothing = TrainProgress((History(),))
    assert start(None, resume=False) == (nothing, [])
    assert start(tmp_path / "new") == (nothing, [])
    with pytest.raises(ValueError, match=r"^resume: needs a run folder to resume from$"):
        start(None)
    save_progress(tmp_path, 8, TREE, TrainProgress((ONE,)), separate=False)
    message = re.escape(f"run: {tmp_path} already holds a training; resume it or name another")
    with pytest.raises(ValueError, match=f"^{message}$"):
        start(tmp_path, resume=False)
    message = re.escape(f"{tmp_path}: holds a training of 1 models, not of 3")
    with pytest.raises(CheckpointError, match=f"^{message}$"):
        start(tmp_path, members=3)
