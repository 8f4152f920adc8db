"""Plain lines about a training: what `fit` prints, and the command line's line for an epoch."""

import dataclasses
from collections.abc import Callable

from jcnn.data.events import Note
from jcnn.runs.history import EpochResult
from jcnn.train.events import Compiling, Event

# The columns of a line that are written in another way or not at all.
_NOT_SHOWN = ("epoch", "seconds", "images_per_second", "learning_rate")


def line_printer(epochs: int) -> Callable[[Event], None]:
    """An `on_event` that prints a line for each epoch and note, without control codes.

    Args:
        epochs: number of epochs that are planned.
    """

    def show(event: Event) -> None:
        match event:
            case Note():
                print(f"note: {event.text}", flush=True)
            case Compiling():
                print("compiling ...", flush=True)
            case EpochResult():
                print(epoch_line(event, epochs), flush=True)

    return show


def epoch_line(result: EpochResult, epochs: int) -> str:
    """The results of one of `epochs` epochs as a line of text."""
    columns = dataclasses.asdict(result)
    for name in _NOT_SHOWN:
        del columns[name]
    numbers = "".join(
        f"{name} {columns[name]:.4f}  "
        for name in sorted(columns, key=lambda name: name.startswith("val_"))
        if columns[name] is not None
    )
    return (
        f"epoch {result.epoch:>{len(str(epochs))}}/{epochs}  {numbers}"
        f"{result.seconds:.1f} s  {result.images_per_second:,.0f} images/s"
    )
