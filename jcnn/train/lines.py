"""Plain lines about a training: what `fit` prints, and the command line's line for an epoch."""

from collections.abc import Callable

from jcnn.data.events import Note
from jcnn.runs.history import EpochResult
from jcnn.train.events import Compiling, Event


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
    validation = (
        ""
        if result.val_loss is None
        else f"  val_loss {result.val_loss:.4f}  val_accuracy {result.val_accuracy:.4f}"
    )
    return (
        f"epoch {result.epoch:>{len(str(epochs))}}/{epochs}  loss {result.loss:.4f}  "
        f"accuracy {result.accuracy:.4f}{validation}  "
        f"{result.seconds:.1f} s  {result.images_per_second:,.0f} images/s"
    )
