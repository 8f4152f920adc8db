"""What `fit` tells while it goes on, and how it ends badly."""

from dataclasses import dataclass

from jcnn.data.events import Note
from jcnn.runs.history import EpochResult


@dataclass(frozen=True)
class Compiling:
    """`fit` is about to compile the epoch's program."""


@dataclass(frozen=True)
class Progress:
    """Part of an epoch is done.

    Attributes:
        epoch: 1 for the first.
        step: steps done.
        steps: in the epoch.
        loss: mean over the epoch so far (and over all members of a population).
        accuracy: likewise.
        waiting: share of the epoch's time that was spent waiting for pictures, 0..1.
    """

    epoch: int
    step: int
    steps: int
    loss: float
    accuracy: float
    waiting: float = 0.0


Event = Note | Compiling | Progress | EpochResult


class DivergedError(ArithmeticError):
    """The loss became NaN or infinite; the model holds the last epoch that was good."""
