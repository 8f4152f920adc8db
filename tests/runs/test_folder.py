"""Run folders: written files can be read again, and invalid ones give clear errors."""

import json
import os
import pickle
import re
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import jax
import numpy as np
import pytest
from flax import nnx

from jcnn import __version__, checkpoint, runs
from jcnn.config import TrainConfig
from jcnn.data import Dataset, digits
from jcnn.layers import Sequential
from jcnn.layers.model import split_model
from jcnn.models import build
from jcnn.ops.conv.native import library as _native
from jcnn.runs import RunConfig, RunError
from jcnn.system.files import unfinished, write_text
from jcnn.train import predict

CONFIG = RunConfig(
    model="conv1",
    input_shape=(6, 5, 1),
    class_names=("cat", "dog", "Ölfisch"),
    data="idx:somewhere",
    data_dir=None,
    train=TrainConfig(epochs=3, learning_rate=0.1, validation_split=0.25, seed=7),
)


def save_model(run: Path, model: nnx.Module) -> None:
    parts = split_model(model)
    checkpoint.save(run, 1, {"params": parts.params, "rest": parts.rest}, {})


# --- making and reading a run ---------------------------------------------------------------------


def test_a_configuration_comes_back(tmp_path: Path) -> None:
    run = tmp_path / "new" / "run"
    runs.create(run, CONFIG)
    assert runs.read_config(run) == CONFIG
    content = json.loads((run / "config.json").read_text(encoding="utf-8"))
    assert content["versions"]["jcnn"] == __version__
    assert content["versions"]["jax"] == jax.__version__
    assert [path.name for path in run.iterdir()] == ["config.json"]


