"""`jcnn train --config FILE`: settings from a file, as words of the command line.

The words come before those that the user typed, and the last word of an option counts.
"""

import dataclasses
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jcnn.suggest import did_you_mean

# Tables of the file: what is in them are options, too.
_TABLES = ("train", "population")
# For each flag, the value that it sets.
_FLAGS = {"shuffle": (False, "--no-shuffle"), "restore_best": (True, "--restore-best")}
_PLAIN = ("model", "data", "data_dir", "resize", "on_bad_image", "dropout", "weights")


def words_of_file(file: Path) -> list[str]:
    """The options that a file sets, such as ["--model", "conv4", "--epochs", "3"].

    Args:
        file: TOML with the keys of a run's `config.json`, or such a `config.json` itself.

    Raises:
        ValueError: the file cannot be read, or has an unknown key or a value of a wrong type.
    """
    content = _read(file)
    found: list[str] = []
    for name in _PLAIN:
        found += _words(file, name, content.get(name))
    found += _shape(file, content)
    for table in _TABLES:
        for name, value in content.get(table, {}).items():
            found += _words(file, name, value)
    return found


def _read(file: Path) -> dict[str, Any]:
    """The content of a file, with known keys only."""
    from jcnn.config import Population, TrainConfig
    from jcnn.runs import RunConfig

    try:
        text = file.read_text(encoding="utf-8")
        content = json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise ValueError(f"--config: {file}: {error.strerror}") from None
    except ValueError as error:
        kind = "JSON" if file.suffix == ".json" else "TOML"
        raise ValueError(f"--config: {file}: is not {kind}: {error}") from None
    # A run's facts, such as its versions, are no settings; they are only allowed.
    facts = {"versions", "convolution", "machine"}
    for name in sorted(set(content) & _names(TrainConfig)):
        raise ValueError(f"--config: {file}: unknown key {name}; it is one of the table [train]")
    _check_keys(file, "", content, _names(RunConfig) | facts)
    _check_keys(file, "train", content.get("train", {}), _names(TrainConfig))
    _check_keys(file, "population", content.get("population", {}), _names(Population))
    return dict(content)


def _names(kind: Any) -> set[str]:
    return {field.name for field in dataclasses.fields(kind)}


def _check_keys(file: Path, place: str, content: Any, known: set[str]) -> None:
    if not isinstance(content, dict):
        place = f"{place}: " if place else ""
        raise ValueError(f"--config: {file}: {place}got {content!r}; accepted: keys and values")
    for name in content:
        if name not in known:
            guess, where = did_you_mean(name, sorted(known)), f" in {place}" if place else ""
            raise ValueError(f"--config: {file}: unknown key {name}{where}{guess}")


def _words(file: Path, name: str, value: Any) -> list[str]:
    """The option of one key; none for null, and for a flag that is at its default."""
    option = f"--{name.replace('_', '-')}"
    match value:
        case None:
            return []
        case bool() if name in _FLAGS:
            on, flag = _FLAGS[name]
            return [flag] if value is on else []
        case bool():
            pass
        case str() | int() | float():
            return [f"{option}={value}"] if isinstance(value, str) else [option, str(value)]
        case Mapping():
            return [option, *(str(word) for pair in value.items() for word in pair)]
        case list() if all(isinstance(one, list) for one in value) and value:
            return [option, *(str(word) for pair in value for word in pair)]  # as JSON has pairs
        case list():
            return [option, *map(str, value)]
    raise ValueError(f"--config: {file}: {name}: got {value!r}; accepted: text, a number or a list")


def _shape(file: Path, content: dict[str, Any]) -> list[str]:
    """The options of `input_shape`, for data whose images are resized to it."""
    from jcnn.data.sources import takes_image_shape

    shape = content.get("input_shape")
    if shape is None or not takes_image_shape(str(content.get("data", "mnist5k"))):
        return []
    match shape:
        case [int(height), int(width), 1 | 3 as channels]:
            color = "grey" if channels == 1 else "rgb"
            return ["--image-size", str(height), str(width), "--color", color]
    raise ValueError(
        f"--config: {file}: input_shape: got {shape!r}; accepted: [height, width, 1 or 3]"
    )
