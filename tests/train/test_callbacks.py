"""The logs contain every number of the history."""

import csv
from pathlib import Path
from typing import Any

import pytest
from flax import nnx
from tensorboardX.proto.event_pb2 import Event

from jcnn.config import TrainConfig
from jcnn.layers import Dense, Flatten, Sequential
from jcnn.train import Callback, fit
from jcnn.train.callbacks import csv_log, tensorboard_log
from tests.train import small


def linear() -> Sequential:
    return Sequential([Flatten(), Dense(60, 3, rngs=nnx.Rngs(0))])


def test_csv_has_a_row_an_epoch_at_every_moment(tmp_path: Path) -> None:
    file, lengths = tmp_path / "log.csv", []

    def look(_model: object, _history: object) -> None:
        lengths.append(len(file.read_text(encoding="utf-8").splitlines()))

    data = small.dataset()
    callbacks: list[Callback] = [csv_log(file), look]
    history = fit(linear(), data, TrainConfig(epochs=3), validation=data, callbacks=callbacks)
    assert lengths == [2, 3, 4]
    with file.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for column in ("epoch", "loss", "val_accuracy", "learning_rate"):
        assert [float(row[column]) for row in rows] == history[column]


def test_tensorboard_reads_what_was_written(tmp_path: Path) -> None:
    data = small.dataset()
    log = tensorboard_log(tmp_path / "tb")
    history = fit(linear(), data, TrainConfig(epochs=2), callbacks=[log])
    found: dict[str, list[tuple[int, float]]] = {}
    for file in sorted((tmp_path / "tb").iterdir()):
        for event in records(file.read_bytes()):
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
    assert "val_loss" not in found  # nothing was validated
    for column in ("loss", "accuracy", "learning_rate"):
        steps, values = zip(*found[column], strict=True)
        assert steps == (1, 2)
        assert values == pytest.approx(history[column], rel=1e-6)


def records(content: bytes) -> list[Any]:
    """The events of a file: length, checksum, bytes, checksum, one after the other."""
    events, place = [], 0
    while place < len(content):
        length = int.from_bytes(content[place : place + 8], "little")
        events.append(Event.FromString(content[place + 12 : place + 12 + length]))
        place += length + 16
    return events
