"""The size limit of the cache of decoded data sets, and what `jcnn data cache` shows of it.

An entry's last use is the time of its file about.json, which every reader sets.
"""

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from jcnn.system.caches import cache_folder
from jcnn.system.environment import whole_number

_VARIABLE = "JCNN_CACHE_BYTES"
_LIMIT = 20 * 2**30
# What is derived from data, and can be made again; not compiled programs.
KINDS = ("data", "features", "folders", "shards", "shapes", "tfds", "bad_images")


@dataclass(frozen=True)
class Entry:
    """One decoded data set, or all files of another kind.

    Args:
        name: of its folder inside the cache.
        path: of that folder.
        size: in bytes.
        used: the time of its last use, in seconds since 1970.
    """

    name: str
    path: Path
    size: int
    used: float


def cache_limit() -> int:
    """The most bytes that decoded data sets may take in the cache: 20 GiB.

    The environment variable JCNN_CACHE_BYTES overrides it; with 0, only the data set that was read
    last is kept.

    Raises:
        ValueError: the variable is not a whole number >= 0.
    """
    return whole_number(_VARIABLE, _LIMIT)


def decoded_sets() -> list[Entry]:
    """The decoded data sets in the cache, those used last first."""
    folder = cache_folder() / "data"
    places = sorted(folder.iterdir()) if folder.is_dir() else []
    found = [_entry(place) for place in places if not place.name.startswith(".")]
    return sorted(found, key=lambda entry: -entry.used)


def other_entries() -> list[Entry]:
    """What else is derived from data: an entry for each kind that is there."""
    folders = [cache_folder() / kind for kind in KINDS[1:]]
    return [_entry(folder) for folder in folders if folder.is_dir()]


def mark_used(folder: Path) -> None:
    """Record that an entry of the cache is used now."""
    with contextlib.suppress(OSError):
        os.utime(folder / "about.json")


def forget(keep: Path) -> list[Entry]:
    """Remove the decoded data sets that were used least recently, until the rest are in the limit.

    A process that has mapped a removed one goes on with it.

    Args:
        keep: the folder of an entry that stays in any case.

    Raises:
        ValueError: JCNN_CACHE_BYTES is not a whole number.
    """
    limit, entries = cache_limit(), decoded_sets()
    total = sum(entry.size for entry in entries)
    removed = []
    for entry in reversed(entries):
        if total > limit and entry.path != keep:
            shutil.rmtree(entry.path, ignore_errors=True)
            total -= entry.size
            removed.append(entry)
    return removed


def clear() -> int:
    """Remove all that is derived from data; return the number of bytes that were freed."""
    entries = [*decoded_sets(), *other_entries()]
    for kind in KINDS:
        shutil.rmtree(cache_folder() / kind, ignore_errors=True)
    return sum(entry.size for entry in entries if not entry.path.exists())


def _entry(folder: Path) -> Entry:
    size, used = 0, 0.0
    for file in (folder, *folder.rglob("*")):
        with contextlib.suppress(OSError):  # removed in the meantime
            status = file.lstat()
            size += status.st_size if file != folder else 0
            used = max(used, status.st_mtime) if file.name == "about.json" else used
    return Entry(folder.name, folder, size, used)
