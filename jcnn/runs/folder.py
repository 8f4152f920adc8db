"""Run folders: the model, data and settings of a training, so that it can be used and repeated.

RUN/config.json     the model, the data, the settings and the versions
RUN/history.jsonl   one line per epoch; history.csv is the same as a table
RUN/checkpoints/    the newest checkpoints
RUN/member-0/ ...   a run folder for each model of a population
"""

import dataclasses
import json
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar, get_args

import numpy as np
from flax import nnx

from jcnn import __version__
from jcnn.config import Population, TrainConfig, check_dropout
from jcnn.data import Dataset, Notify
from jcnn.data import load as load_data
from jcnn.data.class_names import match_classes
from jcnn.data.events import silent
from jcnn.data.request import OnBadImage, Resize
from jcnn.data.sources import absolute, takes_image_shape
from jcnn.data.validation_split import check_validation_split
from jcnn.layers import frozen
from jcnn.layers.model import split_model
from jcnn.models import build
from jcnn.ops.conv.in_use import convolution_in_use
from jcnn.runs import checkpoint
from jcnn.runs.history import History, write_history
from jcnn.system.files import unfinished_in, write_text
from jcnn.system.machine import describe_machine

T = TypeVar("T")


class RunError(ValueError):
    """A run folder cannot be used; the message names it and gives the reason."""


@dataclass(frozen=True)
class RunConfig:
    """The configuration of a run.

    Attributes:
        model: name of the model in the zoo.
        input_shape: `(H, W, C)` of the images.
        class_names: names of the labels, in order.
        data, data_dir: as for `jcnn.data.load`.
        train: the settings.
        resize: how images of another size are resized to `input_shape`.
        on_bad_image: what happens with images that cannot be read.
        dropout: rate of every dropout layer; None keeps the rates of the model.
        population: the models that are trained together.
        validation: text on how the validation images were chosen; "" without validation.
    """

    model: str
    input_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    data: str
    data_dir: str | None
    train: TrainConfig
    resize: Resize = "stretch"
    on_bad_image: OnBadImage = "error"
    dropout: float | None = None
    population: Population = field(default_factory=Population)
    validation: str = ""

    def build(self) -> nnx.Module:
        """The model with the initial parameters of this run."""
        return build(
            self.model,
            self.input_shape,
            len(self.class_names),
            seed=self.train.seed,
            dropout=self.dropout,
        )

    def members(self) -> "list[RunConfig]":
        """The configuration of each model of the population, as for training it alone."""
        return [
            dataclasses.replace(self, train=train, dropout=dropout, population=Population())
            for train, dropout in self.population.members(self.train, self.dropout)
        ]

    def load_data(self, notify: Notify = silent) -> tuple[Dataset, Dataset]:
        """The training and the test part of the run's data set, read as in the run.

        Labels are indices into `class_names`, for any order of the classes in the data.

        Raises:
            ValueError: the data has other classes, or as in `jcnn.data.load`.
        """
        free = takes_image_shape(self.data)
        train, test = load_data(
            self.data,
            self.data_dir,
            image_shape=self.input_shape if free else None,
            resize=self.resize,
            on_bad_image=self.on_bad_image,
            notify=notify,
        )
        of = f"data: {self.data}"
        return match_classes(train, self.class_names, of), match_classes(test, self.class_names, of)

    def with_data(self, data: str | None, data_dir: Path | str | None) -> "RunConfig":
        """The same run on other data; unchanged if both are None or name the run's own data."""
        name = self.data if data is None else absolute(data)
        place = None if data_dir is None else str(Path(data_dir).resolve())
        if name == self.data and place is None:
            place = self.data_dir
        return dataclasses.replace(self, data=name, data_dir=place)

    def other_data(self, run: "RunConfig") -> str | None:
        """A text that names this data if it differs from that of `run`, else None."""
        if (self.data, self.data_dir) == (run.data, run.data_dir):
            return None
        return self.data if self.data_dir is None else f"{self.data} in {self.data_dir}"


def describe(
    model: str,
    dataset: Dataset,
    data: str,
    data_dir: Path | str | None,
    train: TrainConfig,
    *,
    resize: Resize = "stretch",
    on_bad_image: OnBadImage = "error",
    dropout: float | None = None,
    population: Population | None = None,
) -> RunConfig:
    """The `RunConfig` for training a model of the zoo on a loaded data set.

    Raises:
        ValueError: the settings do not fit the data set.
    """
    # Raises before training if the split leaves no examples.
    labels, validation = check_validation_split(dataset, train.validation_split, train.seed)
    names = dataset.class_names
    train = train.with_class_weights_of(names, np.bincount(labels, minlength=len(names)).tolist())
    check_dropout("dropout", dropout)
    place = None if data_dir is None else str(Path(data_dir).resolve())
    return RunConfig(
        model,
        dataset.image_shape,
        dataset.class_names,
        absolute(data),
        place,
        train,
        resize,
        on_bad_image,
        dropout,
        population or Population(),
        validation,
    )


def create(run: Path, config: RunConfig) -> None:
    """Create a run folder and write its `config.json`.

    Raises:
        RunError: the folder exists and is not empty.
    """
    if run.is_file():
        raise RunError(f"{run}: is a file; a run needs a folder of its own")
    # A process that was killed here leaves only unfinished files, which are no run.
    if run.is_dir() and not set(run.iterdir()) <= set(unfinished_in(run, "config.json")):
        raise RunError(f"{run}: exists already; name another folder, or continue it with --resume")
    run.mkdir(parents=True, exist_ok=True)
    write_config(run, config)


