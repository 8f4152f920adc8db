"""The command line: one file a command, which parses, calls the library and prints.

JAX and Rich are imported inside the commands, after the arguments are parsed, so that
`jcnn --help` and a mistyped option answer at once.
"""

import contextlib
import dataclasses
import gc
import io
import itertools
import os
import re
import signal
import sys
import warnings
from collections.abc import Iterator
from typing import Annotated, cast

import tyro

from jcnn import __version__
from jcnn.cli.bench import BenchCommand
from jcnn.cli.data import DataCommand
from jcnn.cli.draw import DrawCommand
from jcnn.cli.evaluate import EvaluateCommand
from jcnn.cli.explore import ExploreCommand
from jcnn.cli.info import InfoCommand
from jcnn.cli.models import ModelsCommand
from jcnn.cli.predict import PredictCommand
from jcnn.cli.report import ReportCommand
from jcnn.cli.summary import SummaryCommand
from jcnn.cli.trace import TraceCommand
from jcnn.cli.train import TrainCommand
from jcnn.cli.warn import PartError, show_warning
from jcnn.suggest import did_you_mean

Command = (
    Annotated[TrainCommand, tyro.conf.subcommand("train")]
    | Annotated[EvaluateCommand, tyro.conf.subcommand("evaluate")]
    | Annotated[PredictCommand, tyro.conf.subcommand("predict")]
    | Annotated[ReportCommand, tyro.conf.subcommand("report")]
    | Annotated[ExploreCommand, tyro.conf.subcommand("explore")]
    | Annotated[SummaryCommand, tyro.conf.subcommand("summary")]
    | Annotated[ModelsCommand, tyro.conf.subcommand("models")]
    | Annotated[DataCommand, tyro.conf.subcommand("data")]
    | Annotated[DrawCommand, tyro.conf.subcommand("draw")]
    | Annotated[TraceCommand, tyro.conf.subcommand("trace")]
    | Annotated[BenchCommand, tyro.conf.subcommand("bench")]
    | Annotated[InfoCommand, tyro.conf.subcommand("info")]
)

# Importing JAX and tracing a model make many objects that stay. To look for garbage among them
# at every 700 new ones, as Python does, takes a tenth of the time to the first training step.
_OBJECTS_BETWEEN_LOOKS = 20_000

DESCRIPTION = (
    "Convolutional neural networks in JAX: train, evaluate, predict, and look inside. "
    "jcnn --version prints the version."
)


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    The exit code is 0; 1 (diverged, wrong, or done in part); 2 (user error) or 130 (Ctrl-C).

    Args:
        arguments: the command line's words; None means those of the process.
    """
    thresholds = gc.get_threshold()
    gc.set_threshold(_OBJECTS_BETWEEN_LOOKS, *thresholds[1:])
    shown, warnings.showwarning = warnings.showwarning, show_warning
    try:
        words = sys.argv[1:] if arguments is None else arguments
        if words == ["--version"]:
            print(f"jcnn {__version__}")
            return 0
        command = _parse(words)
        if isinstance(command, TrainCommand):  # which of its defaults were asked for?
            command = dataclasses.replace(command, words=tuple(words[1:]))
        command.run()
        sys.stdout.flush()
    except (ValueError, NotImplementedError, OSError) as error:
        if isinstance(error, BrokenPipeError):  # the reader of our output has gone: `| head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 128 + signal.SIGPIPE
        return _fail(str(error), 2)
    except (ArithmeticError, PartError) as error:
        return _fail(str(error), 1)
    except KeyboardInterrupt as stop:
        return _fail(str(stop) or "stopped", 130)
    finally:
        gc.set_threshold(*thresholds)
        warnings.showwarning = shown
    return 0


def _fail(message: str, code: int) -> int:
    print(f"jcnn: {' '.join(message.split())}", file=sys.stderr)
    return code


def _parse(arguments: list[str]) -> Command:
    # tyro explains a mistake in a framed paragraph, broken to the terminal's width; scripts are
    # promised one line, in which a long path stays whole.
    explained = io.StringIO()
    asks_help = not {"-h", "--help"}.isdisjoint(arguments)
    try:
        with contextlib.redirect_stderr(explained), _columns(None if asks_help else 10_000):
            parsed: Command = tyro.cli(
                cast("type[Command]", Command),
                prog="jcnn",
                description=DESCRIPTION,
                args=arguments,
                config=(tyro.conf.FlagCreatePairsOff,),
            )
        return parsed
    except SystemExit as stop:
        if not stop.code:  # --help
            raise
        raise ValueError(_one_line(explained.getvalue(), arguments)) from None


@contextlib.contextmanager
def _columns(width: int | None) -> Iterator[None]:
    """Let the terminal seem `width` columns wide; None leaves it as it is."""
    before = os.environ.get("COLUMNS")
    if width is not None:
        os.environ["COLUMNS"] = str(width)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("COLUMNS", None)
        else:
            os.environ["COLUMNS"] = before


def _one_line(frame: str, arguments: list[str]) -> str:
    """What was wrong, out of tyro's frame, and a guess of what was meant.

    On a terminal it is coloured; where stdout is not UTF-8 it has no sides, and a rule between
    its title and what was wrong.
    """
    plain = re.sub(r"\x1b\[[0-9;]*m", "", frame)
    lines = [line.strip("│ ") for line in plain.splitlines()]
    cut = " ".join("\n" if re.fullmatch("[╭╰].*|[─-]+", line) else line for line in lines)
    paragraphs = [" ".join(part.split()) for part in cut.split("\n") if part.strip()]
    wrong, *more = paragraphs if "╭" in plain else paragraphs[1:]
    # Of an option that may be left out, tyro lists why its text is no None, either.
    wrong = wrong.partition(" Got errors:")[0].replace("{None}|", "")
    accepted = [text for text in more[:1] if text.startswith("Available")]
    guess = _guess(wrong, " ".join(accepted), arguments)
    return "; ".join([wrong.rstrip("."), *accepted, "see jcnn --help"]) + guess


def _guess(wrong: str, accepted: str, arguments: list[str]) -> str:
    """What was meant by an option, a command or a choice that does not exist."""
    if choice := re.search(r"invalid choice '(.*)' for .* one of \((.*)\)", wrong):
        return did_you_mean(choice[1], re.findall(r"'([^']*)'", choice[2]))
    if not wrong.startswith("Unrecognized"):
        return ""
    if option := re.search(r"--[\w-]+", wrong):
        return did_you_mean(option[0], _options(arguments))
    names = re.findall(r"\w+", accepted.partition(":")[2])
    return did_you_mean(arguments[0], names) if arguments else ""


def _options(arguments: list[str]) -> list[str]:
    """The options of the command that these words begin with, out of its help."""
    words = list(itertools.takewhile(lambda word: not word.startswith("-"), arguments))
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit, ValueError):
        _parse([*words, "--help"])
    return sorted(set(re.findall(r"--[a-z][a-z-]*", text.getvalue())))
