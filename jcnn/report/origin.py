"""How a run came about: its settings, its versions, its machine, and the command for it."""

import dataclasses
import json
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jcnn import __version__
from jcnn.config import TrainConfig
from jcnn.data import takes_image_shape
from jcnn.machine import describe_machine
from jcnn.report.page import Section, code, paragraph, settings
from jcnn.run import RunConfig

# Said in the command even where they are the defaults: a reader looks for them.
_ALWAYS = ("epochs", "batch_size", "learning_rate", "seed")


def settings_section(run: Path, config: RunConfig) -> Section:
    """Every setting, the versions that were used, and the machines."""
    content = json.loads((run / "config.json").read_text(encoding="utf-8"))
    train = dataclasses.asdict(config.train)
    facts = {
        "model": config.model,
        "data": config.data,
        "data_dir": "-" if config.data_dir is None else config.data_dir,
        "input_shape": "x".join(map(str, config.input_shape)),
    } | {name: _value(value) for name, value in train.items()}
    parts = [
        paragraph("Settings that differ from the defaults are bold.", "soft"),
        settings(facts, changed(config.train)),
        f"<h3>Versions</h3>{settings(_strings(content.get('versions', {})))}",
    ]
    if "machine" in content:
        parts.append(f"<h3>Trained on</h3>{settings(_strings(content['machine']))}")
    made = {"time": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "jcnn": __version__}
    parts.append(f"<h3>Report made on</h3>{settings(describe_machine() | made)}")
    return Section("settings", "Settings, versions and machine", "\n".join(parts))


def repeat_section(config: RunConfig) -> Section:
    """The command that trains the run again."""
    note = (
        "This command trains the run again. On the same machine with the same versions it gives "
        "the same numbers, bit for bit. Settings that are not named have their defaults."
    )
    return Section("repeat", "How to repeat it", code(command(config)) + paragraph(note, "soft"))


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


def _strings(content: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in content.items()}


def _value(value: object) -> str:
    if value in (None, (), [], ""):
        return "-"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)
