"""The history of a training: one row per epoch, stored as JSON lines and as CSV."""

import csv
import dataclasses
import functools
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
        loss: mean over the training images, each with the parameters of its step, in nats; or of
            the loss that was given.
        accuracy: mean over the same images, in 0..1; None for labels `(N, K)`.
        val_loss: loss on the validation images after the epoch; None without validation.
        val_accuracy: accuracy on the same images; None without it or without validation.
        seconds: duration of the training steps, without compilation and validation.
        images_per_second: number of training images divided by `seconds`.
        learning_rate: learning rate of the last step; None where the optimizer has its own, and in
            histories of older versions.

    A training with metrics has two more columns for each, `NAME` and `val_NAME`.

    The loss of a diverged model of a population is NaN.
    """

    epoch: int
    loss: float
    accuracy: float | None
    val_loss: float | None
    val_accuracy: float | None
    seconds: float
    images_per_second: float
    learning_rate: float | None = None


def epoch_result(**columns: Any) -> EpochResult:
    """The `EpochResult` of these columns, of which some may be metrics."""
    names = {field.name for field in dataclasses.fields(EpochResult)}
    return _row_type(tuple(name for name in columns if name not in names))(**columns)


@functools.cache
def _row_type(metrics: tuple[str, ...]) -> type[EpochResult]:
    """`EpochResult` with fields for metrics, so that a table of epochs has a column for each."""
    if not metrics:
        return EpochResult

    def pickled(row: Any) -> Any:
        return _from_columns, (dataclasses.asdict(row),)

    return dataclasses.make_dataclass(
        "EpochResult",
        [(name, float | None, None) for name in metrics],
        bases=(EpochResult,),
        namespace={"__reduce__": pickled},
        frozen=True,
    )


def _from_columns(columns: dict[str, Any]) -> EpochResult:
    return epoch_result(**columns)


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
        names = _columns(self)
        if column not in names:
            raise KeyError(f"{column!r}; accepted: {', '.join(names)}")
        return [getattr(epoch, column) for epoch in self.epochs]

    def __iter__(self) -> Iterator[EpochResult]:
        """The epochs; `pandas.DataFrame(history)` makes a column of each attribute."""
        return iter(self.epochs)

    def _repr_html_(self) -> str:
        """The last epochs as a table, which a notebook shows."""
        names = _columns(self)
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


def _columns(history: History) -> list[str]:
    """The columns of its first epoch: all epochs have the same."""
    of = history.epochs[0] if history.epochs else EpochResult
    return [field.name for field in dataclasses.fields(of)]


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

    return History(tuple(epoch_result(**{name: number(row[name]) for name in row}) for row in rows))


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
        for name in _columns(histories[0]):
            values = [getattr(row, name) for row in sound]
            columns[name] = None if None in values else sum(values) / len(values)
        epochs.append(epoch_result(**columns | {"epoch": rows[0].epoch}))
    return History(tuple(epochs))


def write_history(history: History, run: Path) -> None:
    """Write `history.jsonl` and `history.csv` atomically, with a line for each epoch."""
    write_text(run / "history.jsonl", "".join(json.dumps(row) + "\n" for row in history.rows()))
    write_text(run / "history.csv", csv_text(history))


def csv_text(history: History) -> str:
    """The history as CSV: a line of column names, and a line for each epoch."""
    table = io.StringIO()
    names = _columns(history)
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
