"""Tar shards in the layout of WebDataset: NAME.jpg beside NAME.cls or NAME.json.

NAME.cls holds a class's number or name. NAME.json is an object with the number as "cls" or "label",
and perhaps the name as "class_name". What belongs to one picture has the same NAME, which ends at
the first dot after the last "/".

Where each picture lies is found once, by reading the archive from start to end, and kept in an
index: beside the archive if `jcnn data pack` wrote it, else in the cache. Afterwards a picture is
read by its position, so an epoch may have any order.

Reference: https://github.com/webdataset/webdataset.
"""

import hashlib
import io
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from jcnn.data._files import show
from jcnn.data.dataset import Dataset
from jcnn.data.errors import DataError
from jcnn.data.file_names import FileNames, NamesWriter
from jcnn.data.pictures import Pictures, read_pictures
from jcnn.data.request import Request
from jcnn.data.sources.shards import Shard, read_class_names, read_shards
from jcnn.data.sources.tar_members import BLOCK, TarIndex, scan
from jcnn.system import sealed
from jcnn.system.caches import cache_folder, check_private, make_private

INDEX = ".index"  # the ending of an archive's index, after the archive's name
_FORMAT = 1


def read_tar(request: Request) -> tuple[Dataset, Dataset]:
    """Read the tar shards that the pattern `request.argument` matches.

    Returns:
        The training set and the test set, divided as `read_shards` says; the rows of each are
        sorted by class and name, whatever their order in the shards.

    Raises:
        FileNotFoundError: no file matches.
        DataError: a shard is damaged or a member is no picture with a label.
        ValueError: the pictures differ in size and `request.image_shape` is None.
    """
    return read_pictures(tar_pictures(request), request)


def tar_pictures(request: Request) -> Pictures:
    """The pictures of the shards, not decoded."""
    return read_shards(request, "tar", _shard, ordered=False)


def _shard(path: Path, _request: Request) -> Shard:
    index = _indexed(path)

    def opened(n: int) -> IO[bytes]:
        return io.BytesIO(_read(path, index, n))

    names = index.names
    if index.files:
        written = NamesWriter()
        written.add(index.files.get(n, names[n]) for n in range(len(names)))
        names = written.names()
    return Shard(
        path,
        names,
        index.labels,
        index.table,
        opened,
        class_names=read_class_names(path.parent),
        bad=index.bad,
        notes=index.notes,
    )


def _read(path: Path, index: TarIndex, n: int) -> bytes:
    """The bytes of a picture, after its header has been compared with the index."""
    start, size = int(index.starts[n]), int(index.sizes[n])
    try:
        file = os.open(path, os.O_RDONLY)
        try:
            data = os.pread(file, BLOCK + size, start - BLOCK)
        finally:
            os.close(file)
    except OSError as error:
        place = f"{show(path)}: {show(index.names[n])}"
        raise DataError(f"{place}: cannot be read ({error.strerror})") from None
    if not _is_header(data[:BLOCK], size) or len(data) < BLOCK + size:
        raise DataError(
            f"{show(path)}: {show(index.names[n])}: is not where the index has it; expected a "
            f"file that has not changed since, or no index"
        )
    return data[BLOCK:]


def _is_header(block: bytes, size: int) -> bool:
    """Whether a block is a header, by its checksum, of a member of this size.

    `tarfile` does the same in ten times the time.
    """
    fields = block[124:136], block[148:156]
    try:
        its_size, stated = (int(field.strip(b"\0 "), 8) for field in fields)
    except ValueError:
        return False
    return its_size == size and stated == sum(block) - sum(block[148:156]) + 8 * ord(" ")


# --- the index ------------------------------------------------------------------------------------


def _indexed(path: Path) -> TarIndex:
    """The index beside the archive or in the cache; made and cached if there is none."""
    status = path.stat()
    beside = path.with_name(path.name + INDEX)
    with suppress(OSError):
        if beside.stat().st_mtime_ns >= status.st_mtime_ns:
            index = _load(beside, status.st_size)
            if index is not None:
                return index
    key = repr((_FORMAT, os.path.realpath(path), status.st_size, status.st_mtime_ns))
    name = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    cached = cache_folder() / "shards" / f"{name}{INDEX}"
    with suppress(OSError):
        check_private(cached)
        index = _load(cached, status.st_size)
        if index is not None:
            return index
    index = scan(path)
    with suppress(OSError):
        make_private(cached.parent)
        save(cached, index, status.st_size)
        cached.chmod(0o600)
    return index


def save(file: Path, index: TarIndex, size: int) -> None:
    """Write the index of an archive of this many bytes.

    Raises:
        OSError: it cannot be written.
    """
    text, ends = index.names.arrays()
    arrays: dict[str, npt.NDArray[Any]] = {
        "names": text,
        "ends": ends,
        "starts": index.starts,
        "sizes": index.sizes,
        "labels": index.labels,
    }
    about = [_FORMAT, size, index.table, list(index.files.items()), index.bad, index.notes]
    # As an array: the order of several texts in such a file differs from time to time.
    arrays["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    sealed.write(file, arrays, {})


def _load(file: Path, size: int) -> TarIndex | None:
    """The index in a file; None if it is damaged, or of an archive of another size."""
    try:
        arrays, _ = sealed.read(file)
        version, its_size, table, files, bad, notes = json.loads(arrays["about"].tobytes())
        if (version, its_size) != (_FORMAT, size):
            return None
        return TarIndex(
            FileNames(arrays["names"].tobytes(), arrays["ends"]),
            arrays["starts"],
            arrays["sizes"],
            arrays["labels"],
            [(number, name) for number, name in table],
            {int(n): str(name) for n, name in files},
            [(str(name), str(reason)) for name, reason in bad],
            [str(note) for note in notes],
        )
    except (sealed.DamagedError, KeyError, ValueError, TypeError):
        return None
