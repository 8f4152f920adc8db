"""The winner of a population: by validation accuracy or a loss, of the epoch that is kept."""

import math

import pytest

from jcnn.config import TrainConfig
from jcnn.runs.history import EpochResult, History
from jcnn.train.winner import Winner, winner

PLAIN = TrainConfig(epochs=2)


def history(*epochs: tuple[float, float | None, float | None]) -> History:
    """Of (loss, val_loss, val_accuracy) in each epoch."""
    rows = enumerate(epochs, start=1)
    return History(
        tuple(
            EpochResult(n, loss, 0.5, val, accuracy, 1.0, 9.0) for n, (loss, val, accuracy) in rows
        )
    )


def test_the_highest_validation_accuracy_wins() -> None:
    histories = [
        history((0.1, 0.1, 0.9), (0.1, 0.2, 0.7)),
        history((2.0, 2.0, 0.1), (0.9, 0.8, 0.8)),
        history((2.0, 2.0, 0.1), (0.5, 0.9, 0.8)),  # as good, with a larger validation loss
        history((0.1, 0.1, 0.95), (math.nan, math.nan, 0.99)),
    ]
    assert winner(PLAIN, histories) == Winner(1, "validation accuracy", 0.8)
    assert str(winner(PLAIN, histories)) == "best by validation accuracy: member-1 (0.8000)"
    assert winner(PLAIN, histories[2:]) == Winner(0, "validation accuracy", 0.8)
    assert winner(PLAIN, histories[3:]) is None
    assert winner(PLAIN, []) is None


def test_the_epoch_counts_whose_parameters_a_model_has() -> None:
    histories = [
        history((0.1, 0.3, 0.7), (0.1, 0.4, 0.8)),
        history((0.1, 0.2, 0.9), (0.1, 0.5, 0.6)),
    ]
    restored = TrainConfig(epochs=2, restore_best=True, monitor="val_loss")
    assert winner(PLAIN, histories) == Winner(0, "validation accuracy", 0.8)
    assert winner(restored, histories) == Winner(1, "validation accuracy", 0.9)


@pytest.mark.parametrize(("val", "by"), [(None, "training loss"), (0.25, "validation loss")])
def test_without_accuracies_the_lowest_loss_wins(val: float | None, by: str) -> None:
    worse = None if val is None else val + 1
    histories = [
        history((1.5, worse, None)),
        history((0.25, val, None)),
        history((2.0, worse, None)),
    ]
    assert winner(TrainConfig(epochs=1), histories) == Winner(1, by, 0.25)
