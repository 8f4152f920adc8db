"""The command that repeats a run, parsed by the command line itself."""

import dataclasses
import shlex
from pathlib import Path

import pytest

from jcnn.cli import main
from jcnn.cli.train import TrainCommand
from jcnn.config import Population, TrainConfig
from jcnn.report.origin import command
from jcnn.runs import RunConfig

PLAIN = RunConfig("conv1", (8, 8, 1), tuple("0123456789"), "digits", None, TrainConfig())
CHANGED = TrainConfig(
    epochs=7,
    shuffle=False,
    augment="shift,flip",
    optimizer="adamw",
    learning_rate=2e-5,
    schedule="piecewise",
    decay_epochs=(0.5, 2.0),
    weight_decay=0.01,
    class_weights=(1.0,) * 9 + (2.5,),
    restore_best=True,
    patience=3,
)


@pytest.mark.parametrize(
    "config",
    [
        PLAIN,
        dataclasses.replace(PLAIN, train=CHANGED, dropout=0.25),
        dataclasses.replace(PLAIN, data="fashion_mnist", data_dir="/a b/'c' $d"),
        dataclasses.replace(PLAIN, weights="/a b/run"),
        dataclasses.replace(PLAIN, population=Population(4, (0.1, 0.001), (0.0, 0.5))),
        dataclasses.replace(
            PLAIN, data="folder:/x y", input_shape=(20, 30, 3), resize="pad", on_bad_image="skip"
        ),
    ],
    ids=["plain", "changed", "files", "weights", "population", "folder"],
)
def test_the_command_says_all_that_was_set(
    monkeypatch: pytest.MonkeyPatch, config: RunConfig
) -> None:
    taken: list[TrainCommand] = []
    monkeypatch.setattr(TrainCommand, "run", lambda command: taken.append(command))
    program, *words = shlex.split(command(config))
    assert program == "jcnn"
    assert main(words) == 0
    (found,) = taken
    assert (found.model, found.data) == (config.model, config.data)
    assert found.data_dir == (None if config.data_dir is None else Path(config.data_dir))
    assert found.settings == config.train
    assert found.population == config.population
    assert (found.dropout, found.weights) == (config.dropout, config.weights)
    assert (found.resize, found.on_bad_image) == (config.resize, config.on_bad_image)
    if config.data.startswith("folder:"):
        assert (found.image_size, found.color) == ((20, 30), "rgb")
