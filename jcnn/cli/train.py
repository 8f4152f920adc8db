"""`jcnn train`: train a model of the zoo, train a population, or resume a run."""

import contextlib
import dataclasses
import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from jcnn.cli.messages import PartError
from jcnn.config import Population, TrainConfig

if TYPE_CHECKING:
    from jcnn.cli.progress import Display
    from jcnn.data import Dataset, Notify
    from jcnn.runs import RunConfig
    from jcnn.runs.history import History
    from jcnn.train import Callback
    from jcnn.train.scores import Scores

# The options that a resumed run accepts; all other settings come from its folder.
_WITH_RESUME = ("--resume", "--epochs", "--time-limit", "--tensorboard", "--quiet")


@dataclass(frozen=True)
class TrainCommand:
    """Train a model and save it in a run folder.

    Ctrl-C stops the training after saving the last finished epoch; --resume continues it.
    """

    model: Annotated[str, tyro.conf.arg(metavar="NAME")] = "conv4"
    """Model to train; jcnn models lists them."""
    data: Annotated[str, tyro.conf.arg(metavar="SOURCE")] = "mnist5k"
    """Data source, such as fashion_mnist, idx:DIR or folder:DIR; jcnn data lists them."""
    data_dir: Annotated[
        Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="(default: none)")
    ] = None
    """Folder with the data's files, for sources that take one."""
    image_size: Annotated[
        tuple[int, int] | None,
        tyro.conf.arg(
            metavar="H W",
            help_behavior_hint="(default: the model's for folder:DIR, else the source's)",
        ),
    ] = None
    """Height and width, in pixels, to which images are resized."""
    color: Annotated[
        Literal["grey", "rgb"] | None,
        tyro.conf.arg(
            help_behavior_hint="(default: the model's for folder:DIR, else the source's)"
        ),
    ] = None
    """Convert images to one channel (grey) or three (rgb)."""
    resize: Literal["stretch", "crop", "pad"] = "stretch"
    """How to change the aspect ratio: stretch the image, crop its longer side, or pad its shorter
    side with black."""
    on_bad_image: Literal["error", "skip"] = "error"
    """Stop at an image that cannot be read, or report and skip it."""
    settings: Annotated[TrainConfig, tyro.conf.arg(name="")] = field(default_factory=TrainConfig)
    dropout: Annotated[
        float | None, tyro.conf.arg(metavar="RATE", help_behavior_hint="(default: the model's)")
    ] = None
    """Rate of every dropout layer, from 0 to 1."""
    population: Annotated[Population, tyro.conf.arg(name="")] = field(default_factory=Population)
    config: Annotated[
        Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="(default: none)")
    ] = None
    """TOML file with the keys of a run's config.json, or such a file; other options given here
    have precedence."""
    find_lr: bool = False
    """Test learning rates instead of training: print a suggestion and draw the losses to
    RUN-learning-rates.png. No run folder is made."""
    quiet: bool = False
    """Print only errors, warnings and the test accuracy."""
    tensorboard: bool = False
    """Also write a TensorBoard log to RUN/tensorboard; needs pip install 'jcnn[tensorboard]'."""
    out: Annotated[
        Path | None,
        tyro.conf.arg(metavar="RUN", help_behavior_hint="(default: runs/MODEL-DATA-NUMBER)"),
    ] = None
    """Run folder to create."""
    resume: Annotated[
        Path | None, tyro.conf.arg(metavar="RUN", help_behavior_hint="(default: a new run)")
    ] = None
    """Run folder to resume; all settings except --epochs and --time-limit are the run's."""
    words: tyro.conf.Suppress[tuple[str, ...]] = ()

    def run(self) -> None:
        """Train, print the test accuracy and commands to try next; or test learning rates."""
        from jcnn.cli.find_lr import find_lr
        from jcnn.cli.progress import Display
        from jcnn.compile import keep_memory, use_cache
        from jcnn.data import Note
        from jcnn.models import zoo_summary
        from jcnn.runs import create, differences, write_config
        from jcnn.train import check_settings

        use_cache()
        keep_memory()
        with Display(quiet=self.quiet) as display:
            if self.resume:
                run, config = self.resume, self._resumed(self.resume)
                train, test = config.load_data(display)
                for line in differences(run):
                    display(Note(line))
                write_config(run, config)
            else:
                train, test, config = self._described(display)
                run = self.out or _free_folder(config.model, config.data)
                members = config.members()  # checked before a folder is created
                check_settings([member.train for member in members], train)
                zoo_summary(config.model, config.input_shape, len(config.class_names))
                if config.train.freeze:
                    _check_freeze(config)
                if not self.find_lr:
                    create(run, config)
            if self.find_lr:
                result = find_lr(config, train, run, display)
            else:
                display.begin(config, run, len(train), len(test))
                several = len(config.members()) > 1
                train_them = _train_population if several else _train_one
                result = train_them(run, config, train, test, display, self)
        print(result)

    def _described(self, notify: "Notify") -> "tuple[Dataset, Dataset, RunConfig]":
        """The training and test data and the run's configuration, from the options."""
        from jcnn.data import load
        from jcnn.data.sources import takes_image_shape
        from jcnn.models import zoo_entry
        from jcnn.runs import describe

        shape = None
        chosen = self.image_size is not None or self.color is not None
        if chosen and not takes_image_shape(self.data):
            option = "--image-size" if self.image_size else "--color"
            raise ValueError(f"{option}: {self.data!r} takes none; its images have a fixed shape")
        if chosen or self.data.startswith("folder:"):
            height, width, channels = zoo_entry(self.model).input_shape
            height, width = self.image_size or (height, width)
            channels = {None: channels, "grey": 1, "rgb": 3}[self.color]
            shape = (height, width, channels)
        train, test = load(
            self.data,
            self.data_dir,
            image_shape=shape,
            resize=self.resize,
            on_bad_image=self.on_bad_image,
            notify=notify,
        )
        return (
            train,
            test,
            describe(
                self.model,
                train,
                self.data,
                self.data_dir,
                self.settings,
                resize=self.resize,
                on_bad_image=self.on_bad_image,
                dropout=self.dropout,
                population=self.population,
            ),
        )

    def _resumed(self, run: Path) -> "RunConfig":
        """The run's configuration, with the number of epochs from the command line."""
        from jcnn.runs import read_config
        from jcnn.train.resume import finished_epochs

        config = read_config(run)
        given = [word.partition("=")[0].replace("_", "-") for word in self.words]
        fixed = [word for word in given if word.startswith("--") and word not in _WITH_RESUME]
        if fixed:
            raise ValueError(
                f"{', '.join(fixed)}: cannot change with --resume; only --epochs and --time-limit "
                "can"
            )
        if "--time-limit" in given:
            limited = dataclasses.replace(config.train, time_limit=self.settings.time_limit)
            config = dataclasses.replace(config, train=limited)
        if "--epochs" not in given:
            return config
        epochs, done = self.settings.epochs, finished_epochs(run)
        if epochs < done:
            raise ValueError(f"--epochs: got {epochs}, but {run} has finished {done}")
        return dataclasses.replace(config, train=dataclasses.replace(config.train, epochs=epochs))


