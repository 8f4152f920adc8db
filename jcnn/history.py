"""What training measured: one row an epoch, kept as one line of JSON each."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jcnn.files import write_text


@dataclass(frozen=True)
class EpochResult:
    """One epoch.

    Attributes:
        epoch: 1 for the first.
        loss: mean over the epoch's pictures while the parameters moved, in nats.
        accuracy: likewise, in 0..1.
        val_loss: after the epoch, on the validation pictures; None where there are none.
        val_accuracy: likewise.
        seconds: of training, without compiling and validating.
        images_per_second: training pictures divided by `seconds`.
    """

    epoch: int
    loss: float
    accuracy: float
    val_loss: float | None
    val_accuracy: float | None
    seconds: float
    images_per_second: float


@dataclass(frozen=True)
class History:
    """The epochs of one training, first to last; `history["loss"]` is one column of them."""

    epochs: tuple[EpochResult, ...] = ()

    def __len__(self) -> int:
        return len(self.epochs)

    def __getitem__(self, column: str) -> list[Any]:
        """One number for each epoch, such as `history["val_accuracy"]`."""
        names = [field.name for field in dataclasses.fields(EpochResult)]
        if column not in names:
            raise KeyError(f"{column!r}; accepted: {', '.join(names)}")
        return [getattr(epoch, column) for epoch in self.epochs]

    def rows(self) -> list[dict[str, Any]]:
        """The epochs as plain dictionaries, for JSON."""
        return [dataclasses.asdict(epoch) for epoch in self.epochs]


def from_rows(rows: list[dict[str, Any]]) -> History:
    """The inverse of `History.rows`."""
    return History(tuple(EpochResult(**row) for row in rows))


def write_history(history: History, file: Path) -> None:
    """Write one line of JSON for each epoch; the file is whole at every moment."""
    write_text(file, "".join(json.dumps(row) + "\n" for row in history.rows()))


def read_history(file: Path) -> History:
    """The inverse of `write_history`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no history, or holds no epoch; the message names it.
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
