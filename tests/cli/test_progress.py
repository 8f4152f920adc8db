"""The progress bar of a training; `test_train.py` tests the permanent lines."""

import os
import pty
import select
import sys
from pathlib import Path

import pytest

from jcnn.cli.progress import Display
from jcnn.data import Note
from jcnn.runs.history import EpochResult
from jcnn.train import Compiling, Progress


@pytest.mark.parametrize(
    ("waiting", "said"),
    [(0.04, ""), (0.06, "  waiting for images 6%"), (0.5, "  waiting for images 50%")],
)
def test_waiting_for_images_is_shown_above_a_twentieth_of_the_time(
    waiting: float, said: str
) -> None:
    display = Display()
    display(Progress(epoch=2, step=3, steps=7, loss=0.5, accuracy=0.25, waiting=waiting))
    (task,) = display._bar.tasks
    assert task.description == f"epoch 2/0  loss 0.5000  accuracy 0.2500{said}"
    assert (task.completed, task.total) == (3, 7)


def show_a_training() -> None:
    with Display() as display:
        display(Note("streamed"))
        display(Compiling())
        display(Progress(epoch=1, step=1, steps=2, loss=0.5, accuracy=0.25))
        display(EpochResult(1, 0.5, 0.25, None, None, 1.0, 100.0))


LINES = [
    "note: streamed",
    "compiling ...",
    "epoch 1/0  loss 0.5000  accuracy 0.2500  1.0 s  100 images/s",
]


@pytest.mark.parametrize("notebook", [True, False])
def test_a_notebook_gets_lines_without_control_codes(
    monkeypatch: pytest.MonkeyPatch, notebook: bool
) -> None:
    """`!jcnn` runs in a pseudo terminal with these variables; a terminal has a moving bar."""
    for name in ("TERM", "FORCE_COLOR", "JPY_PARENT_PID", "NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-color")
    if notebook:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("JPY_PARENT_PID", "17")
    reader, writer = pty.openpty()
    with os.fdopen(writer, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        show_a_training()
        terminal.flush()
        parts = []
        while select.select([reader], [], [], 0.2)[0]:  # a terminal gives what it has in parts
            parts.append(os.read(reader, 100_000))
    written = b"".join(parts).decode()
    os.close(reader)
    if notebook:
        assert written.replace("\r\n", "\n").splitlines() == LINES
        assert "\x1b" not in written
    else:
        assert "\x1b[2K" in written


def test_a_pipe_gets_lines_even_where_colours_are_forced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with (tmp_path / "err").open("w", encoding="utf-8") as pipe:
        monkeypatch.setattr(sys, "stderr", pipe)
        show_a_training()
    assert (tmp_path / "err").read_text(encoding="utf-8").splitlines() == LINES
