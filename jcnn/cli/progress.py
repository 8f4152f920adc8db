"""The live display of a training: compiling, the epoch's bar, and a line for each epoch."""

from pathlib import Path
from types import TracebackType
from typing import Self

import jax
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from jcnn.data.events import Note
from jcnn.history import EpochResult
from jcnn.run import RunConfig
from jcnn.train import Compiling, Event
from jcnn.train import Progress as EpochProgress


class TrainingDisplay:
    """Show `fit`'s events on stderr; use it as a context, and give it to `fit` as `on_event`.

    On a terminal the bar moves; elsewhere only the lines are written.

    Args:
        config: of the run.
        run: its folder.
        train: how many training pictures there are.
        test: how many test pictures.
    """

    def __init__(self, config: RunConfig, run: Path, train: int, test: int) -> None:
        device = jax.devices()[0].device_kind
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._console.print(
            f"[bold]{config.model}[/bold] on {config.data} ({train} training and {test} test "
            f"pictures), {config.train.epochs} epochs, device {device}, run folder {run}"
        )
        self._epochs = config.train.epochs
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("starting", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        match event:
            case Compiling():
                self._bar.update(self._task, description="compiling ...")
                if not self._console.is_terminal:
                    self._console.print("compiling ...")
            case EpochProgress():
                if event.step <= 2:
                    self._bar.reset(self._task)
                self._bar.update(
                    self._task,
                    description=(
                        f"epoch {event.epoch}/{self._epochs}  loss {event.loss:.4f}  "
                        f"accuracy {event.accuracy:.4f}"
                    ),
                    total=event.steps,
                    completed=event.step,
                )
            case EpochResult():
                self._bar.console.print(_line(event, self._epochs))
            case Note():
                self._bar.console.print(event.text, markup=False)


def _line(result: EpochResult, epochs: int) -> str:
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
