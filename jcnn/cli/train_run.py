"""Train the models of `jcnn train`, and the text on what came of it and what to do next."""

import contextlib
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from jcnn.cli.messages import PartError

if TYPE_CHECKING:
    from flax import nnx

    from jcnn.cli.progress import Display
    from jcnn.cli.train import TrainCommand
    from jcnn.data import Dataset
    from jcnn.runs import RunConfig
    from jcnn.runs.history import History
    from jcnn.train import Callback
    from jcnn.train.scores import Scores


def train_one(
    run: Path,
    config: "RunConfig",
    model: "nnx.Module",
    train: "Dataset",
    test: "Dataset",
    display: "Display",
    command: "TrainCommand",
) -> str:
    """Train one model, evaluate it and write its report; return the text to print."""
    from jcnn.cli.train_model import saved_optimizer
    from jcnn.train import fit
    from jcnn.train.evaluate import check_probabilities
    from jcnn.train.processes import decided

    with _with_advice(run, command):
        history = fit(
            model,
            train,
            config.members()[0].train,
            run=run,
            resume=command.resume is not None,
            on_event=display,
            callbacks=_callbacks(run, command),
            optimizer_state=saved_optimizer(config),
        )
    _check_finished(run, history, command)
    from jcnn.cli.predictions import predictions  # imports Matplotlib, which training does not need

    found = predictions(model, test, config.train.batch_size, devices=config.train.devices)
    check_probabilities(model, found.probabilities)
    result = found.scores()
    page = Path(decided(lambda: str(found.report(run, model))))
    if command.quiet:
        return f"test accuracy {result.accuracy:.4f}, test loss {result.loss:.4f}"
    numbers = f"test accuracy {result.accuracy:.4f}, test loss {result.loss:.4f}"
    lines = [f"{numbers} ({result.n} images)", f"report {page}"]
    return "\n".join([*lines, _next_steps(run, config, history, command)])


def train_population(
    run: Path,
    config: "RunConfig",
    models: "list[nnx.Module]",
    train: "Dataset",
    test: "Dataset",
    display: "Display",
    command: "TrainCommand",
) -> str:
    """Train a population, evaluate it and write its report; return the text to print."""
    import numpy as np

    from jcnn.runs import member_folder, write_members
    from jcnn.train import fit_population
    from jcnn.train.processes import decided, is_first
    from jcnn.train.winner import winner

    members = config.members()
    with _with_advice(run, command):
        histories = fit_population(
            models,
            train,
            [member.train for member in members],
            run=run,
            resume=command.resume is not None,
            on_event=display,
            callbacks=_callbacks(run, command),
        )
    _check_finished(run, histories[0], command)
    decided(lambda: write_members(run, config, models, histories))
    if not is_first():
        return ""
    from jcnn.cli.predictions import report_population  # with Matplotlib, as above

    page, found = report_population(run, config, test, models)
    accuracies = [result.accuracy for result in found.values()]
    lines = [
        f"member-{i}: seed {member.train.seed}, learning rate {member.train.learning_rate:g}"
        + ("" if member.dropout is None else f", dropout {member.dropout:g}")
        + _result(found.get(f"member-{i}"))
        for i, member in enumerate(members)
    ]
    if len(accuracies) > 1:
        lines.append(
            f"test accuracy {np.mean(accuracies):.4f} +- {np.std(accuracies, ddof=1):.4f} "
            f"(mean and standard deviation of {len(accuracies)} models, {len(test)} images)"
        )
    best = winner(config.train, histories)
    if best is not None:
        lines.append(f"{best}, in {member_folder(run, best.member)}")
    if command.quiet:
        return "\n".join(lines)
    steps = _next_steps(run, config, histories[0], command, 0 if best is None else best.member)
    return "\n".join([*lines, f"report {page}", steps])


def _check_finished(run: Path, history: "History", command: "TrainCommand") -> None:
    """Raise PartError if the time limit came before the end of the first epoch."""
    if not len(history):
        raise PartError(f"no epoch is finished; resume with: {_resume_command(run, command)}")


def _resume_command(run: Path, command: "TrainCommand", epochs: int | None = None) -> str:
    more = "" if epochs is None else f" --epochs {epochs}"
    return f"{_program()} train --resume {shlex.quote(str(run))}{more}{_built_by(command)}"


def _result(scores: "Scores | None") -> str:
    if scores is None:
        return ": diverged"
    return f": test accuracy {scores.accuracy:.4f}, test loss {scores.loss:.4f}"


def _callbacks(run: Path, command: "TrainCommand") -> "list[Callback]":
    from jcnn.train.callbacks import tensorboard_log

    return [tensorboard_log(run / "tensorboard")] if command.tensorboard else []


@contextlib.contextmanager
def _with_advice(run: Path, command: "TrainCommand") -> Iterator[None]:
    """Add to an interruption or a divergence how to continue."""
    from jcnn.train import DivergedError
    from jcnn.train.resume import finished_epochs

    try:
        yield
    except KeyboardInterrupt:
        done = finished_epochs(run)
        saved = f"epoch {done} is saved" if done else "no epoch is finished yet"
        again = _resume_command(run, command)
        raise KeyboardInterrupt(f"stopped; {saved}; resume with: {again}") from None
    except DivergedError as error:
        raise DivergedError(f"{error} and another run folder than {run}") from None


def _built_by(command: "TrainCommand") -> str:
    """The option with which further commands build the model of this run; "" for the zoo."""
    if command.trust:
        return " --trust"
    return f" --model {shlex.quote(command.model)}" if ".py:" in command.model else ""


def _next_steps(
    run: Path,
    config: "RunConfig",
    history: "History",
    command: "TrainCommand",
    member: int = 0,
) -> str:
    """Commands to try next, of a population for this member."""
    from jcnn.train.epoch_results import has_ended

    more = 2 * len(history) if has_ended(config.train, [history]) else None
    resume = _resume_command(run, command, more)
    jcnn, folder, built_by = _program(), shlex.quote(str(run)), _built_by(command)
    keeps = config.train.keep_checkpoints is not None
    one = folder if len(config.members()) == 1 else f"{folder}/member-{member}"
    return "\n".join(
        [
            "next:",
            f"  {jcnn} evaluate {one}{built_by}",
            f"  {jcnn} predict {one} IMAGE...{built_by}",
            *([f"  {jcnn} explore {one} --over-epochs{built_by}"] if keeps else []),
            f"  {resume}",
            *([f"  {jcnn} summary {config.model}"] if config.model_from == "zoo" else []),
        ]
    )


def _program() -> str:
    """The command that runs jcnn in this shell: its name, its path, or its module."""
    if shutil.which("jcnn"):
        return "jcnn"
    here = Path(sys.executable).with_name("jcnn")
    short = here.relative_to(Path.cwd()) if here.is_relative_to(Path.cwd()) else here
    return shlex.quote(str(short)) if here.exists() else "python -m jcnn"
