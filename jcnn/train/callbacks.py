"""Callbacks of `jcnn.train.fit` that write logs for other programs.

A run folder always has `history.jsonl` and `history.csv`; `csv_log` is for training without one.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from flax import nnx

from jcnn.runs.history import History, csv_text
from jcnn.system.files import write_text

Log = Callable[[nnx.Module, History], None]


def csv_log(file: Path | str) -> Log:
    """Write the history as CSV after each epoch, one row per epoch."""

    def log(_model: nnx.Module, history: History) -> None:
        write_text(Path(file), csv_text(history))

    return log


def tensorboard_log(folder: Path | str) -> Log:
    """Write each column of the history as a TensorBoard scalar after each epoch.

    Raises:
        ValueError: tensorboardX is not installed.
    """
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        raise ValueError(
            "tensorboard: needs another package: pip install 'jcnn[tensorboard]'"
        ) from None

    def log(_model: nnx.Module, history: History) -> None:
        row = dataclasses.asdict(history.epochs[-1])
        epoch = row.pop("epoch")
        # One file per epoch, so that a killed process leaves complete files. The suffix keeps the
        # names of two files from the same second apart.
        suffix = f".{epoch:06d}"
        with SummaryWriter(str(folder), purge_step=epoch, filename_suffix=suffix) as writer:
            for name, value in row.items():
                if value is not None:
                    writer.add_scalar(name, value, epoch)

    return log
