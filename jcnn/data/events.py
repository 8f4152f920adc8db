"""What reading a data set has to tell while it goes on."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Reading:
    """`done` of `total` images are read; `what` says of what, such as "decoding DIR"."""

    what: str
    done: int
    total: int


@dataclass(frozen=True)
class Note:
    """One line that the user should see: a skipped file, or that the data will be streamed."""

    text: str


Notify = Callable[[Reading | Note], None]


def silent(_event: Reading | Note) -> None:
    """Tell nobody."""
