"""The mean of several histories."""

import math

from jcnn.runs.history import EpochResult, History, mean_history


def row(epoch: int, loss: float, val_loss: float | None = None) -> EpochResult:
    return EpochResult(epoch, loss, loss / 4, val_loss, None, 2.0, 100.0)


def test_the_mean_leaves_out_the_trainings_that_diverged() -> None:
    """For each epoch; the mean is NaN if all models have diverged."""
    whole = History((row(1, 1.0, 0.5), row(2, 3.0, 0.25), row(3, math.nan)))
    other = History((row(1, 2.0, 1.0), row(2, math.nan, 0.75), row(3, math.inf)))
    mean = mean_history([whole, other])
    assert mean["epoch"] == [1, 2, 3]
    assert mean["loss"][:2] == [1.5, 3.0]
    assert mean["accuracy"][:2] == [0.375, 0.75]
    assert mean["val_loss"] == [0.75, 0.25, None]
    assert not math.isfinite(mean["loss"][2])


def test_the_mean_of_one_is_itself() -> None:
    alone = History((row(1, math.nan), row(2, 1.0)))
    assert mean_history([alone]) is alone
