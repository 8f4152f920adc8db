"""Report the settings, versions, machine and command of a run."""

import dataclasses
import json
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

from jcnn import __version__
from jcnn.config import Population, TrainConfig
from jcnn.data.sources import takes_image_shape, without_path
from jcnn.report.page import Section, code, paragraph, settings
from jcnn.runs import RunConfig
from jcnn.system.machine import describe_machine

# In the command even with default values, because readers look for them.
_ALWAYS = ("epochs", "batch_size", "learning_rate", "seed")


def settings_section(run: Path, config: RunConfig) -> Section:
    """The section with settings, versions and machines."""
    content = json.loads((run / "config.json").read_text(encoding="utf-8"))
    config = _shared(config)
    train = dataclasses.asdict(config.train)
    facts = {
        "model": config.model,
        "data": as_text(config.data),
        "data_dir": as_text(config.data_dir),
        "input_shape": "x".join(map(str, config.input_shape)),
        "resize": config.resize,
        "on_bad_image": config.on_bad_image,
        "dropout": as_text(config.dropout),
        "weights": as_text(config.weights),
    }
    if config.model_sha256:
        facts["model_sha256"] = config.model_sha256
    if config.trained:
        facts |= {name: as_text(value) for name, value in train.items()}
    if len(config.members()) > 1:
        population = dataclasses.asdict(config.population)
        facts |= {name: as_text(value) for name, value in population.items()}
    parts = [
        paragraph("Settings that differ from the defaults are bold.", "soft"),
        settings(facts, changed(config.train)),
        f"<h3>Versions</h3>{settings(_strings(content.get('versions', {})))}",
    ]
    if "machine" in content:
        done = "Trained" if config.trained else "Saved"
        parts.append(f"<h3>{done} on</h3>{settings(_strings(content['machine']))}")
    made = {"time": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "jcnn": __version__}
    parts.append(f"<h3>Report made on</h3>{settings(describe_machine() | made)}")
    return Section("settings", "Settings, versions and machine", "\n".join(parts))


def other_data(data: str | None) -> str:
    """A line that names the test data if it is not the run's own; else ""."""
    if data is None:
        return ""
    return paragraph(f"Test images of other data than the run's: {without_path(data)}") + "\n"


def repeat_section(config: RunConfig) -> Section:
    """The section with the command that repeats the run."""
    if not config.data:
        made = "The model was trained by a Python program."
        if not config.trained:
            made = (
                "The model was saved by a Python program."
                if config.model_from == "python"
                else f"The model was imported from {config.model}."
            )
        return Section("repeat", "How to repeat it", paragraph(made))
    note = (
        "This command trains the run again. On the same machine with the same versions it gives "
        "the same numbers, bit for bit. All other settings have their default values."
    )
    shared = _shared(config)
    if config.model_from == "file":
        note += f" The text of {config.model.rpartition(':')[0]} is model.py of the run folder."
    if shared != config:
        note += (
            " Paths are cut to their last part, since a report may be shared: run it where the "
            "data is. The run's config.json has the whole path."
        )
    return Section("repeat", "How to repeat it", code(command(shared)) + paragraph(note, "soft"))


def headline(model: str, config: RunConfig, data: str | None) -> str:
    """The title of a report: the model, and the data without its path.

    Args:
        model: what was trained, such as "conv4" or "5 runs of conv4".
        config: of the run.
        data: name of the test data if it is not the run's own.
    """
    on = data or config.data
    return f"{model} on {without_path(on)}" if on else model


def place(run: Path) -> str:
    """The line below the title: the name of the run folder, without its parents."""
    return f'<p class="where soft">{escape(run.resolve().name)}</p>'


def _shared(config: RunConfig) -> RunConfig:
    """The configuration with the last part of each path only: a report is made to be shared."""
    folder = None if config.data_dir is None else Path(config.data_dir).name or config.data_dir
    data = without_path(config.data) if config.data else ""
    weights = None if config.weights is None else Path(config.weights).name or config.weights
    return dataclasses.replace(config, data=data, data_dir=folder, weights=weights)


def command(config: RunConfig) -> str:
    """The `jcnn train` command that repeats this run, quoted for a shell.

    Default values are omitted, except for the most important settings.
    """
    model = [] if config.model_from == "graph" else ["--model", config.model]
    words = ["jcnn", "train", *model, "--data", config.data]
    if config.weights is not None:
        words += ["--weights", config.weights]
    if config.data_dir is not None:
        words += ["--data-dir", config.data_dir]
    if takes_image_shape(config.data):
        height, width, channels = config.input_shape
        words += ["--image-size", str(height), str(width)]
        words += ["--color", "grey" if channels == 1 else "rgb", "--resize", config.resize]
        words += ["--on-bad-image", config.on_bad_image]
    if config.dropout is not None:
        words += ["--dropout", str(config.dropout)]
    for name, values in dataclasses.asdict(config.population).items():
        if values != getattr(Population(), name):
            words += _option(name, values)
    important = {name: getattr(config.train, name) for name in _ALWAYS}
    for name, value in (important | changed(config.train)).items():
        words += _option(name, value)
    return shlex.join(words)


def _option(name: str, value: object) -> list[str]:
    option = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{option}" if value else f"--no-{option}"]
    return [f"--{option}", *map(str, value if isinstance(value, list | tuple) else [value])]


def changed(train: TrainConfig) -> dict[str, object]:
    """The settings that differ from the defaults."""
    found = {}
    for field in dataclasses.fields(train):
        value = getattr(train, field.name)
        if value != field.default:
            found[field.name] = value
    return found


def _strings(content: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in content.items()}


def as_text(value: object) -> str:
    """Format a setting; "-" if it is empty."""
    if value in (None, (), [], ""):
        return "-"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)
