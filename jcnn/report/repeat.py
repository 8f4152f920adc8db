"""The command that trains a run again."""

import dataclasses
import shlex

from jcnn.config import TrainConfig
from jcnn.data import takes_image_shape
from jcnn.run import RunConfig

# Said even where they are the defaults: a reader looks for them.
_ALWAYS = ("epochs", "batch_size", "learning_rate", "seed")


def command(config: RunConfig) -> str:
    """The words of `jcnn train` that give this run again, ready for a shell.

    The settings that have their default values are left out, but for the most important.
    """
    words = ["jcnn", "train", "--model", config.model, "--data", config.data]
    if config.data_dir is not None:
        words += ["--data-dir", config.data_dir]
    if takes_image_shape(config.data):
        height, width, channels = config.input_shape
        words += ["--image-size", str(height), str(width)]
        words += ["--color", "grey" if channels == 1 else "rgb", "--resize", config.resize]
        words += ["--on-bad-image", config.on_bad_image]
    if config.dropout is not None:
        words += ["--dropout", str(config.dropout)]
    important = {name: getattr(config.train, name) for name in _ALWAYS}
    for name, value in (important | changed(config.train)).items():
        option = name.replace("_", "-")
        if value is True or value is False:
            words.append(f"--{option}" if value else f"--no-{option}")
        elif isinstance(value, tuple):
            words += [f"--{option}", *map(str, value)]
        else:
            words += [f"--{option}", str(value)]
    return shlex.join(words)


def changed(train: TrainConfig) -> dict[str, object]:
    """The settings that are not the defaults."""
    found = {}
    for field in dataclasses.fields(train):
        value = getattr(train, field.name)
        if isinstance(value, list):  # a tuple that JSON has kept
            value = tuple(value)
        if value != field.default:
            found[field.name] = value
    return found
