"""The history of a training: one row per epoch, stored as JSON lines and as CSV."""

import csv
import dataclasses
import io
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jcnn.system.files import write_text
from jcnn.system.html_table import html_table

_EPOCHS_SHOWN = 30


@dataclass(frozen=True)
class EpochResult:
    """The results of one epoch.

    Attributes:
        epoch: 1 for the first.
        loss: mean over the training images, each with the parameters of its step, in nats.
        accuracy: mean over the same images, in 0..1.
        val_loss: loss on the validation images after the epoch; None without validation.
        val_accuracy: accuracy on the same images; None without validation.
        seconds: duration of the training steps, without compilation and validation.
        images_per_second: number of training images divided by `seconds`.
        learning_rate: learning rate of the last step; None in histories of older versions.

    The loss of a diverged model of a population is NaN.
    """

    epoch: int
    loss: float
    accuracy: float
    val_loss: float | None
    val_accuracy: float | None
    seconds: float
    images_per_second: float
    learning_rate: float | None = None


@dataclass(frozen=True)
class History:
    """The epochs of one training, first to last; `history["loss"]` is one column.

    `pandas.DataFrame(history)` has a row for each epoch.
    """

    epochs: tuple[EpochResult, ...] = ()

    def __len__(self) -> int:
        return len(self.epochs)

    def __getitem__(self, column: str) -> list[Any]:
        """One value for each epoch, such as `history["val_accuracy"]`."""
        names = [field.name for field in dataclasses.fields(EpochResult)]
        if column not in names:
            raise KeyError(f"{column!r}; accepted: {', '.join(names)}")
        return [getattr(epoch, column) for epoch in self.epochs]

    def __iter__(self) -> Iterator[EpochResult]:
        """The epochs; `pandas.DataFrame(history)` makes a column of each attribute."""
        return iter(self.epochs)

    def _repr_html_(self) -> str:
        """The last epochs as a table, which a notebook shows."""
        names = [field.name for field in dataclasses.fields(EpochResult)]
        shown = [n for n in names if any(value is not None for value in self[n]) or n == "epoch"]
        rows = [[_cell(getattr(e, n)) for n in shown] for e in self.epochs[-_EPOCHS_SHOWN:]]
        if len(self) > _EPOCHS_SHOWN:
            rows.insert(0, ["..."] * len(shown))
        return html_table([name.replace("_", " ") for name in shown], rows)

    def rows(self) -> list[dict[str, Any]]:
        """The epochs as dictionaries for JSON, which has no NaN: it becomes "nan"."""
        return [
            {name: _plain(value) for name, value in dataclasses.asdict(epoch).items()}
            for epoch in self.epochs
        ]


def _cell(value: float | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.4g}"


def _plain(value: float | None) -> float | str | None:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def from_rows(rows: list[dict[str, Any]]) -> History:
    """The inverse of `History.rows`."""

    def number(value: Any) -> Any:
        return float(value) if isinstance(value, str) else value

    return History(tuple(EpochResult(**{name: number(row[name]) for name in row}) for row in rows))


def mean_history(histories: Sequence[History]) -> History:
    """The mean of each column over the models of a population, without diverged models.

    A single history is returned unchanged. The seconds are those of the whole population.
    """
    if len(histories) == 1:
        return histories[0]
    epochs = []
    for rows in zip(*(history.epochs for history in histories), strict=True):
        sound = [row for row in rows if math.isfinite(row.loss)] or list(rows)
        columns: dict[str, Any] = {}
        for field in dataclasses.fields(EpochResult):
            values = [getattr(row, field.name) for row in sound]
            columns[field.name] = None if None in values else sum(values) / len(values)
        epochs.append(EpochResult(**columns | {"epoch": rows[0].epoch}))
    return History(tuple(epochs))


def write_history(history: History, run: Path) -> None:
    """Write `history.jsonl` and `history.csv` atomically, with a line for each epoch."""
    write_text(run / "history.jsonl", "".join(json.dumps(row) + "\n" for row in history.rows()))
    write_text(run / "history.csv", csv_text(history))


def csv_text(history: History) -> str:
    """The history as CSV: a line of column names, and a line for each epoch."""
    table = io.StringIO()
    names = [field.name for field in dataclasses.fields(EpochResult)]
    writer = csv.DictWriter(table, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history.rows())
    return table.getvalue()


def read_history(file: Path) -> History:
    """The inverse of `write_history`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not a history, or holds no epoch; the message names it.
    """
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such file; it is written after the first epoch")
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
        history = from_rows([json.loads(line) for line in lines])
    except (ValueError, TypeError) as error:
        raise ValueError(f"{file}: is not a history: {error}") from error
    if not len(history):
        raise ValueError(f"{file}: holds no epoch")
    return history
