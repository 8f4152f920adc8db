"""Finds data sets prepared by tensorflow-datasets, without importing it (which takes seconds).

HOME/NAME/VERSION/            dataset_info.json, features.json, the records
HOME/NAME/CONFIG/VERSION/     for a data set with configurations
HOME/NAME/.config/            metadata.json with the default configuration

HOME is $TFDS_DATA_DIR, else ~/tensorflow_datasets, else a folder in jcnn's cache.
"""

import fnmatch
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from jcnn.system.caches import cache_folder

_VERSION = re.compile(r"\d+\.\d+\.\d+")


@dataclass(frozen=True)
class TfdsName:
    """The name of a data set in tensorflow-datasets: NAME[/CONFIG][:VERSION].

    Args:
        name: such as "fashion_mnist".
        config: "" for the default configuration, or for a data set without configurations.
        version: such as "3.0.1" or "3.*.*"; "" for the newest.
    """

    name: str
    config: str = ""
    version: str = ""

    def __str__(self) -> str:
        config = f"/{self.config}" if self.config else ""
        return f"{self.name}{config}" + (f":{self.version}" if self.version else "")


def parse_name(words: str) -> TfdsName:
    """Parse NAME[/CONFIG][:VERSION].

    Raises:
        ValueError: the name has another form.
    """
    form = re.fullmatch(r"([a-z]\w*)(?:/([\w.+-]+))?(?::([\d.*]+))?", words, re.ASCII)
    # The name becomes part of a path, which ".." must not leave.
    if form is None or ".." in words:
        raise ValueError(f"tfds: got {words!r}; expected NAME, NAME/CONFIG or NAME/CONFIG:VERSION")
    return TfdsName(*(part or "" for part in form.groups()))


def tfds_home() -> Path:
    """The folder that tensorflow-datasets and its users share for prepared data sets."""
    named = os.environ.get("TFDS_DATA_DIR")
    try:
        return Path(named or "~/tensorflow_datasets").expanduser()
    except RuntimeError:  # the user has no home folder
        return Path(named) if named else cache_folder() / "tensorflow_datasets"


def find_prepared(home: Path, wanted: TfdsName) -> Path | None:
    """The folder of the newest version prepared in `home`; None if there is none."""
    folder = home / wanted.name
    config = wanted.config or _default_config(folder)
    if config:
        folder = folder / config
    versions = [
        entry
        for entry in (folder.iterdir() if folder.is_dir() else ())
        if _VERSION.fullmatch(entry.name)
        and fnmatch.fnmatchcase(entry.name, wanted.version or "*")
        and (entry / "dataset_info.json").is_file()
    ]
    return max(versions, key=lambda entry: tuple(map(int, entry.name.split("."))), default=None)


def fingerprint(folder: Path) -> str:
    """Identifies a prepared data set by its path and the names, sizes and times of its files.

    The records are not read, since a data set may have many gigabytes.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file())
    states = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return json.dumps([str(folder.resolve()), states])


def _default_config(folder: Path) -> str:
    try:
        text = (folder / ".config" / "metadata.json").read_text(encoding="utf-8")
        return str(json.loads(text)["default_config_name"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
