"""Data sets that were read once, kept so that the next start only maps them into memory.

CACHE/data/NAME-HASH/images.npy    (N, H, W, C) uint8, the training part first; mapped, not read
CACHE/data/NAME-HASH/labels.npy    (N,) int32
CACHE/data/NAME-HASH/about.json    the key, the class names, how many are for training

An entry appears whole or not at all. A damaged one is made again.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from jcnn.data.dataset import Dataset

_FORMAT = 1


def cache_folder() -> Path:
    """Where jcnn keeps what it can make again: `$XDG_CACHE_HOME/jcnn`, else `~/.cache/jcnn`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jcnn"


def cached(
    name: str, key: str, make: Callable[[], tuple[Dataset, Dataset]]
) -> tuple[Dataset, Dataset]:
    """The data set kept under `key`; where there is none, make it and keep it.

    Args:
        name: for people who look into the folder: letters, digits, "-" and "_".
        key: everything the result depends on: the content read, sizes, options.
        make: reads the data set.

    Returns:
        The training and the test part; their pictures are mapped into memory, read-only.
    """
    digest = hashlib.sha256(f"{_FORMAT} {key}".encode()).hexdigest()[:24]
    folder = cache_folder() / "data" / f"{name}-{digest}"
    found = _open(folder)
    if found is None:
        _write(folder, key, make())
        found = _open(folder)
        if found is None:
            raise OSError(f"{folder}: cannot be read back")
    return found


def _open(folder: Path) -> tuple[Dataset, Dataset] | None:
    try:
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
        labels = np.load(folder / "labels.npy", allow_pickle=False)
        names, cut = tuple(map(str, about["class_names"])), int(about["train"])
        train = Dataset(images[:cut], labels[:cut], names)
        return train, Dataset(images[cut:], labels[cut:], names)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(folder: Path, key: str, parts: tuple[Dataset, Dataset]) -> None:
    train, test = parts
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        shape = (len(train) + len(test), *train.image_shape)
        images = np.lib.format.open_memmap(beside / "images.npy", "w+", np.uint8, shape)
        for start, part in ((0, train), (len(train), test)):
            for i in range(0, len(part), 4096):
                rows = np.arange(i, min(i + 4096, len(part)))
                images[start + i : start + i + len(rows)] = part.images[rows]
        images.flush()
        np.save(beside / "labels.npy", np.concatenate([train.labels, test.labels]))
        about = {"key": key, "class_names": train.class_names, "train": len(train)}
        (beside / "about.json").write_text(json.dumps(about) + "\n", encoding="utf-8")
        if folder.exists():  # damaged
            shutil.rmtree(folder)
        beside.rename(folder)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
