"""`jcnn train` with --config, --quiet, --time-limit, --find-lr and balanced class weights."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jcnn.cli import DESCRIPTION, Command
from jcnn.cli.config_file import words_of_file
from jcnn.cli.parser import parse_command
from jcnn.config import Population, TrainConfig
from jcnn.data import digits
from jcnn.runs import create, describe, read_config
from jcnn.train import loop
from tests.cli.process import Result

Jcnn = Callable[..., Result]

FILE = """
model = "mlp"
data = "digits"
[train]
epochs = 7
batch_size = 128
shuffle = false
class_weights = "balanced"
"""


@pytest.mark.usefixtures("blank_figures")
def test_a_file_of_settings_and_options_that_win(jcnn: Jcnn, tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text(FILE)
    run = tmp_path / "run"
    result = jcnn("train", "--config", file, "--epochs", "1", "--quiet", "--out", run)
    assert (result.code, result.err) == (0, "")
    assert re.fullmatch(r"test accuracy 0\.\d{4}, test loss \d\.\d{4}\n", result.out)
    config = read_config(run)
    assert (config.model, config.train.epochs, config.train.batch_size) == ("mlp", 1, 128)
    assert not config.train.shuffle
    counts = np.bincount(digits()[0].labels)
    np.testing.assert_allclose(
        np.array(config.train.class_weights), counts.sum() / (len(counts) * counts)
    )


@pytest.mark.parametrize(
    "train",
    [
        TrainConfig(),
        TrainConfig(
            epochs=4,
            validation_split=0.25,
            shuffle=False,
            augment="shift,flip",
            feature_views=4,
            schedule="piecewise",
            decay_epochs=(1, 2.5),
            weight_decay=1e-4,
            clip_norm=2.0,
            class_weights={"3": 2.0, "1": 0.5},
            freeze=("conv2d", "dense/0"),
            restore_best=True,
            patience=3,
            time_limit=0.5,
            keep_checkpoints=7,
        ),
        TrainConfig(class_weights=tuple(range(10)), keep_checkpoints="all"),
    ],
)
def test_every_setting_of_a_config_json_is_read(train: TrainConfig, tmp_path: Path) -> None:
    config = describe(
        "conv1",
        digits()[0],
        "digits",
        None,
        train,
        resize="pad",
        dropout=0.125,
        population=Population(seeds=2, learning_rates=(1e-3, 1e-5)),
    )
    create(tmp_path / "run", replace(config, weights="auto"))
    words = words_of_file(tmp_path / "run" / "config.json")
    command: Any = parse_command(Command, DESCRIPTION, ["train", *words])
    settings = command.settings.with_class_weights_of(config.class_names, [1] * 10)
    assert settings == config.train
    assert command.population == config.population
    assert (command.model, command.data) == (config.model, config.data)
    assert (command.resize, command.dropout, command.weights) == ("pad", 0.125, "auto")
    assert config.border is None  # of the padding


def test_an_input_shape_is_for_data_that_are_resized(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text('data = "folder:x"\ninput_shape = [20, 30, 3]\n')
    assert words_of_file(file) == [
        *("--data=folder:x", "--image-size", "20", "30", "--color", "rgb")
    ]
    file.write_text('data = "digits"\ninput_shape = [20, 30, 3]\n')
    assert words_of_file(file) == ["--data=digits"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("modle = 'mlp'", "unknown key modle; did you mean 'model'?"),
        ("epochs = 3", "unknown key epochs; it is one of the table [train]"),
        ("[train]\nepocs = 3", "unknown key epocs in train; did you mean 'epochs'?"),
        ("[population]\nseed = 3", "unknown key seed in population; did you mean 'seeds'?"),
        ("train = 3", "train: got 3; accepted: keys and values"),
        ("[train]\nepochs = true", "epochs: got True; accepted: text, a number or a list"),
        ("[train]\nepochs = 'x'", "--epochs: got 'x'; accepted: an int"),
        ("[train]\nepochs = 0", "epochs: got 0; accepted: an int >= 1"),
        ("data = 'folder:x'\ninput_shape = [3, 4]", "input_shape: got [3, 4]; accepted: [height"),
        ("model = ", "is not TOML: Invalid value"),
        (None, "No such file or directory"),
    ],
)
def test_a_wrong_file_is_named(jcnn: Jcnn, tmp_path: Path, text: str | None, message: str) -> None:
    file = tmp_path / "a.toml"
    if text is not None:
        file.write_text(text)
    result = jcnn("train", "--config", file, "--out", tmp_path / "run")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"jcnn: --config: {file}: {message}")
    assert len(result.err.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_find_lr_draws_a_picture_and_makes_no_run(jcnn: Jcnn, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "a"
    result = jcnn("train", "--model", "mlp", "--data", "digits", "--find-lr", "--out", run)
    assert result.code == 0
    picture = tmp_path / "runs" / "a-learning-rates.png"
    number = r"\S+"
    assert re.fullmatch(
        rf"suggested: --learning-rate {number} \(a tenth of {number}, where the loss is lowest\); "
        rf"curve {re.escape(str(picture))}\n",
        result.out,
    )
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert list(picture.parent.iterdir()) == [picture]
    refused = jcnn("train", "--data", "digits", "--model", "mlp", "--find-lr", "--seeds", "2")
    assert refused.err.endswith("tests one model; give no --seeds, --learning-rates, --dropouts\n")


@pytest.mark.usefixtures("blank_figures")
def test_a_time_limit_within_the_first_epoch(
    jcnn: Jcnn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "PATIENCE_SECONDS", 0.0)
    run = tmp_path / "run"
    words = "train --model mlp --data digits --time-limit 1e-9 --steps-per-call 9 --epochs 2"
    result = jcnn(*words.split(), "--out", run)
    assert (result.code, result.out) == (1, "")
    assert "note: time limit of 1e-09 minutes: stopped 9 of 23 steps into epoch 1" in result.err
    assert re.search(r"jcnn: no epoch is finished; resume with: .* train --resume ", result.err)
    monkeypatch.setattr(loop, "PATIENCE_SECONDS", 60.0)
    result = jcnn("train", "--resume", run, "--time-limit", "1e-8")
    assert result.code == 0
    assert "note: time limit of 1e-08 minutes: stopped after epoch 1 (of 2 epochs)" in result.err
    assert re.search(rf"  \S.* train --resume {run}\n", result.out)  # without --epochs
    assert read_config(run).train == TrainConfig(epochs=2, steps_per_call=9, time_limit=1e-8)


@pytest.mark.usefixtures("blank_figures")
def test_devices(jcnn: Jcnn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    words = "train --model mlp --data digits --epochs 1 --optimizer sgd --batch-size 72 --devices"
    refused = jcnn(*words.split(), "5", "--out", run)
    assert refused.code == 2
    assert refused.err == (
        "jcnn: batch_size: got 72 on 5 devices; accepted: a multiple of 5, such as 70 or 75\n"
    )
    assert not run.exists()
    result = jcnn(*words.split(), "4", "--out", run)
    assert result.code == 0
    assert ", 1 epochs, 4 devices cpu, " in result.err
    assert read_config(run).train.devices == 4
    resumed = jcnn("train", "--resume", run, "--epochs", "2", "--devices", "2")
    assert (resumed.code, read_config(run).train.devices) == (0, 2)
    found = [jcnn("evaluate", run, "--json", *more) for more in ((), ("--devices", "all"))]
    assert found[0].out == found[1].out
    for where in ("here", "host:70000,2,0", "host:0,2,0", "host:7777,2,2", "host:7777,2"):
        refused = jcnn("train", "--data", "digits", "--distributed", where)
        assert refused.code == 2
        said = f"jcnn: distributed: got {where!r}; accepted: auto, or HOST:PORT,COUNT,ID with"
        assert refused.err.startswith(said)
        assert refused.err.count("\n") == 1
    monkeypatch.setenv("JCNN_JOIN_SECONDS", "soon")
    late = jcnn("train", "--data", "digits", "--distributed", "host:7777,2,0")
    assert late.code == 2
    assert late.err == "jcnn: JCNN_JOIN_SECONDS: got 'soon'; accepted: a whole number >= 0\n"
