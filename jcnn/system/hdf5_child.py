"""The process that reads an HDF5 file; on stdin: JSON, [FILE, FOLDER, LIMIT, NUMBERS, PREFIX...].

A damaged file can hang or crash the HDF5 library, so it runs in a process of its own, with a time
limit, and imports nothing of jcnn. It writes FOLDER/tree.json and, if NUMBERS is true, the numbers
of all arrays, FOLDER/data. An error is one line, and exit code 2.
"""

import importlib
import json
import sys
from pathlib import Path
from typing import IO, Any

import numpy as np

h5py: Any = importlib.import_module("h5py")  # it has no types
# Deflate makes at most 1,032 bytes of one.
LARGEST_RATIO = 1100


def main(file: str, folder: str, limit: int, numbers: bool, *prefixes: str) -> None:
    """Write the attributes of the root, and the groups and arrays below the prefixes, or all.

    Raises:
        ValueError: something is refused, or the file is damaged.
    """
    tree: dict[str, Any] = {"attributes": {}, "arrays": {}}
    with h5py.File(file, "r") as opened, (Path(folder) / "data").open("wb") as data:
        tree["attributes"]["/"] = attributes(opened)
        for prefix in prefixes or opened:
            if opened.get(prefix, getlink=True) is not None:
                limit = visit(opened, prefix, tree, data if numbers else None, limit)
    (Path(folder) / "tree.json").write_text(json.dumps(tree), encoding="utf-8")


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
        main(*json.load(sys.stdin))
    except Exception as error:  # h5py raises any type where a file is damaged
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        print(reason if isinstance(error, ValueError) else f"is damaged: {reason}", file=sys.stderr)
        raise SystemExit(2) from None
