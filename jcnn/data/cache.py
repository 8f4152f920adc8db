"""Cache of decoded data sets, so that a later start only maps them into memory.

CACHE/data/NAME-HASH/images.npy    (N, H, W, C) uint8: training, validation, test; memory-mapped
CACHE/data/NAME-HASH/labels.npy    (N,) int32
CACHE/data/NAME-HASH/about.json    key, class names, sizes of the splits, file names, notes,
                                   checksums

An entry appears whole or not at all. When it is opened, all of it is verified: a CRC-32 of each
4 MiB, on all cores, at the speed of reading memory. A damaged entry is rebuilt, with a note. All
entries take a limited number of bytes (`cache_limit`).
"""

import hashlib
import json
import mmap
import os
import shutil
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from jcnn.data._files import show
from jcnn.data.cache_limit import cache_limit, forget, mark_used
from jcnn.data.dataset import Dataset
from jcnn.data.events import Note, Notify, silent
from jcnn.data.parallel import in_parallel
from jcnn.system.caches import PRIVATE, cache_folder, check_private, make_private

_FORMAT = 2
_BLOCK = 4 * 2**20  # bytes per checksum
_ROWS = 4096  # per write
_ABANDONED = 3600  # seconds since the last write, after which the writer is taken for dead


class Splits(NamedTuple):
    """The splits of a data set, and notes for the user that are repeated on every start."""

    train: Dataset
    test: Dataset
    notes: Sequence[str] = ()


def cached(
    name: str,
    key: str,
    make: Callable[[], tuple[Dataset, Dataset] | Splits],
    notify: Notify = silent,
) -> tuple[Dataset, Dataset]:
    """The data set cached under `key`; if there is none, make it and cache it.

    Args:
        name: makes the folder recognisable: letters, digits, "-" and "_".
        key: everything the result depends on: the content read, sizes, options.
        make: reads the data set.
        notify: called with the notes of the data set, and with a note if the cached entry is
            damaged or the data set cannot be cached.

    Returns:
        The training set and the test set; their images are mapped into memory, read-only. If the
        cache cannot be written, the result of `make`.
    """
    cache_limit()  # an invalid limit is told before the work
    digest = hashlib.sha256(f"{_FORMAT} {key}".encode()).hexdigest()[:24]
    folder = cache_folder() / "data" / f"{name}-{digest}"
    parts = _open(folder)
    if parts is not None:
        mark_used(folder)
    else:
        if folder.is_dir() and _is_private(folder.parent):
            notify(Note(f"{show(folder)}: damaged; it is made again"))
        made = Splits(*make())
        reason = _write(folder, key, made)
        parts = _open(folder)  # possibly written by another process in the meantime
        if parts is None:
            notify(Note(f"{show(folder.parent)}: the data set is not cached ({reason})"))
            parts = made
        for old in forget(keep=folder):
            notify(Note(f"{show(old.path)}: removed; the cache is limited to JCNN_CACHE_BYTES"))
    for note in parts.notes:
        notify(Note(note))
    return parts.train, parts.test


def _open(folder: Path) -> Splits | None:
    """The entry in `folder`; None if there is none or it is damaged."""
    try:
        for file in ("about.json", "images.npy", "labels.npy"):
            check_private(folder / file)
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        sums = about.pop("checksums")
        if sums["about"] != zlib.crc32(json.dumps(about).encode()):
            return None
        if any(_checksums(folder / name) != sums[name] for name in ("images.npy", "labels.npy")):
            return None
        images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
        labels = np.load(folder / "labels.npy", allow_pickle=False)
        names, stratify = tuple(map(str, about["class_names"])), bool(about["stratify"])
        cut, tested = int(about["train"]), int(about["train"]) + int(about["validation"])

        files, runs = about.get("names"), about.get("blocks")
        blocks = None if runs is None else np.repeat(*np.array(runs, np.int32).T)

        def part(rows: slice, validation: Dataset | None = None) -> Dataset:
            own = None if files is None else tuple(map(str, files[rows]))
            its_blocks = None if blocks is None else blocks[rows]
            return Dataset(images[rows], labels[rows], names, stratify, validation, own, its_blocks)

        validation = part(slice(cut, tested)) if cut < tested else None
        train, test = part(slice(cut), validation), part(slice(tested, None))
        return Splits(train, test, [str(note) for note in about["notes"]])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError):
        return None


