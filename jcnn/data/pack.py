"""Write the pictures of a source into tar shards, in the layout of WebDataset.

OUT/train-00000.tar, ...      NAME.jpg as it was, and NAME.cls with the number of its class
OUT/train-00000.tar.index     where each picture lies
OUT/classes.txt               the class names, one in each line

The other splits are val and test; without splits the shards are called all-00000.tar. Pictures are
mixed, so that a program that reads shards from start to end meets all classes. The bytes depend on
the pictures, their names and the size of a shard alone.
"""

import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from jcnn.data._files import show
from jcnn.data.dataset import shuffled_rows
from jcnn.data.errors import DataError
from jcnn.data.events import Note, Notify, Reading, silent
from jcnn.data.pictures import Pictures
from jcnn.data.request import Request
from jcnn.data.sources.class_folders import EXTENSIONS
from jcnn.data.sources.folder import folder_pictures
from jcnn.data.sources.parquet import parquet_pictures
from jcnn.data.sources.shards import CLASSES
from jcnn.data.sources.tar import INDEX, save, tar_pictures
from jcnn.data.sources.tar_members import BLOCK, scan

SOURCES: dict[str, Callable[[Request], Pictures]] = {
    "folder": folder_pictures,
    "tar": tar_pictures,
    "parquet": parquet_pictures,
}
_SPLITS = ("train", "val", "test")
_END = 2 * BLOCK  # of zeros
# The first bytes of pictures whose names have no ending.
_KINDS = {b"\xff\xd8\xff": ".jpg", b"\x89PNG": ".png", b"GIF8": ".gif", b"BM": ".bmp"}


class Packed(NamedTuple):
    """What was written: the shards, and the number of pictures, of classes and of bytes."""

    shards: tuple[Path, ...]
    pictures: int
    classes: int
    size: int


def pack(name: str, out: Path, *, shard_bytes: int = 2**30, notify: Notify = silent) -> Packed:
    """Write the pictures of a data source into tar shards. They are not decoded.

    Args:
        name: "folder:DIR", "tar:GLOB" or "parquet:GLOB".
        out: the folder to make; it appears whole or not at all.
        shard_bytes: the most that a shard takes; a larger picture has one of its own.
        notify: called with the progress and notes.

    Raises:
        ValueError: the source is another one, `out` exists or `shard_bytes` is too small.
        FileNotFoundError: the source's files, or the folder of `out`, are missing.
        DataError: a file of the source cannot be read.
        OSError: a file cannot be written.
    """
    kind, _, words = name.partition(":")
    if kind not in SOURCES or not words:
        accepted = "folder:DIR, tar:GLOB, parquet:GLOB"
        raise ValueError(f"data: got {name!r}; accepted: {accepted}")
    if shard_bytes < 2**10:
        raise ValueError(f"shard_bytes: got {shard_bytes}; accepted: an int >= 1024")
    if os.path.lexists(out):
        raise ValueError(f"out: {show(out)} exists; name a new folder")
    if not out.absolute().parent.is_dir():
        raise FileNotFoundError(f"out: {show(out.absolute().parent)}: no such folder")
    pictures = SOURCES[kind](Request(words, notify=notify))
    for place, reason in pictures.bad:
        raise DataError(f"{show(place)}: {reason}")
    for note in pictures.notes:
        if "no test" not in note:
            notify(Note(note))
    temporary = Path(tempfile.mkdtemp(dir=out.absolute().parent, prefix=f".{out.name}."))
    try:
        shards = _write(pictures, temporary, shard_bytes, notify)
        temporary.chmod(0o777 & ~_umask())
        temporary.rename(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    files = tuple(out / shard.name for shard in shards)
    size = sum(file.stat().st_size for file in files)
    return Packed(files, len(pictures), len(pictures.class_names), size)


def _write(pictures: Pictures, folder: Path, limit: int, notify: Notify) -> list[Path]:
    count = len(pictures)
    if pictures.sizes is None:
        parts = {"all": (0, count)}
    else:
        ends = np.cumsum(pictures.sizes).tolist()
        starts = [0, *ends[:-1]]
        parts = {
            split: (start, end)
            for split, start, end in zip(_SPLITS, starts, ends, strict=True)
            if end > start
        }
    lines = "".join(f"{name}\n" for name in pictures.class_names)
    (folder / CLASSES).write_text(lines, encoding="utf-8")
    shards: list[Path] = []
    done = 0
    for split, (start, end) in parts.items():
        rows = start + shuffled_rows(np.random.PCG64(0), end - start)
        for number, members in enumerate(_shards(_samples(pictures, rows), limit)):
            file = folder / f"{split}-{number:05}.tar"
            with file.open("wb") as stream:
                for member in members:
                    stream.write(member)
                    done += 1
                    if done % 100 == 0 or done == count:
                        notify(Reading(f"packing {show(pictures.where)}", done, count))
                stream.write(bytes(_END))
                stream.flush()
                os.fsync(stream.fileno())
            save(file.with_name(file.name + INDEX), scan(file), file.stat().st_size)
            shards.append(file)
    return shards


def _shards(samples: Iterator[bytes], limit: int) -> Iterator[Iterator[bytes]]:
    """The members of each shard; a shard is consumed before the next is asked for."""
    pending = next(samples, None)

    def one() -> Iterator[bytes]:
        nonlocal pending
        size = _END
        while pending is not None and (size == _END or size + len(pending) <= limit):
            size += len(pending)
            yield pending
            pending = next(samples, None)

    while pending is not None:
        yield one()


def _samples(pictures: Pictures, rows: np.ndarray) -> Iterator[bytes]:
    """The members of each picture: the picture, its label, and its name if that had to change."""
    used: set[str] = set()
    for n in map(int, rows):
        try:
            with pictures.open(n) as stream:
                content = stream.read()
        except OSError as error:
            place = show(pictures.place(n))
            raise DataError(f"{place}: cannot be read ({error.strerror})") from error
        name = pictures.names[n]
        key, ending = _key(name, content)
        unique, count = key, 1
        while unique in used:
            count += 1
            unique = f"{key}_{count}"
        used.add(unique)
        label = f"{pictures.labels[n]}".encode()
        sample = _member(unique + ending, content) + _member(f"{unique}.cls", label)
        if unique + ending != name:
            text = json.dumps({"file": os.fsencode(name).decode("utf-8", "replace")})
            sample += _member(f"{unique}.json", text.encode())
        yield sample


def _key(name: str, content: bytes) -> tuple[str, str]:
    """The name of a picture in the archive, which ends at its first dot; and its ending."""
    path = PurePosixPath(name.replace("\\", "_"))
    ending = path.suffix.lower()
    stem = path.name
    if ending in EXTENSIONS:
        stem = path.name[: -len(ending)]
    else:
        found = (kind for start, kind in _KINDS.items() if content.startswith(start))
        ending = next(found, ".webp")
    inner = [part for part in path.parts[:-1] if part not in ("/", "..")]
    folders = [f"_{part[1:]}" if part.startswith(".") else part for part in inner]
    return "/".join([*folders, stem.replace(".", "_") or "_"]), ending


def _member(name: str, content: bytes) -> bytes:
    """One file of an archive: headers, content and padding."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), 0o644
    header = info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
    return header + content + bytes(-len(content) % BLOCK)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
