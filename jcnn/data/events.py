"""Events that are reported while a data set is read."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Reading:
    """Progress: `done` of `total` items of the task `what`, such as "decoding DIR"."""

    what: str
    done: int
    total: int


@dataclass(frozen=True)
class Note:
    """One line for the user, such as a skipped file, or that the data are streamed."""

    text: str


Notify = Callable[[Reading | Note], None]


def silent(_event: Reading | Note) -> None:
    """Ignore the event."""