def _check_freeze(config: "RunConfig") -> None:
    """Raise the ValueError of a wrong name in `freeze`, without drawing parameters."""
    import jax

    from jcnn.layers import freeze
    from jcnn.models.zoo import trace

    def build() -> None:
        model = trace(config.model, config.input_shape, len(config.class_names))
        freeze(model, config.train.freeze, config.input_shape)

    jax.eval_shape(build)


def _train_one(
    run: Path,
    config: "RunConfig",
    train: "Dataset",
    test: "Dataset",
    display: "Display",
    command: TrainCommand,
) -> str:
    """Train one model, evaluate it and write its report; return the text to print."""
    from jcnn.train import fit

    model = config.members()[0].build()
    with _with_advice(run):
        history = fit(
            model,
            train,
            config.members()[0].train,
            run=run,
            resume=command.resume is not None,
            on_event=display,
            callbacks=_callbacks(run, command),
        )
    _check_finished(run, history)
    from jcnn.cli.predictions import predictions  # imports Matplotlib, which training does not need

    found = predictions(model, test, config.train.batch_size)
    result, page = found.scores(), found.report(run, model)
    if command.quiet:
        return f"test accuracy {result.accuracy:.4f}, test loss {result.loss:.4f}"
    numbers = f"test accuracy {result.accuracy:.4f}, test loss {result.loss:.4f}"
    lines = [f"{numbers} ({result.n} images)", f"report {page}"]
    return "\n".join([*lines, _next_steps(run, config, history)])