def write_config(run: Path, config: RunConfig) -> None:
    """Write `config.json`: the configuration, the versions and the convolution kernels in use."""
    content = dataclasses.asdict(config) | {
        "versions": {
            "jcnn": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in ("jax", "jaxlib", "flax", "optax", "numpy")},
        },
        "convolution": convolution_in_use(),
        "machine": describe_machine(),
    }
    write_text(run / "config.json", json.dumps(content, indent=2) + "\n")


def differences(run: Path) -> list[str]:
    """Differences between this installation and the run's `config.json` when resuming.

    Returns:
        A line for each difference in versions or convolution kernels that may change the last
        bits.
    """
    content = json.loads((run / "config.json").read_text(encoding="utf-8"))
    then, found = content.get("versions") or {}, []
    for name, now in (("jcnn", __version__), *((n, version(n)) for n in ("jax", "jaxlib"))):
        if then.get(name, now) != now:
            found.append(f"{name} was {then[name]} and is {now} here")
    before = content.get("convolution")
    if before:  # absent in runs of older versions
        here = convolution_in_use()
        names = ("kernels", "library", "tuned_table")
        changed = [name for name in names if before.get(name) != here[name]]
        if "kernels" in changed:
            why = before.get("reason") or here["reason"]
            then_was, is_now = before.get("kernels"), here["kernels"]
            found.append(f"the convolution was {then_was} and is {is_now} here ({why})")
        elif "library" in changed:
            found.append("the native convolution was compiled by another compiler or processor")
        if "tuned_table" in changed:
            found.append("the tuned table of convolutions is another one here")
    return [f"{run}: {line}; the last bits may differ" for line in found]


def read_config(run: Path) -> RunConfig:
    """Read a run's `config.json`.

    Raises:
        RunError: the folder is not a run, or its `config.json` is invalid.
    """
    file = run / "config.json"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(f"{run}: is no run folder (it has no config.json)") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{file}: cannot be read: {error}") from error
    try:
        return _parse(content)
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{file}: is not a run's configuration: {error!r}") from error


def load(
    run: Path | str, *, on_damage: Callable[[str], None] = checkpoint.ignore
) -> tuple[nnx.Module, RunConfig]:
    """The model of a run's newest intact checkpoint, and the configuration of the run.

    Args:
        run: the run folder.
        on_damage: called with a line for each newer checkpoint that is damaged.

    Raises:
        RunError: the folder is not a run.
        jcnn.runs.checkpoint.CheckpointError: there is no intact checkpoint of this model.
    """
    config = read_config(Path(run))
    members = len(config.members())
    if members > 1:
        raise RunError(
            f"{run}: holds {members} models; name one: {run}/member-0 to {run}/member-{members - 1}"
        )
    model = config.build()

    def wanted(meta: dict[str, Any]) -> dict[str, Any]:
        # Within an epoch, the state of the last finished epoch is stored separately too.
        separate = config.train.has_separate_result or meta.get("step")
        return {"kept": _arrays(model)} if separate else _arrays(model)

    with frozen([model], config.train.freeze, config.input_shape):  # as when it was saved
        saved, _ = checkpoint.restore(Path(run), wanted, on_damage=on_damage)
        kept = saved.get("kept", saved)
        nnx.update(model, kept["params"], kept["rest"])
    return model, config


def _arrays(model: nnx.Module) -> dict[str, Any]:
    """The arrays of a model that a checkpoint stores."""
    parts = split_model(model)
    return {"params": parts.params, "rest": parts.rest}


def write_members(
    run: Path, config: RunConfig, models: Sequence[nnx.Module], histories: Sequence[History]
) -> None:
    """Write a run folder for each model of a population: RUN/member-0 and so on."""
    for i, (member, model, history) in enumerate(
        zip(config.members(), models, histories, strict=True)
    ):
        folder = member_folder(run, i)
        folder.mkdir(exist_ok=True)
        with frozen([model], config.train.freeze, config.input_shape):
            arrays = _arrays(model)
        tree = {"kept": arrays} if config.train.has_separate_result else arrays
        meta = {"histories": [history.rows()], "step": 0, "seconds": 0.0, "of": str(run)}
        write_config(folder, member)
        checkpoint.save(folder, len(history), tree, meta)
        write_history(history, folder)


def member_folder(run: Path, member: int) -> Path:
    """The run folder of one model of a population."""
    return run / f"member-{member}"


def _parse(content: dict[str, Any]) -> RunConfig:
    height, width, channels = content["input_shape"]
    dropout = content.get("dropout")
    check_dropout("dropout", dropout)
    return RunConfig(
        model=str(content["model"]),
        input_shape=(int(height), int(width), int(channels)),
        class_names=tuple(map(str, content["class_names"])),
        data=str(content["data"]),
        data_dir=None if content["data_dir"] is None else str(content["data_dir"]),
        train=_settings(TrainConfig, content["train"]),
        resize=_one_of(Resize, content.get("resize", "stretch")),
        on_bad_image=_one_of(OnBadImage, content.get("on_bad_image", "error")),
        dropout=dropout,
        population=_settings(Population, content.get("population", {})),
        validation=str(content.get("validation", "")),
    )


def _one_of(choices: Any, value: Any) -> Any:
    if value not in get_args(choices):
        raise ValueError(f"got {value!r}; accepted: {', '.join(get_args(choices))}")
    return value


def _settings(kind: Callable[..., T], content: dict[str, Any]) -> T:
    """Settings from JSON, where tuples are lists."""
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in content.items()})
