"""Live display of a training: compilation, a progress bar, and a line for each epoch."""

from pathlib import Path
from types import TracebackType
from typing import Self

import jax
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from jcnn.cli.console import progress_console
from jcnn.data import Note, Reading
from jcnn.runs import RunConfig
from jcnn.runs.history import EpochResult
from jcnn.train import Compiling, Event
from jcnn.train import Progress as EpochProgress
from jcnn.train.devices import mesh_of
from jcnn.train.lines import epoch_line


class Display:
    """Show the progress of reading and training on stderr; a callable context manager.

    It is the `notify` of `jcnn.data.load` and the `on_event` of `jcnn.train.fit`. On a terminal
    it shows a moving bar, elsewhere only lines.

    Args:
        quiet: show nothing.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = progress_console()
        self._console.quiet = quiet
        self._epochs = 0
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=quiet or not self._console.is_terminal,
        )
        self._task = self._bar.add_task("starting", total=None)

    def begin(self, config: RunConfig, run: Path, train: int, test: int) -> None:
        """Print what is about to be trained.

        Args:
            config: the run's configuration.
            run: its folder.
            train: number of training images.
            test: number of test images.
        """
        self._epochs = config.train.epochs
        models = len(config.members())
        many = f"{models} models of " if models > 1 else ""
        kind, mesh = jax.devices()[0].device_kind, mesh_of(config.train.devices)
        devices = f"device {kind}" if mesh is None else f"{mesh.size} devices {kind}"
        self._console.print(
            f"{many}[bold]{escape(config.model)}[/bold] on {escape(config.data)} ({train} training "
            f"and {test} test images), {self._epochs} epochs, {devices}, "
            f"run folder {escape(str(run))}"
        )

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

    def __call__(self, event: Event | Reading) -> None:
        """Show one event."""
        match event:
            case Note():
                self._console.print(f"note: {event.text}", markup=False)
            case Reading():
                self._show(event.what, event.done, event.total)
            case Compiling():
                self._show("compiling ...", 0, None)
                if not self._console.is_terminal:
                    self._console.print("compiling ...")
            case EpochProgress():
                # Waiting for images is worth showing only above a twentieth of the time.
                waiting = f"  waiting for images {event.waiting:.0%}"
                accuracy = "" if event.accuracy is None else f"  accuracy {event.accuracy:.4f}"
                self._show(
                    f"epoch {event.epoch}/{self._epochs}  loss {event.loss:.4f}"
                    f"{accuracy}{waiting if event.waiting > 0.05 else ''}",
                    event.step,
                    event.steps,
                )
            case EpochResult():
                self._console.print(epoch_line(event, self._epochs))

    def _show(self, what: str, done: int, total: int | None) -> None:
        if self._bar.tasks[0].total != total or self._bar.tasks[0].completed > done:
            self._bar.reset(self._task)
        self._bar.update(self._task, description=escape(what), total=total, completed=done)
