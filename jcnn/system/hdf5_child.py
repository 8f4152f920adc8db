"""The process that reads an HDF5 file, which may be in a `.keras` archive.

Its argument is JSON: [FILE, FOLDER, LIMIT, NUMBERS, ARCHIVE, PREFIX...].

A damaged file can hang or crash the HDF5 library, so it runs in a process of its own, with a time
limit, and imports nothing of jcnn. It writes FOLDER/tree.json, if NUMBERS is true the numbers of
all arrays, FOLDER/data, and the texts of an archive under their names. An error is one line, and
exit code 2.
"""

import importlib
import json
import sys
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np

h5py: Any = importlib.import_module("h5py")  # it has no types
# Deflate makes at most 1,032 bytes of one.
LARGEST_RATIO = 1100


# What is read of a `.keras` archive: the weights, and texts with their largest numbers of bytes.
WEIGHTS = "model.weights.h5"
TEXTS = {"config.json": 2**26, "metadata.json": 2**20}
CHUNK = 2**20


def main(file: str, folder: str, limit: int, numbers: bool, archive: bool, *prefixes: str) -> None:
    """Write the attributes of the root, and the groups and arrays below the prefixes, or all.

    Raises:
        ValueError: something is refused, or the file is damaged.
    """
    tree: dict[str, Any] = {"attributes": {}, "arrays": {}, "texts": {}}
    if archive:
        tree["texts"] = unpack(file, Path(folder), limit)
        file = str(Path(folder) / WEIGHTS)
    with h5py.File(file, "r") as opened, (Path(folder) / "data").open("wb") as data:
        tree["attributes"]["/"] = attributes(opened)
        for prefix in prefixes or opened:
            if opened.get(prefix, getlink=True) is not None:
                limit = visit(opened, prefix, tree, data if numbers else None, limit)
    (Path(folder) / "tree.json").write_text(json.dumps(tree), encoding="utf-8")


def unpack(file: str, folder: Path, limit: int) -> list[str]:
    """Copy the weights and the texts of an archive to a folder; the names of the texts."""
    try:
        archive = zipfile.ZipFile(file)
    except (OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"is no valid zip archive: {error}") from None
    with archive:
        names = set(archive.namelist())
        if not {"config.json", WEIGHTS} <= names:
            raise ValueError(f"is no .keras file: it has no config.json or no {WEIGHTS}")
        limits = {name: most for name, most in TEXTS.items() if name in names}
        for name, most in {**limits, WEIGHTS: limit}.items():
            with (folder / name).open("wb") as stream:
                copy(archive, name, most, stream)
    return list(limits)


def copy(archive: zipfile.ZipFile, name: str, limit: int, target: IO[bytes]) -> None:
    """Copy an entry of an archive, which is not larger than the limit and than it declares."""
    info = archive.getinfo(name)
    if info.file_size > limit or info.file_size > LARGEST_RATIO * max(info.compress_size, 1):
        raise ValueError(f"{name} declares {info.file_size:,} bytes")
    left = info.file_size
    try:
        with archive.open(info) as stream:
            while chunk := stream.read(min(left + 1, CHUNK)):
                left -= len(chunk)
                target.write(chunk)
                if left < 0:
                    break
    except (OSError, EOFError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"{name} is damaged: {error}") from None
    if left:
        raise ValueError(f"{name} is not of its declared size")


def visit(parent: Any, name: str, tree: dict[str, Any], data: IO[bytes] | None, limit: int) -> int:
    """Write what is at a name of a group, and all below it; what is left of the limit."""
    where = f"{parent.name.rstrip('/')}/{name}"
    if not isinstance(parent.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"{where} is a link, which is not followed")
    one = parent[name]
    if isinstance(one, h5py.Group):
        if where.count("/") > 100 or where in tree["attributes"]:
            raise ValueError(f"{where}: groups are nested too deeply")
        tree["attributes"][where] = attributes(one)
        for inner in one:
            limit = visit(one, inner, tree, data, limit)
        return limit
    if not isinstance(one, h5py.Dataset) or one.dtype.kind not in "fiu":
        tree["arrays"][where] = {"refused": f"has dtype {getattr(one, 'dtype', None)}"}
        return limit
    if one.external or one.is_virtual:
        raise ValueError(f"{where} keeps its numbers in another file")
    size, stored = one.size * one.dtype.itemsize, one.id.get_storage_size()
    if size > limit:
        raise ValueError(f"{where}: {one.shape} is more than the {limit:,} bytes left")
    if size > stored * (LARGEST_RATIO if one.compression else 1):
        raise ValueError(f"{where}: {one.shape} is declared, but {stored:,} bytes are there")
    entry = {"shape": one.shape, "dtype": one.dtype.str}
    tree["arrays"][where] = entry
    if data is not None:
        entry["start"] = data.tell()
        data.write(np.asarray(one[...], one.dtype).tobytes())
    return int(limit - size)


def attributes(group: Any) -> dict[str, Any]:
    """The texts of a group's attributes, and lists of them."""
    found: dict[str, Any] = {}
    for name, value in group.attrs.items():
        if isinstance(value, bytes | str):
            found[name] = text(value)
        elif isinstance(value, np.ndarray) and value.dtype.kind in "SOU" and value.ndim == 1:
            found[name] = [text(one) for one in value.tolist()]
    return found


def text(value: Any) -> str:
    """A text, which may be stored as bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


if __name__ == "__main__":
    try:
        main(*json.loads(sys.argv[1]))
    except Exception as error:  # h5py raises any type where a file is damaged
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        print(reason if isinstance(error, ValueError) else f"is damaged: {reason}", file=sys.stderr)
        raise SystemExit(2) from None
