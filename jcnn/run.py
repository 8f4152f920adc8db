"""Run folders: what was trained, on what, and how, so that it can be used and repeated.

RUN/config.json     the model, the data, the settings and the versions
RUN/history.jsonl   one line an epoch
RUN/checkpoints/    the newest states
"""

import dataclasses
import json
import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from flax import nnx

from jcnn import __version__, checkpoint
from jcnn.config import TrainConfig
from jcnn.data import Dataset, absolute, split
from jcnn.files import unfinished, write_text
from jcnn.layers import Sequential, take_apart
from jcnn.models import build


class RunError(ValueError):
    """A run folder cannot be used; the message names it and says why."""


@dataclass(frozen=True)
class RunConfig:
    """What a run folder says of its training.

    Attributes:
        model: name in the zoo.
        input_shape: `(H, W, C)` of the pictures.
        class_names: of the labels, in order.
        data: as given to `jcnn.data.load`.
        data_dir: likewise.
        train: the settings.
    """

    model: str
    input_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    data: str
    data_dir: str | None
    train: TrainConfig

    def build(self) -> Sequential:
        """The model with the fresh parameters that this run starts from."""
        return build(self.model, self.input_shape, len(self.class_names), seed=self.train.seed)


def describe(
    model: str, dataset: Dataset, data: str, data_dir: Path | str | None, train: TrainConfig
) -> RunConfig:
    """The `RunConfig` of training a model of the zoo on a loaded data set.

    Raises:
        ValueError: the settings cannot be those of this data set.
    """
    split(dataset, train.validation_split)  # it may leave nothing: better said before training
    place = None if data_dir is None else str(Path(data_dir).resolve())
    source = absolute(data)
    return RunConfig(model, dataset.image_shape, dataset.class_names, source, place, train)


def create(run: Path, config: RunConfig) -> None:
    """Make a run folder and write its `config.json`.

    Raises:
        RunError: the folder is there already and not empty.
    """
    if run.is_file():
        raise RunError(f"{run}: is a file; a run needs a folder of its own")
    # A process that was killed here has left no run yet.
    if run.is_dir() and not set(run.iterdir()) <= {unfinished(run / "config.json")}:
        raise RunError(f"{run}: exists already; name another folder, or continue it with --resume")
    run.mkdir(parents=True, exist_ok=True)
    write_config(run, config)


def write_config(run: Path, config: RunConfig) -> None:
    """Write `config.json`: the settings, and the versions that they were used with."""
    content = dataclasses.asdict(config) | {
        "versions": {
            "jcnn": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in ("jax", "flax", "optax", "numpy")},
        }
    }
    write_text(run / "config.json", json.dumps(content, indent=2) + "\n")


def read_config(run: Path) -> RunConfig:
    """Read a run's `config.json`.

    Raises:
        RunError: the folder is no run, or its `config.json` is not one.
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
) -> tuple[Sequential, RunConfig]:
    """A run's model as its newest whole checkpoint left it, and its configuration.

    Args:
        run: the run's folder.
        on_damage: called with a line for each newer checkpoint that is damaged.

    Raises:
        RunError: the folder is no run.
        jcnn.checkpoint.CheckpointError: it has no checkpoint that fits.
    """
    config = read_config(Path(run))
    model = config.build()
    parts = take_apart(model)
    wanted = {"params": parts.params, "rest": parts.rest}
    saved, _ = checkpoint.restore(Path(run), wanted, on_damage=on_damage)
    nnx.update(model, saved["params"], saved["rest"])
    return model, config


def _parse(content: dict[str, Any]) -> RunConfig:
    height, width, channels = content["input_shape"]
    return RunConfig(
        model=str(content["model"]),
        input_shape=(int(height), int(width), int(channels)),
        class_names=tuple(map(str, content["class_names"])),
        data=str(content["data"]),
        data_dir=None if content["data_dir"] is None else str(content["data_dir"]),
        train=TrainConfig(**content["train"]),
    )
