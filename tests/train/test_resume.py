"""Which settings a resumed training may change, and how often it reads a checkpoint."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flax import nnx

from jcnn import checkpoint
from jcnn.checkpoint import CheckpointError
from jcnn.config import TrainConfig
from jcnn.data import Dataset
from jcnn.layers import Dense, Flatten, Sequential
from jcnn.runs.history import History
from jcnn.system import sealed
from jcnn.train import Event, Progress, fit, loop
from jcnn.train.resume import (
    TrainProgress,
    fingerprint_of,
    finished_epochs,
    restore_or_init,
    save_progress,
)
from tests.train import small

CONFIG = TrainConfig(epochs=2, batch_size=16)
DATA = small.dataset()
TREE = {"params": {"kernel": np.zeros(2, np.float32)}, "kept": {"kernel": np.ones(2, np.float32)}}


def linear() -> Sequential:
    return Sequential([Flatten(), Dense(60, 3, rngs=nnx.Rngs(0))])


def saved(run: Path, fingerprint: dict[str, Any] | None, *, step: int = 0) -> None:
    position = TrainProgress((History(),), step)
    save_progress(run, 9 + step, TREE, position, separate=False, fingerprint=fingerprint)


def resume(run: Path, configs: list[TrainConfig], data: Dataset = DATA) -> TrainProgress:
    fingerprint = fingerprint_of(configs, data)
    return restore_or_init(
        run, True, TREE, len(configs), lambda event: None, separate=False, fingerprint=fingerprint
    )[1]


@pytest.mark.parametrize(
    "changed",
    [
        {"epochs": 7},
        {"learning_rate": 0.5},
        {"patience": 3},
        {"steps_per_call": 2},
        {"time_limit": 3},
    ],
)
def test_what_may_change(tmp_path: Path, changed: dict[str, Any]) -> None:
    saved(tmp_path, fingerprint_of([CONFIG], DATA))
    assert resume(tmp_path, [replace(CONFIG, **changed)]) == TrainProgress((History(),))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"batch_size": 5}, "batch_size 16, not 5"),
        ({"seed": 1}, "seed 0, not 1"),
        ({"augment": "flip"}, "augment '', not 'flip'"),
        ({"optimizer": "sgd"}, "optimizer 'adam', not 'sgd'"),
        ({"class_weights": (1.0, 2.0, 3.0)}, "class_weights None, not 1.0, 2.0, 3.0"),
        ({"ema": 0.5}, "ema 0.0, not 0.5"),
        ({"restore_best": True}, "restore_best False, not True"),
        ({"plateau_patience": 2}, "plateau_patience None, not 2"),
        ({"schedule": "cosine"}, "schedule 'constant', not 'cosine'"),
    ],
)
def test_a_setting_that_may_not_change_is_named(
    tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    saved(tmp_path, fingerprint_of([CONFIG], DATA))
    message = (
        f"resume: {tmp_path} was trained with {said}; "
        "what may change: epochs, learning_rate, patience, steps_per_call, time_limit, devices, "
        "model_parallel"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        resume(tmp_path, [replace(CONFIG, **changed)])


def test_other_data_is_named(tmp_path: Path) -> None:
    saved(tmp_path, fingerprint_of([CONFIG], DATA))
    with pytest.raises(ValueError, match="was trained with images 50, not 30;"):
        resume(tmp_path, [CONFIG], small.dataset(30))
    with pytest.raises(ValueError, match="image_shape 6, 5, 2, not 3, 5, 2;"):
        resume(
            tmp_path,
            [CONFIG],
            Dataset(np.asarray(DATA.images)[:, ::2], DATA.labels, DATA.class_names),
        )
    with pytest.raises(ValueError, match="class_names class 0, class 1, class 2, not a, b, c;"):
        resume(tmp_path, [CONFIG], Dataset(DATA.images, DATA.labels, ("a", "b", "c")))


def test_a_member_whose_setting_changed_is_named(tmp_path: Path) -> None:
    two = [CONFIG, replace(CONFIG, seed=1)]
    position = TrainProgress((History(), History()))
    save_progress(
        tmp_path, 9, TREE, position, separate=False, fingerprint=fingerprint_of(two, DATA)
    )
    with pytest.raises(ValueError, match="trained with settings of model 1: seed 1, not 2;"):
        resume(tmp_path, [CONFIG, replace(CONFIG, seed=2)])


def test_another_batch_size_within_an_epoch(tmp_path: Path) -> None:
    """A checkpoint of an older version does not contain the settings."""
    saved(tmp_path, None, step=3)
    assert resume(tmp_path, [CONFIG]).step == 3  # of 4
    message = (
        f"resume: {tmp_path} stopped after 3 steps of an epoch, which has 2 with batch_size 30; "
        "accepted: that of the run"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        resume(tmp_path, [replace(CONFIG, batch_size=30)])


def test_an_epoch_whose_steps_are_all_done_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No step is left, so the epoch's means come from the saved totals."""
    config = replace(CONFIG, steps_per_call=1)

    def stop(run: Path, done: int, tree: Any, progress: TrainProgress, **kwargs: Any) -> None:
        if progress.step == 3:
            totals = {"loss": np.float32(30), "correct": np.int32(20)}
            progress, tree = progress._replace(step=4), {**tree, "totals": totals}
            save_progress(run, done + 1, tree, progress, **kwargs)
            raise KeyboardInterrupt

    monkeypatch.setattr(loop, "SAVE_SECONDS", -1.0)
    monkeypatch.setattr(loop, "save_progress", stop)
    with pytest.raises(KeyboardInterrupt):
        fit(linear(), DATA, config, run=tmp_path)
    monkeypatch.undo()
    history = fit(linear(), DATA, config, run=tmp_path, resume=True)
    assert (history["loss"][0], history["accuracy"][0]) == (30 / 50, 20 / 50)
    assert len(history) == 2


