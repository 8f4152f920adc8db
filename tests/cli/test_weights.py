"""`jcnn train --weights`: from a run, frozen and unfrozen, and mistakes before a folder is made."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jcnn.interop import save_model
from jcnn.models import build
from jcnn.runs import load, read_config
from jcnn.system import hdf5, keras_file
from tests.cli.conftest import Trained
from tests.cli.process import Result

pytestmark = pytest.mark.usefixtures("blank_figures")

TRAIN = "train --model conv1 --data digits --batch-size 64"


def test_a_run_starts_from_another_and_is_resumed_without_it(
    trained: Trained, jcnn: Callable[..., Result], tmp_path: Path
) -> None:
    source, run = tmp_path / "source", tmp_path / "run"
    shutil.copytree(trained.run, source)
    words = f"{TRAIN} --epochs 2 --weights {source} --freeze backbone --unfreeze-at 1 --out {run}"
    done = jcnn(*words.split())
    assert done.code == 0, done.err
    assert "note: weights: 4 arrays loaded" in done.err
    assert "features of each image, the input of " in done.err
    assert "note: from epoch 2 on, all layers are trained" in done.err
    # It goes on where the other stopped: better than after the first epoch there.
    rows = [json.loads(line) for line in (trained.run / "history.jsonl").read_text().splitlines()]
    first = json.loads((run / "history.jsonl").read_text().splitlines()[0])
    assert first["loss"] < rows[0]["loss"]
    config = read_config(run)
    assert config.weights == str(source)
    assert config.preprocessing is not None
    assert config.preprocessing.describe() == "resized to 8 x 8 (stretch), grey, x / 255"

    shutil.rmtree(source)
    more = jcnn("train", "--resume", run, "--epochs", "3")
    assert more.code == 0, more.err
    assert len((run / "history.jsonl").read_text().splitlines()) == 3
    load(run)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--weights nowhere.pth", "nowhere.pth', which does not exist; accepted: auto, a file or"),
        ("--weights auto", "weights: got model 'conv1'; accepted: efficientnet_lite0"),
        ("--unfreeze-at 1", "unfreeze_at: got 1; accepted: None without freeze"),
        ("--freeze backbone --unfreeze-from dens", "unfreeze_from: got 'dens'; accepted: a path"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_no_folder(
    jcnn: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    words: str,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = jcnn(*f"{TRAIN} {words} --out run".split())
    assert done.code == 2
    (line,) = done.err.splitlines()
    assert line.startswith("jcnn: ")
    assert message in line
    assert not (tmp_path / "run").exists()


def test_a_file_of_keras_is_read_once_for_a_population(
    jcnn: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started: list[Path] = []

    class Counted(hdf5.Reading):
        def __init__(self, path: Path, *args: Any, **settings: Any) -> None:
            started.append(path)
            super().__init__(path, *args, **settings)

    monkeypatch.setattr(keras_file, "Reading", Counted)
    names = [str(number) for number in range(10)]
    file = tmp_path / "net.h5"
    save_model(build("mlp", (8, 8, 1), 10), file, input_shape=(8, 8, 1), class_names=names)
    words = f"train --model mlp --data digits --seeds 2 --weights {file} --epochs 1"
    # The folder cannot be made, which is tried after the models are built.
    done = jcnn(*words.split(), "--out", file / "run")
    assert done.code == 2
    assert "weights: " in done.err
    assert started == [file]
