"""The events that `fit` reports, and the error for a diverged training."""

from dataclasses import dataclass

from jcnn.data.events import Note, Reading
from jcnn.runs.history import EpochResult


@dataclass(frozen=True)
class Compiling:
    """`fit` starts to compile the program of an epoch."""


@dataclass(frozen=True)
class Progress:
    """Part of an epoch is finished.

    Attributes:
        epoch: 1 for the first.
        step: number of finished steps.
        steps: number of steps in the epoch.
        loss: mean over the epoch so far, and over the models of a population.
        accuracy: mean over the same examples, in 0..1; None for labels `(N, K)`.
        waiting: share of the epoch's time spent waiting for images, 0..1.
    """

    epoch: int
    step: int
    steps: int
    loss: float
    accuracy: float | None
    waiting: float = 0.0


Event = Note | Reading | Compiling | Progress | EpochResult


class DivergedError(ArithmeticError):
    """The loss became NaN or infinite; the model holds the last good epoch."""