def test_a_member_of_a_population_cannot_go_on_alone(tmp_path: Path) -> None:
    meta = {"histories": [[]], "step": 0, "seconds": 0.0, "of": "the/run"}
    checkpoint.save(tmp_path, 1, {"params": TREE["params"]}, meta)
    with pytest.raises(CheckpointError, match=r"resume the population: the/run$"):
        resume(tmp_path, [CONFIG])


def test_a_checkpoint_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read when resuming; a save does not read the one before it."""

    def stop(event: Event) -> None:
        if isinstance(event, Progress) and event.epoch == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(linear(), DATA, replace(CONFIG, epochs=6), run=tmp_path, on_event=stop)
    checkpoint._WHOLE.clear()  # as in another process
    read: list[str] = []
    original = sealed.read

    def counted(file: Path) -> Any:
        read.append(file.name)
        return original(file)

    monkeypatch.setattr(sealed, "read", counted)
    assert finished_epochs(tmp_path) == 2
    assert read == []
    fit(linear(), DATA, replace(CONFIG, epochs=4), run=tmp_path, resume=True)
    assert read == ["8.safetensors"]
    assert checkpoint.steps(tmp_path) == [12, 16]
    with pytest.raises(ValueError, match="was trained with batch_size 16, not 8;"):
        fit(linear(), DATA, replace(CONFIG, batch_size=8), run=tmp_path, resume=True)


def test_a_known_checkpoint_that_was_written_to_is_read_again(tmp_path: Path) -> None:
    for step in (1, 2):
        checkpoint.save(tmp_path, step, TREE, {})
    file = tmp_path / "checkpoints" / "2.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    checkpoint.save(tmp_path, 3, TREE, {})
    assert checkpoint.steps(tmp_path) == [1, 3]


def test_the_texts_of_a_header(tmp_path: Path) -> None:
    file = tmp_path / "file"
    sealed.write(file, {"a": np.arange(3)}, {"meta": json.dumps({"x": 1}), "step": "5"})
    texts = sealed.read_texts(file)
    assert (json.loads(texts["meta"]), texts["step"]) == ({"x": 1}, "5")
    whole = file.read_bytes()
    for damaged in (b"", whole[:5], whole[:20], b"\xff" * 8 + whole[8:], whole[:8] + b"[]"):
        file.write_bytes(damaged)
        with pytest.raises(sealed.DamagedError, match=r"^its header cannot be read$"):
            sealed.read_texts(file)
