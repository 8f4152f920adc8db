"""`RunConfig`: the model, data and settings of a run, and their JSON."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar, get_args

import numpy as np
from flax import nnx

from jcnn.config import Population, TrainConfig, check_dropout
from jcnn.data import Dataset, Notify
from jcnn.data import load as load_data
from jcnn.data.class_names import match_classes
from jcnn.data.events import silent
from jcnn.data.polarity import Border, training_border
from jcnn.data.preprocessing import Preprocessing, set_preprocessing
from jcnn.data.request import OnBadImage, Resize
from jcnn.data.sources import absolute, takes_image_shape
from jcnn.data.validation_split import check_validation_split
from jcnn.interop.weights import AUTO, load_weights, weights_preprocessing
from jcnn.models import build, zoo_entry
from jcnn.models.file import ModelFile
from jcnn.models.zoo import zeros

T = TypeVar("T")

# Where the model comes from: the zoo, a user's file, an object of a Python program, or a graph that
# the run folder holds.
ModelFrom = Literal["zoo", "file", "python", "graph"]


class Builder(Protocol):
    """What builds a model that is not of the zoo."""

    def build(
        self,
        input_shape: tuple[int, int, int],
        classes: int,
        *,
        seed: int = 0,
        dropout: float | None = None,
    ) -> nnx.Module:
        """The model for images `(H, W, C)`."""


class RunError(ValueError):
    """A run folder cannot be used; the message names it and gives the reason."""


@dataclass(frozen=True)
class RunConfig:
    """The configuration of a run.

    Attributes:
        model: name of the model in the zoo; "FILE.py:NAME" of a user's file, without folders; the
            class of a Python object, such as "mypackage.Net"; or the name of an imported file.
        input_shape: `(H, W, C)` of the images.
        class_names: names of the labels, in order.
        data, data_dir: as for `jcnn.data.load`; `data` is "" if it is not known.
        train: the settings.
        resize: how images of another size are resized to `input_shape`.
        on_bad_image: what happens with images that cannot be read.
        dropout: rate of every dropout layer; None keeps the rates of the model.
        population: the models that are trained together.
        validation: text on how the validation images were chosen; "" without validation.
        model_from: which of these `model` is: "zoo", "file", "python" or "graph".
        model_sha256: of the user's file, whose text is in the run folder; "" for other models.
        weights: the trained weights that the training started from, as for `jcnn.models.build`;
            None means newly initialised parameters.
        preprocessing: how the model's input is made of an image; None means `x / 255`.
        trained: False if the model was saved without a training: there is no history, and `train`
            holds defaults.
        border: brightness of the border of the training images, by which `jcnn predict` notices
            inverted images (see `jcnn.data.polarity`); None if it is not known.
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
    model_from: ModelFrom = "zoo"
    model_sha256: str = ""
    weights: str | None = None
    preprocessing: Preprocessing | None = None
    trained: bool = True
    border: Border | None = None

    def build(self, file: "Builder | None" = None, notify: Notify = silent) -> nnx.Module:
        """The model with the initial parameters of this run.

        Args:
            file: what builds a model that is not of the zoo: a user's file, which is executed, or
                the run's stored graph.
            notify: called with a note that says which weights were loaded.

        Raises:
            ValueError: its weights cannot be read, or do not fit.
        """
        shape, classes, seed = self.input_shape, len(self.class_names), self.train.seed
        if file is not None:
            model = file.build(shape, classes, seed=seed, dropout=self.dropout)
            if self.weights is not None:
                load_weights(model, self.weights, name=self.model, input_shape=shape, notify=notify)
        else:
            model = build(
                *(self.model, shape, classes),
                seed=seed,
                dropout=self.dropout,
                weights=self.weights,
                notify=notify,
            )
        return self._prepared(model)

    def structure(self, file: "Builder | None" = None) -> nnx.Module:
        """The model with parameters that are to be replaced; faster than `build`."""
        shape, classes = self.input_shape, len(self.class_names)
        if file is not None:
            return self._prepared(file.build(shape, classes, dropout=self.dropout))
        model = build(self.model, shape, classes, dropout=self.dropout, kernel_init=zeros)
        return self._prepared(model)

    def _prepared(self, model: nnx.Module) -> nnx.Module:
        if self.preprocessing is not None:
            set_preprocessing(model, self.preprocessing)
        return model

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
            ValueError: the data has other classes or is not known, or as in `jcnn.data.load`.
        """
        if not self.data:
            raise ValueError("data: the run does not say what it was trained on; name it: --data")
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
    file: Builder | None = None,
    weights: str | None = None,
) -> RunConfig:
    """The `RunConfig` for training a model of the zoo, or of a user's file, on a loaded data set.

    Args:
        model: name in the zoo, or of a graph; ignored with a user's file.
        dataset: the training examples.
        data, data_dir, resize, on_bad_image: where and how they were read.
        train, dropout, population: the settings.
        file: what builds a model that is not of the zoo.
        weights: as for `jcnn.models.build`; they bring the preprocessing.

    Raises:
        ValueError: the settings do not fit the data set.
    """
    # Raises before training if the split leaves no examples.
    labels, validation = check_validation_split(dataset, train.validation_split, train.seed)
    names = dataset.class_names
    train = train.with_class_weights_of(names, np.bincount(labels, minlength=len(names)).tolist())
    check_dropout("dropout", dropout)
    place = None if data_dir is None else str(Path(data_dir).resolve())
    preprocessing = None
    if weights is not None:
        standard = None if file else zoo_entry(model).standard
        own = weights_preprocessing(weights, standard, dataset.image_shape)
        preprocessing = dataclasses.replace(own, resize=resize)
        weights = weights if weights == AUTO else str(Path(weights).resolve())
    users = file if isinstance(file, ModelFile) else None
    return RunConfig(
        model if users is None else users.label,
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
        "zoo" if file is None else "graph" if users is None else "file",
        "" if users is None else users.sha256,
        weights,
        preprocessing,
        # Padding has a brightness of its own.
        border=None if resize == "pad" else training_border(dataset),
    )


def to_json(config: RunConfig) -> dict[str, Any]:
    """What `from_json` reads; `json.dumps` writes it."""
    given = config.preprocessing
    return dataclasses.asdict(config) | {
        "data": config.data or None,
        "preprocessing": None if given is None else given.to_json(),
    }


def from_json(content: dict[str, Any]) -> RunConfig:
    """The configuration of what `to_json` returned; fields of later versions may be missing.

    Raises:
        KeyError, TypeError, ValueError: it is not a configuration.
    """
    height, width, channels = content["input_shape"]
    dropout, preprocessing = content.get("dropout"), content.get("preprocessing")
    border = content.get("border")
    check_dropout("dropout", dropout)
    return RunConfig(
        model=str(content["model"]),
        input_shape=(int(height), int(width), int(channels)),
        class_names=tuple(map(str, content["class_names"])),
        data="" if content["data"] is None else str(content["data"]),
        data_dir=None if content["data_dir"] is None else str(content["data_dir"]),
        train=_settings(TrainConfig, content["train"]),
        resize=_one_of(Resize, content.get("resize", "stretch")),
        on_bad_image=_one_of(OnBadImage, content.get("on_bad_image", "error")),
        dropout=dropout,
        population=_settings(Population, content.get("population", {})),
        validation=str(content.get("validation", "")),
        model_from=_one_of(ModelFrom, content.get("model_from", "zoo")),
        model_sha256=str(content.get("model_sha256", "")),
        weights=None if content.get("weights") is None else str(content["weights"]),
        preprocessing=None if preprocessing is None else Preprocessing.from_json(preprocessing),
        trained=bool(content.get("trained", True)),
        border=None if border is None else _border(border),
    )


def _border(content: Any) -> Border:
    mean, deviation = map(float, content)
    return mean, deviation


def _one_of(choices: Any, value: Any) -> Any:
    if value not in get_args(choices):
        raise ValueError(f"got {value!r}; accepted: {', '.join(get_args(choices))}")
    return value


def _settings(kind: Callable[..., T], content: dict[str, Any]) -> T:
    """Settings from JSON, where tuples are lists."""
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in content.items()})
