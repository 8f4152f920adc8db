"""The command line: one file per command, which parses, calls the library and prints.

JAX and Rich are imported inside the commands, after the arguments are parsed, so that
`jcnn --help` and a mistyped option respond at once.
"""

import atexit
import dataclasses
import gc
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import Annotated

import tyro

from jcnn import __version__
from jcnn.cli.bench import BenchCommand
from jcnn.cli.config_file import words_of_file
from jcnn.cli.data import DataCommand
from jcnn.cli.draw import DrawCommand
from jcnn.cli.evaluate import EvaluateCommand
from jcnn.cli.explore import ExploreCommand
from jcnn.cli.export import ExportCommand
from jcnn.cli.import_model import ImportCommand
from jcnn.cli.info import InfoCommand
from jcnn.cli.messages import PartError, show_warning
from jcnn.cli.models import ModelsCommand
from jcnn.cli.parser import parse_command
from jcnn.cli.predict import PredictCommand
from jcnn.cli.report import ReportCommand
from jcnn.cli.show import ShowCommand
from jcnn.cli.summary import SummaryCommand
from jcnn.cli.trace import TraceCommand
from jcnn.cli.train import TrainCommand

Command = (
    Annotated[TrainCommand, tyro.conf.subcommand("train")]
    | Annotated[EvaluateCommand, tyro.conf.subcommand("evaluate")]
    | Annotated[PredictCommand, tyro.conf.subcommand("predict")]
    | Annotated[ReportCommand, tyro.conf.subcommand("report")]
    | Annotated[ExploreCommand, tyro.conf.subcommand("explore")]
    | Annotated[ExportCommand, tyro.conf.subcommand("export")]
    | Annotated[ImportCommand, tyro.conf.subcommand("import")]
    | Annotated[ShowCommand, tyro.conf.subcommand("show")]
    | Annotated[SummaryCommand, tyro.conf.subcommand("summary")]
    | Annotated[ModelsCommand, tyro.conf.subcommand("models")]
    | Annotated[DataCommand, tyro.conf.subcommand("data")]
    | Annotated[DrawCommand, tyro.conf.subcommand("draw")]
    | Annotated[TraceCommand, tyro.conf.subcommand("trace")]
    | Annotated[BenchCommand, tyro.conf.subcommand("bench")]
    | Annotated[InfoCommand, tyro.conf.subcommand("info")]
)

# Importing JAX and tracing a model create many long-lived objects. Python's default of a garbage
# collection after every 700 new objects takes a tenth of the time to the first training step.
_OBJECTS_BETWEEN_COLLECTIONS = 20_000

# At the end of the process, the collector would look at all objects of JAX: 0.3 s.
atexit.register(gc.freeze)

DESCRIPTION = (
    "Convolutional neural networks in JAX: train, evaluate, predict and visualise. "
    "jcnn COMMAND --help describes a command; jcnn --version prints the version."
)


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    The exit code is 0 (success), 1 (diverged, wrong or incomplete), 2 (user error) or 130 (Ctrl-C).

    Args:
        arguments: the words after `jcnn`; None means those of the process.
    """
    thresholds = gc.get_threshold()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, *thresholds[1:])
    shown, warnings.showwarning = warnings.showwarning, show_warning
    try:
        words = sys.argv[1:] if arguments is None else arguments
        if words == ["--version"]:
            print(f"jcnn {__version__}")
            return 0
        command: Command = parse_command(Command, DESCRIPTION, words)
        if isinstance(command, TrainCommand):  # which options were given explicitly
            command = dataclasses.replace(command, words=tuple(words[1:]))
            if command.config is not None:
                command = _with_file(command, command.config)
        command.run()
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:
        code = fail(error)
        if code is None:
            raise
        return code
    finally:
        gc.set_threshold(*thresholds)
        warnings.showwarning = shown
    return 0


def fail(error: BaseException) -> int | None:
    """Print what ended a command; return its exit code, or None for what is no user's error."""
    if isinstance(error, BrokenPipeError):  # the reader has closed, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    if isinstance(error, ValueError | NotImplementedError | OSError):
        return _fail(_text(error), 2)
    if isinstance(error, ArithmeticError | PartError):
        return _fail(str(error), 1)
    if isinstance(error, KeyboardInterrupt):
        return _fail(str(error) or "stopped", 130)
    # C code that had called Python when Ctrl-C came
    if isinstance(error, SystemError) and isinstance(error.__cause__, KeyboardInterrupt):
        return _fail("stopped", 130)
    return None


def _with_file(command: TrainCommand, file: Path) -> TrainCommand:
    """The command with the settings of a file, where its words do not give them."""
    settings = words_of_file(file)
    try:
        parse_command(Command, DESCRIPTION, ["train", *settings])
    except ValueError as error:
        raise ValueError(f"--config: {file}: {error}") from None
    together: TrainCommand = parse_command(
        Command, DESCRIPTION, ["train", *settings, *command.words]
    )
    return dataclasses.replace(together, words=command.words)


def _text(error: Exception) -> str:
    """The message of an error, without the number that Python writes before that of a file."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _fail(message: str, code: int) -> int:
    print(f"jcnn: {' '.join(message.split())}", file=sys.stderr)
    return code
