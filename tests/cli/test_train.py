"""`jcnn train`: its files and output; a resumed run equals an uninterrupted one."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import pytest

from jcnn import checkpoint
from jcnn.data import digits
from jcnn.layers.model import split_model
from jcnn.runs import read_config
from jcnn.train.step import init_state
from tests.cli.conftest import Trained
from tests.cli.killed import rows
from tests.cli.process import Result, ways_to_call
from tests.data.sources.idx_bytes import write_dir

Jcnn = Callable[..., Result]

pytestmark = pytest.mark.usefixtures("blank_figures")


def newest_arrays(run: Path) -> list[np.ndarray]:
    """All arrays of a run's newest checkpoint, including the optimizer's."""
    config = read_config(run)
    parts = split_model(config.build())
    state = init_state(parts.params, parts.rest, config.train)._asdict()
    return [np.asarray(leaf) for leaf in jax.tree.leaves(checkpoint.restore(run, state)[0])]


# --- what it writes -------------------------------------------------------------------------------


def test_a_run_folder_holds_what_was_promised(trained: Trained) -> None:
    assert trained.result.code == 0
    names = sorted(path.name for path in trained.run.iterdir())
    assert names == ["checkpoints", "config.json", "history.csv", "history.jsonl", "report"]
    config = read_config(trained.run)
    assert (config.model, config.data, config.input_shape) == ("conv1", "digits", (8, 8, 1))
    assert (config.train.epochs, config.train.batch_size, config.train.seed) == (2, 64, 0)
    assert checkpoint.steps(trained.run) == [23, 46]


def test_the_history_has_a_line_an_epoch(trained: Trained) -> None:
    first, second = rows(trained.run)
    keys = "epoch loss accuracy val_loss val_accuracy seconds images_per_second learning_rate"
    assert list(first) == list(second) == keys.split()
    assert (first["epoch"], second["epoch"]) == (1, 2)
    assert second["loss"] < first["loss"]
    assert second["accuracy"] > first["accuracy"]
    assert first["val_loss"] is None
    speed = len(digits()[0]) / second["seconds"]
    assert second["images_per_second"] == pytest.approx(speed)


def test_stdout_has_the_test_accuracy_and_the_next_commands(trained: Trained) -> None:
    lines = trained.result.out.splitlines()
    assert lines[0].startswith("test accuracy 0.")
    assert lines[0].endswith("(359 images)")
    (called,) = {way for way in ways_to_call() if lines[3].startswith(f"  {way} evaluate")}
    assert lines[1:] == [
        f"report {trained.run}/report/index.html",
        "next:",
        f"  {called} evaluate {trained.run}",
        f"  {called} predict {trained.run} IMAGE...",
        f"  {called} train --resume {trained.run} --epochs 4",
        f"  {called} summary conv1",
    ]


def test_stderr_shows_the_progress(trained: Trained) -> None:
    head, compiling, first, second = trained.result.err.splitlines()
    assert head.startswith("conv1 on digits (1438 training and 359 test images), 2 epochs")
    assert str(trained.run) in head
    assert compiling == "compiling ..."
    assert first.startswith("epoch 1/2  loss ")
    assert second.startswith("epoch 2/2  loss ")


def test_validation_and_the_settings_are_taken(jcnn: Jcnn, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = "train --model mlp --data digits --epochs 1 --batch-size 100 --learning-rate 0.01"
    result = jcnn(*words.split(), "--validation-split", "0.25", "--seed", "5", "--out", run)
    assert result.code == 0
    train = read_config(run).train
    assert (train.batch_size, train.learning_rate) == (100, 0.01)
    assert (train.validation_split, train.seed) == (0.25, 5)
    (row,) = rows(run)
    assert row["val_loss"] > 0
    assert 0 < row["val_accuracy"] < 1
    assert row["images_per_second"] * row["seconds"] == pytest.approx(1078)
    assert f"val_accuracy {row['val_accuracy']:.4f}" in result.err


def test_a_folder_of_idx_files(jcnn: Jcnn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    data.mkdir()
    source = f"idx:{write_dir(data)}"
    run = tmp_path / "run"
    monkeypatch.chdir(tmp_path)  # a folder named from here is found from anywhere
    result = jcnn("train", "--model", "mlp", "--data", "idx:data", "--epochs", "1", "--out", run)
    assert result.code == 0
    assert "(4 images)" in result.out
    config = read_config(run)
    assert (config.data, config.input_shape) == (source, (3, 2, 1))
    assert config.class_names == tuple("01234")


def test_runs_without_a_name_are_numbered(
    jcnn: Jcnn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert jcnn("train", "--model", "mlp", "--data", "digits", "--epochs", "1").code == 0
    assert sorted(run.name for run in Path("runs").iterdir()) == ["mlp-digits-1", "mlp-digits-2"]


# --- going on -------------------------------------------------------------------------------------


def test_a_resumed_run_is_the_run_that_never_stopped(
    jcnn: Jcnn, trained: Trained, tmp_path: Path
) -> None:
    resumed, whole = tmp_path / "resumed", tmp_path / "whole"
    shutil.copytree(trained.run, resumed)
    again = jcnn("train", "--resume", resumed, "--epochs", "4")
    words = "train --model conv1 --data digits --epochs 4 --batch-size 64 --seed 0 --out"
    once = jcnn(*words.split(), whole)
    assert again.code == once.code == 0
    assert again.out.splitlines()[0] == once.out.splitlines()[0]
    assert [line.split()[1] for line in again.err.splitlines()[2:]] == ["3/4", "4/4"]
    measured = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy")
    parts, in_one = (
        [[row[key] for key in measured] for row in rows(run)] for run in (resumed, whole)
    )
    assert parts == in_one
    assert len(in_one) == 4
    assert read_config(resumed) == read_config(whole)
    arrays = newest_arrays(whole)
    assert len(arrays) == 4 + 1 + 2 * 4  # the parameters, and Adam's count and moments
    for a, b in zip(newest_arrays(resumed), arrays, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("epochs", [(), ("--epochs", "2")])
def test_a_finished_run_is_not_trained_further(
    jcnn: Jcnn, trained: Trained, tmp_path: Path, epochs: tuple[str, ...]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained.run, run)
    result = jcnn("train", "--resume", run, *epochs)
    assert result.code == 0
    assert result.out.splitlines()[0] == trained.result.out.splitlines()[0]
    assert rows(run) == rows(trained.run)
    assert checkpoint.steps(run) == [23, 46]


def test_a_run_is_not_resumed_to_fewer_epochs(jcnn: Jcnn, trained: Trained, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained.run, run)
    result = jcnn("train", "--resume", run, "--epochs", "1")
    assert result.code == 2
    assert result.err == f"jcnn: --epochs: got 1, but {run} has finished 2\n"
    assert (run / "config.json").read_text() == (trained.run / "config.json").read_text()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--seed", "0"), "--seed"),
        (("--learning-rate", "0.1"), "--learning-rate"),
        (("--seed", "0", "--batch-size", "64"), "--seed, --batch-size"),
        (("--out", "elsewhere"), "--out"),
    ],
)
def test_resuming_changes_nothing_but_the_epochs(
    jcnn: Jcnn, trained: Trained, words: tuple[str, ...], named: str
) -> None:
    result = jcnn("train", "--resume", trained.run, *words)
    message = (
        f"jcnn: {named}: cannot change with --resume; only --epochs, --time-limit, --devices and "
        "--model-parallel can\n"
    )
    assert result == Result(2, "", message)


def test_resuming_with_another_model_is_refused(jcnn: Jcnn, trained: Trained) -> None:
    result = jcnn("train", "--resume", trained.run, "--model", "conv2")
    assert result == Result(2, "", f"jcnn: {trained.run}: its model is conv1, not conv2\n")


# --- a training that fails ------------------------------------------------------------------------


def test_a_diverging_training_says_so(jcnn: Jcnn, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = "train --model mlp --data digits --learning-rate 1e30 --out"
    result = jcnn(*words.split(), run)
    assert result.code == 1
    assert result.out == ""
    last = result.err.splitlines()[-1]
    assert last.startswith("jcnn: the loss became NaN or infinite in epoch 1")
    assert "try a learning rate below 1e+30" in last
    assert checkpoint.steps(run) == []


def test_a_run_that_goes_on_with_another_convolution_says_so(
    trained: Trained, jcnn: Jcnn, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained.run, run)
    content = json.loads((run / "config.json").read_text(encoding="utf-8"))
    other = {"native": "plain", "plain": "native"}[content["convolution"]["kernels"]]
    content["convolution"] |= {"kernels": other, "reason": "no compiler", "library": None}
    (run / "config.json").write_text(json.dumps(content), encoding="utf-8")
    result = jcnn("train", "--resume", run)
    assert f"note: {run}: the convolution was {other} and is " in result.err
    assert (result.code, jcnn("train", "--resume", run).err.count("the convolution was")) == (0, 0)