def _is_private(folder: Path) -> bool:
    try:
        check_private(folder)
    except OSError:
        return False
    return True


def _checksums(file: Path) -> list[int]:
    """The CRC-32 of each block of a file."""
    size = file.stat().st_size
    if size == 0:  # an empty file cannot be mapped
        return []
    with (
        file.open("rb") as stream,
        mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        memoryview(mapped) as data,
    ):
        return in_parallel(
            lambda i: zlib.crc32(data[i * _BLOCK : (i + 1) * _BLOCK]), -(-size // _BLOCK)
        )


def _write(folder: Path, key: str, parts: Splits) -> str:
    """Write an entry atomically; return the reason if it cannot be opened afterwards."""
    temporary = None
    try:
        make_private(folder.parent)
        _remove_leftovers(folder.parent)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        _write_files(temporary, key, parts)
        # A damaged entry: a good one would have been opened.
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    except OSError as error:
        return show(error.strerror)
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    return "damaged as soon as it was written"


def _remove_leftovers(parent: Path) -> None:
    """Remove the unfinished entries of processes that were killed while writing."""
    for folder in parent.glob(".*"):
        with suppress(OSError):  # gone in the meantime
            touched = max(file.stat().st_mtime for file in (folder, *folder.iterdir()))
            if time.time() - touched > _ABANDONED:
                shutil.rmtree(folder)


def _write_files(folder: Path, key: str, parts: Splits) -> None:
    train, test, notes = parts
    own = train.validation
    datasets = [train, test] if own is None else [train, own, test]
    shape = (sum(map(len, datasets)), *train.image_shape)
    # Not memory-mapped: on a full disk a write raises, but a mapped page kills the process.
    with (folder / "images.npy").open("wb") as stream:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)
        for images in (part.images for part in datasets):
            for start in range(0, len(images), _ROWS):
                stream.write(np.ascontiguousarray(images[start : start + _ROWS]).data)
        _to_disk(stream)
    with (folder / "labels.npy").open("wb") as stream:
        np.save(stream, np.concatenate([part.labels for part in datasets]))
        _to_disk(stream)
    about = {
        "key": key,
        "class_names": train.class_names,
        "train": len(train),
        "validation": 0 if own is None else len(own),
        "stratify": train.stratify,
        "names": _names(datasets),
        "blocks": _block_runs(datasets),
        "notes": list(notes),
    }
    checksums = {
        "about": zlib.crc32(json.dumps(about).encode()),
        "images.npy": _checksums(folder / "images.npy"),
        "labels.npy": _checksums(folder / "labels.npy"),
    }
    with (folder / "about.json").open("w", encoding="utf-8") as text:
        json.dump(about | {"checksums": checksums}, text)
        _to_disk(text)


def _names(parts: Sequence[Dataset]) -> list[str] | None:
    """The file names of all images; None unless each has one."""
    found: list[str] = []
    for part in parts:
        if part.names is None:
            return None
        found += part.names
    return found


def _block_runs(parts: Sequence[Dataset]) -> list[tuple[int, int]] | None:
    """The blocks of all images, as pairs of a block and how often it follows itself."""
    found = [part.blocks for part in parts if part.blocks is not None]
    if len(found) < len(parts):
        return None
    blocks = np.concatenate(found)
    starts = np.flatnonzero(np.append(True, blocks[1:] != blocks[:-1]))
    lengths = np.append(starts[1:], len(blocks)) - starts
    return list(zip(blocks[starts].tolist(), lengths.tolist(), strict=True))


def _to_disk(stream: IO[bytes] | IO[str]) -> None:
    stream.flush()
    os.fchmod(stream.fileno(), PRIVATE)
    os.fsync(stream.fileno())