def _train_population(
    run: Path,
    config: "RunConfig",
    train: "Dataset",
    test: "Dataset",
    display: "Display",
    command: TrainCommand,
) -> str:
    """Train a population, evaluate it and write its report; return the text to print."""
    import numpy as np

    from jcnn.runs import write_members
    from jcnn.train import fit_population

    members = config.members()
    models = [member.build() for member in members]
    with _with_advice(run):
        histories = fit_population(
            models,
            train,
            [member.train for member in members],
            run=run,
            resume=command.resume is not None,
            on_event=display,
            callbacks=_callbacks(run, command),
        )
    _check_finished(run, histories[0])
    write_members(run, config, models, histories)
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
    if command.quiet:
        return "\n".join(lines)
    return "\n".join([*lines, f"report {page}", _next_steps(run, config, histories[0])])


def _check_finished(run: Path, history: "History") -> None:
    """Raise PartError if the time limit came before the end of the first epoch."""
    if not len(history):
        raise PartError(f"no epoch is finished; resume with: {_resume_command(run)}")


def _resume_command(run: Path) -> str:
    return f"{_program()} train --resume {shlex.quote(str(run))}"


def _result(scores: "Scores | None") -> str:
    if scores is None:
        return ": diverged"
    return f": test accuracy {scores.accuracy:.4f}, test loss {scores.loss:.4f}"


def _callbacks(run: Path, command: TrainCommand) -> "list[Callback]":
    from jcnn.train.callbacks import tensorboard_log

    return [tensorboard_log(run / "tensorboard")] if command.tensorboard else []


@contextlib.contextmanager
def _with_advice(run: Path) -> Iterator[None]:
    """Add to an interruption or a divergence how to continue."""
    from jcnn.train import DivergedError
    from jcnn.train.resume import finished_epochs

    try:
        yield
    except KeyboardInterrupt:
        done = finished_epochs(run)
        saved = f"epoch {done} is saved" if done else "no epoch is finished yet"
        raise KeyboardInterrupt(f"stopped; {saved}; resume with: {_resume_command(run)}") from None
    except DivergedError as error:
        raise DivergedError(f"{error} and another run folder than {run}") from None


def _free_folder(model: str, source: str) -> Path:
    name = f"{model}-{source.split(':')[0]}"
    numbers = (number for number in range(1, 10**6))
    return next(
        folder for n in numbers if not os.path.lexists(folder := Path("runs") / f"{name}-{n}")
    )


def _next_steps(run: Path, config: "RunConfig", history: "History") -> str:
    from jcnn.train.epoch_results import has_ended

    resume, epochs = _resume_command(run), len(history)
    if has_ended(config.train, [history]):
        resume = f"{resume} --epochs {2 * epochs}"
    jcnn, folder = _program(), shlex.quote(str(run))
    one = folder if len(config.members()) == 1 else f"{folder}/member-0"
    return "\n".join(
        [
            "next:",
            f"  {jcnn} evaluate {one}",
            f"  {jcnn} predict {one} IMAGE...",
            f"  {resume}",
            f"  {jcnn} summary {config.model}",
        ]
    )


def _program() -> str:
    """The command that runs jcnn in this shell: its name, its path, or its module."""
    if shutil.which("jcnn"):
        return "jcnn"
    here = Path(sys.executable).with_name("jcnn")
    short = here.relative_to(Path.cwd()) if here.is_relative_to(Path.cwd()) else here
    return shlex.quote(str(short)) if here.exists() else "python -m jcnn"