def test_a_run_says_which_convolution_it_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resuming with other kernels or versions gives a message."""
    runs.create(tmp_path, CONFIG)
    file = tmp_path / "config.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    used = content["convolution"]
    reason = _native.unavailable()
    assert used["kernels"] == ("native" if reason is None else "plain")
    assert used["reason"] == reason
    assert used["tuned_table"] is None
    assert content["versions"]["jaxlib"] == version("jaxlib")
    assert runs.differences(tmp_path) == []

    monkeypatch.setattr(_native, "unavailable", lambda: "no compiler")
    native = {"kernels": "native", "reason": None, "library": "ab12", "tuned_table": None}
    plain = {"kernels": "plain", "reason": "no compiler", "library": None, "tuned_table": None}
    for convolution, versions, lines in [
        (plain, {}, []),
        (None, {}, []),
        (native, {}, ["the convolution was native and is plain here (no compiler)"]),
        (plain | {"tuned_table": "f00"}, {}, ["the tuned table of convolutions is another one"]),
        (plain, {"jax": "0.1.2"}, [f"jax was 0.1.2 and is {jax.__version__} here"]),
    ]:
        changed = {"convolution": convolution, "versions": content["versions"] | versions}
        file.write_text(json.dumps(content | changed), encoding="utf-8")
        found = runs.differences(tmp_path)
        assert len(found) == len(lines)
        for one, line in zip(found, lines, strict=True):
            assert one.startswith(f"{tmp_path}: {line}")
            assert one.endswith("; the last bits may differ")

    monkeypatch.setattr(_native, "unavailable", lambda: None)
    monkeypatch.setattr(_native, "key", lambda: "cd34")
    file.write_text(json.dumps(content | {"convolution": native}), encoding="utf-8")
    (one,) = runs.differences(tmp_path)
    assert "was compiled by another compiler or processor" in one


def test_an_empty_folder_may_become_a_run(tmp_path: Path) -> None:
    runs.create(tmp_path, CONFIG)
    assert runs.read_config(tmp_path) == CONFIG


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(RunError, match=f"^{re.escape(str(tmp_path))}: exists already; name anoth"):
        runs.create(tmp_path, CONFIG)
    with pytest.raises(RunError, match=r"/notes\.txt: is a file; a run needs a folder of its own"):
        runs.create(tmp_path / "notes.txt", CONFIG)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_run_whose_making_was_cut_short_can_be_made_again(tmp_path: Path) -> None:
    unfinished(tmp_path / "config.json").write_text('{"model": "co', encoding="utf-8")
    runs.create(tmp_path, CONFIG)
    assert runs.read_config(tmp_path).model == CONFIG.model
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


@pytest.mark.parametrize(
    ("settings", "step", "apart"),
    [({}, 0, False), ({}, 5, True), ({"ema": 0.9}, 0, True), ({"restore_best": True}, 0, True)],
)
def test_the_weights_that_are_kept_are_loaded(
    tmp_path: Path, settings: dict[str, Any], step: int, apart: bool
) -> None:
    """Within an epoch, with EMA and with the best epoch, they differ from the current weights."""
    config = replace(CONFIG, train=replace(CONFIG.train, **settings))
    runs.create(tmp_path, config)
    models = [build("conv1", CONFIG.input_shape, 3, seed=seed) for seed in (1, 2)]
    going_on, kept = (
        {"params": parts.params, "rest": parts.rest} for parts in map(split_model, models)
    )
    checkpoint.save(tmp_path, 9, {**going_on, "kept": kept}, {"histories": [[]], "step": step})
    loaded, _ = runs.load(tmp_path)
    jax.tree.map(
        np.testing.assert_array_equal,
        nnx.state(loaded, nnx.Param),
        nnx.state(models[apart], nnx.Param),
    )


def test_describe_takes_what_the_data_says() -> None:
    dataset = digits()[1]
    described = runs.describe("mlp", dataset, "digits", Path("some") / "dir", TrainConfig())
    assert described.input_shape == (8, 8, 1)
    assert described.class_names == tuple("0123456789")
    assert described.data_dir == str(Path.cwd() / "some" / "dir")
    assert runs.describe("mlp", dataset, "digits", None, TrainConfig()).data_dir is None


def test_a_split_that_leaves_nothing_is_refused_at_once() -> None:
    two = Dataset(np.zeros((2, 1, 1, 1), np.uint8), np.zeros(2, np.int32), ("a",))
    with pytest.raises(ValueError, match="no image is left for training"):
        runs.describe("mlp", two, "digits", None, TrainConfig(validation_split=0.9))


def changed(**changes: Any) -> dict[str, Any]:
    train = {"epochs": 1, "batch_size": 2, "learning_rate": 0.1, "validation_split": 0, "seed": 0}
    content = {
        "model": "mlp",
        "input_shape": [8, 8, 1],
        "class_names": ["a", "b"],
        "data": "digits",
        "data_dir": None,
        "train": train | changes.pop("train", {}),
    }
    return content | changes


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        *map(
            json.dumps,
            [
                changed(input_shape=[8, 8]),
                changed(input_shape=["a", 8, 1]),
                changed(input_shape=8),
                changed(class_names=5),
                changed(train={"epochs": 0}),
                changed(train={"epochs": "3"}),
                changed(train={"batch_size": 2.5}),
                changed(train={"learning_rate": None}),
                changed(train={"momentum": 0.9}),
                changed(train={"optimizer": "adm"}),
                changed(resize="bend"),
                changed(on_bad_image=None),
                changed(dropout=1.0),
                changed(population={"seeds": 0}),
                changed(population={"dropouts": [2]}),
                {key: value for key, value in changed().items() if key != "train"},
                {key: value for key, value in changed().items() if key != "data_dir"},
            ],
        ),
    ],
)
def test_a_broken_configuration_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(RunError) as caught:
        runs.read_config(tmp_path)
    assert str(caught.value).startswith(f"{file}: ")
    assert "\n" not in str(caught.value)


def test_the_unbroken_configuration_of_these_tests_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(changed()), encoding="utf-8")
    assert runs.read_config(tmp_path).train == TrainConfig(1, 2, learning_rate=0.1)


def test_a_configuration_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RunError, match=r"config\.json: cannot be read: .*codec"):
        runs.read_config(tmp_path)


@pytest.mark.parametrize("kind", ["missing", "file", "empty folder"])
def test_what_is_no_run_is_refused(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "place"
    if kind == "file":
        place.write_text("", encoding="utf-8")
    elif kind == "empty folder":
        place.mkdir()
    message = re.escape(f"{place}: is no run folder (it has no config.json)")
    with pytest.raises(RunError, match=f"^{message}$"):
        runs.load(place)


# --- using a run ----------------------------------------------------------------------------------


def test_a_loaded_model_predicts_as_the_saved_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is unpickled, so a run from elsewhere cannot execute code."""
    model = CONFIG.build()
    assert isinstance(model, Sequential)
    model.conv2d.bias[...] += 0.5
    model.dense.kernel[...] *= -2
    runs.create(tmp_path, CONFIG)
    save_model(tmp_path, model)

    def refuse(*_args: object, **_options: object) -> NoReturn:
        raise AssertionError("unpickles")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    loaded, config = runs.load(str(tmp_path))
    monkeypatch.undo()
    assert config == CONFIG
    pictures = np.random.default_rng(0).integers(0, 256, (4, 6, 5, 1)).astype(np.uint8)
    expected = predict(model, pictures)
    np.testing.assert_array_equal(predict(loaded, pictures), expected)
    assert (predict(CONFIG.build(), pictures) != expected).any()


def test_a_checkpoint_of_other_classes_is_refused(tmp_path: Path) -> None:
    runs.create(tmp_path, CONFIG)
    save_model(tmp_path, build("conv1", (6, 5, 1), 4))
    with pytest.raises(checkpoint.CheckpointError, match=r"of another model: its params\.dense"):
        runs.load(tmp_path)


# --- writing a file whole -------------------------------------------------------------------------


def test_write_text_replaces_the_file(tmp_path: Path) -> None:
    file = tmp_path / "file.txt"
    for text in ("first\n", "zweite Fassung: ö\n"):
        write_text(file, text)
        assert file.read_text(encoding="utf-8") == text
    assert file.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [file]


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file.txt"
    write_text(file, "old")

    def full(_descriptor: int) -> NoReturn:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_text(file, "new")
    assert file.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [file]
