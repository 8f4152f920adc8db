"""The best model of a population, by what may be used to choose: never by test images."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from jcnn.config import TrainConfig
from jcnn.runs.history import EpochResult, History
from jcnn.train.epoch_results import kept_epoch


class Winner(NamedTuple):
    """The best model of a population.

    Attributes:
        member: its number, from 0.
        by: what was compared: "validation accuracy", "validation loss" or "training loss".
        value: of the winner.
    """

    member: int
    by: str
    value: float

    def __str__(self) -> str:
        return f"best by {self.by}: member-{self.member} ({self.value:.4f})"


def winner(config: TrainConfig, histories: Sequence[History]) -> Winner | None:
    """The model with the highest validation accuracy, or without validation the lowest loss.

    The numbers are those of the epoch whose parameters a model has: the last, or the best with
    `restore_best`. Among equal validation accuracies the lower validation loss wins. Test images
    are not compared: the test accuracy of a model that was chosen by it would be too high.

    Args:
        config: settings of the population.
        histories: of each model.

    Returns:
        The winner; None if all models have diverged.
    """
    rows: dict[int, EpochResult] = {}
    for member, history in enumerate(histories):
        if len(history) and all(math.isfinite(loss) for loss in history["loss"]):
            rows[member] = history.epochs[kept_epoch(config, history) - 1]
    if not rows:
        return None
    accuracies, losses = {}, {}
    for member, row in rows.items():
        if row.val_accuracy is not None:
            accuracies[member] = row.val_accuracy
        if row.val_loss is not None:
            losses[member] = row.val_loss
    if accuracies:
        best = min(accuracies, key=lambda member: (-accuracies[member], losses[member]))
        return Winner(best, "validation accuracy", accuracies[best])
    by = "validation loss" if losses else "training loss"
    losses = losses or {member: row.loss for member, row in rows.items()}
    best = min(losses, key=lambda member: losses[member])
    return Winner(best, by, losses[best])
