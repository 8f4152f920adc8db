"""`jcnn train`: train a model of the zoo, or go on with a run."""

import dataclasses
import os
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from jcnn.config import TrainConfig

if TYPE_CHECKING:
    from jcnn.history import History
    from jcnn.run import RunConfig

_MODEL, _DATA, _SETTINGS = "conv4", "mnist5k", TrainConfig()


def _option(metavar: str, default: object) -> object:
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=f"(default: {default})")


@dataclass(frozen=True)
class TrainCommand:
    """Train a model, and keep it in a run folder.

    Ctrl-C stops it and keeps the last finished epoch; --resume goes on from there.
    """

    model: Annotated[str | None, _option("NAME", _MODEL)] = None
    """One of: jcnn models."""
    data: Annotated[str | None, _option("SOURCE", _DATA)] = None
    """One of: jcnn data. A folder of IDX files is idx:DIR."""
    data_dir: Annotated[Path | None, _option("DIR", "none")] = None
    """Folder of the data's files, for sources that need one."""
    epochs: Annotated[int | None, _option("INT", _SETTINGS.epochs)] = None
    """Passes over the training pictures; with --resume, how many in all."""
    batch_size: Annotated[int | None, _option("INT", _SETTINGS.batch_size)] = None
    """Pictures a step."""
    learning_rate: Annotated[float | None, _option("FLOAT", _SETTINGS.learning_rate)] = None
    """Adam's learning rate."""
    validation_split: Annotated[float | None, _option("SHARE", _SETTINGS.validation_split)] = None
    """Share of the training pictures, cut from the end, to validate on after each epoch."""
    seed: Annotated[int | None, _option("INT", _SETTINGS.seed)] = None
    """Of the parameters, the shuffling and the dropout."""
    out: Annotated[Path | None, _option("RUN", "runs/MODEL-DATA-NUMBER")] = None
    """Run folder to make."""
    resume: Annotated[Path | None, _option("RUN", "none")] = None
    """Run folder to go on with; all but --epochs is as it was."""

    def run(self) -> None:
        """Train, print the test accuracy, and say what can be done next."""
        from jcnn import data
        from jcnn.cli.progress import TrainingDisplay
        from jcnn.compile import use_cache
        from jcnn.run import create, describe, read_config, write_config
        from jcnn.train import DivergedError, evaluate, fit

        use_cache()
        settings = self._settings()
        if self.resume:
            run = self.resume
            config = self._resumed(run, read_config(run))
            train, test = data.load(config.data, config.data_dir)
            write_config(run, config)
        else:
            source = self.data or _DATA
            train, test = data.load(source, self.data_dir)
            config = describe(self.model or _MODEL, train, source, self.data_dir, settings)
            run = self.out or _free_folder(config.model, source)
        model = config.build()
        if not self.resume:
            create(run, config)

        with TrainingDisplay(config, run, len(train), len(test)) as display:
            try:
                history = fit(
                    model, train, config.train, run=run, resume=bool(self.resume), on_event=display
                )
            except KeyboardInterrupt:
                raise KeyboardInterrupt(_stopped(run)) from None
            except DivergedError as error:
                raise DivergedError(f"{error} and another run folder than {run}") from None
            scores = evaluate(model, test, batch_size=config.train.batch_size)
        print(
            f"test accuracy {scores.accuracy:.4f}, test loss {scores.loss:.4f} "
            f"({scores.n} pictures)"
        )
        print(_next_steps(run, config, history))

    def _settings(self) -> TrainConfig:
        names = [field.name for field in dataclasses.fields(TrainConfig)]
        given = {name: getattr(self, name) for name in names}
        return TrainConfig(**{name: v for name, v in given.items() if v is not None})

    def _resumed(self, run: Path, config: "RunConfig") -> "RunConfig":
        given = [
            field.name
            for field in dataclasses.fields(self)
            if field.name not in ("resume", "epochs") and getattr(self, field.name) is not None
        ]
        if given:
            options = ", ".join(f"--{name.replace('_', '-')}" for name in given)
            raise ValueError(f"{options}: cannot change with --resume; only --epochs can")
        if self.epochs is None:
            return config
        finished = _finished_epochs(run)
        if self.epochs < finished:
            raise ValueError(f"--epochs: got {self.epochs}, but {run} has finished {finished}")
        return dataclasses.replace(
            config, train=dataclasses.replace(config.train, epochs=self.epochs)
        )


def _free_folder(model: str, source: str) -> Path:
    name = f"{model}-{source.split(':')[0]}"
    numbers = (number for number in range(1, 10**6))
    return next(
        folder for n in numbers if not os.path.lexists(folder := Path("runs") / f"{name}-{n}")
    )


def _stopped(run: Path) -> str:
    finished = _finished_epochs(run)
    kept = f"epoch {finished} is kept" if finished else "no epoch is finished yet"
    return f"stopped; {kept}; go on with: {_program()} train --resume {shlex.quote(str(run))}"


def _finished_epochs(run: Path) -> int:
    from jcnn import checkpoint

    meta = checkpoint.read_meta(run)
    return len(meta["history"]) if meta else 0


def _next_steps(run: Path, config: "RunConfig", history: "History") -> str:
    jcnn, folder = _program(), shlex.quote(str(run))
    return "\n".join(
        [
            "next:",
            f"  {jcnn} evaluate {folder}",
            f"  {jcnn} predict {folder} PICTURE...",
            f"  {jcnn} train --resume {folder} --epochs {2 * len(history)}",
            f"  {jcnn} summary {config.model}",
        ]
    )


def _program() -> str:
    """How this shell calls jcnn: by its name, or by its place where that is not on the path."""
    if shutil.which("jcnn"):
        return "jcnn"
    here = Path(sys.executable).with_name("jcnn")
    near = here.relative_to(Path.cwd()) if here.is_relative_to(Path.cwd()) else here
    return shlex.quote(str(near)) if here.exists() else "python -m jcnn"
