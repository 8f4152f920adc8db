"""Which epochs a run keeps, and the refusal of files that are not theirs."""

import re
from pathlib import Path

import numpy as np
import pytest
from flax import nnx

from jcnn.checkpoint import CheckpointError
from jcnn.layers import Dense, Flatten, Sequential
from jcnn.runs import RunError
from jcnn.runs.epochs import keep_epoch, kept_epochs, load_epoch, to_keep
from jcnn.runs.folder import model_arrays


def trained(keep: int, epochs: int, last: int | None = None) -> set[int]:
    """The epochs that are kept after a training, of which `last` is the last."""
    there: set[int] = set()
    for epoch in range((epochs if last is None else last) + 1):
        there = to_keep(there | {epoch}, keep, epochs)
        assert epoch in there
        assert len(there) <= keep
    return there


def test_evenly_spread_with_the_first_and_the_last() -> None:
    assert trained(2, 9) == {0, 9}
    assert trained(3, 10) == {0, 5, 10}
    assert trained(5, 20) == {0, 5, 10, 15, 20}
    assert trained(9, 4) == {0, 1, 2, 3, 4}
    for keep in range(2, 12):
        for epochs in range(1, 40):
            found = np.array(sorted(trained(keep, epochs)))
            assert len(found) == min(keep, epochs + 1)
            even = np.linspace(0, epochs, keep)
            assert abs(found[:, None] - even).min(0).max() <= 0.5


def test_a_training_that_stops_early_keeps_its_last_epoch() -> None:
    assert trained(5, 20, last=12) == {0, 5, 10, 12}
    assert to_keep([0, 1, 2, 3], "all", 3) == {0, 1, 2, 3}


def test_more_epochs_move_the_points() -> None:
    there = trained(3, 10)
    for epoch in range(11, 21):
        there = to_keep(there | {epoch}, 3, 20)
    assert there == {0, 10, 20}
    there = trained(5, 8)
    assert there == {0, 2, 4, 6, 8}
    for epoch in range(9, 13):
        there = to_keep(there | {epoch}, 5, 12)
        assert len(there) <= 5
    assert there == {0, 2, 6, 9, 12}  # 3 is gone: the nearest of 2 and 4


def linear(width: int = 3) -> Sequential:
    return Sequential([Flatten(), Dense(width, 2, rngs=nnx.Rngs(width))])


def test_a_file_that_is_not_of_the_epoch_or_the_model(tmp_path: Path) -> None:
    model = linear()
    for epoch in (0, 1):
        keep_epoch(tmp_path, epoch, model_arrays(model), "all", 4)
    assert kept_epochs(tmp_path) == [0, 1]
    other = linear(4)
    file = tmp_path / "epochs" / "1.safetensors"
    said = re.escape(f"{file}: is of another model: its dense.kernel is (3, 2), this model's (4")
    with pytest.raises(RunError, match=f"^{said}"):
        load_epoch(other, tmp_path, 1)
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)
    with pytest.raises(RunError, match="does not match its checksum"):
        load_epoch(model, tmp_path, 1)
    file.write_bytes((tmp_path / "epochs" / "0.safetensors").read_bytes())
    with pytest.raises(RunError, match=r"is of epoch 0$"):
        load_epoch(model, tmp_path, 1)
    with pytest.raises(RunError, match="cannot be read: No such file"):
        load_epoch(model, tmp_path, 7)


def test_later_epochs_of_a_training_that_went_back_are_removed(tmp_path: Path) -> None:
    state = model_arrays(linear())
    for epoch in (0, 1, 2, 3):
        keep_epoch(tmp_path, epoch, state, "all", 4)
    keep_epoch(tmp_path, 2, state, "all", 4)
    assert kept_epochs(tmp_path) == [0, 1, 2]


def test_weights_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "epochs").write_text("a file")
    with pytest.raises(CheckpointError, match="the weights of epoch 3 could not be saved: "):
        keep_epoch(tmp_path, 3, model_arrays(linear()), "all", 4)
