"""Reads HDF5 files from anybody, in a process of its own (`hdf5_child.py`)."""

import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# Seconds to read a file, and bytes for which there is one second more.
_SECONDS, _BYTES_A_SECOND = 20, 20_000_000
# The process that waits for its file, if one does.
_waiting: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True)
class Tree:
    """What is in a file: texts of groups and arrays of numbers, by path such as "/layers/a"."""

    attributes: dict[str, dict[str, Any]]
    arrays: dict[str, Array | str]

    def array(self, path: str) -> Array | None:
        """The array at a path; None if there is none.

        Raises:
            ValueError: there is one that does not hold numbers.
        """
        found = self.arrays.get(path)
        if isinstance(found, str):
            raise ValueError(f"{path} {found}; accepted: numbers")
        return found

    def size(self, path: str) -> int:
        """Number of numbers in the array at a path; 0 if there is none."""
        found = self.arrays.get(path)
        return int(found.size) if isinstance(found, np.ndarray) else 0

    def texts(self, path: str, name: str) -> list[str]:
        """A list of texts, which Keras may split into `name0`, `name1`, ..."""
        given = self.attributes.get(path, {})
        if name in given:
            return list(given[name])
        found: list[str] = []
        number = 0
        while f"{name}{number}" in given:
            found += given[f"{name}{number}"]
            number += 1
        return found


def read_hdf5(path: Path, prefixes: Sequence[str], limit: int, *, numbers: bool = True) -> Tree:
    """Read the groups and arrays below some names, and the attributes of the root.

    Args:
        path: the file.
        prefixes: names below the root; a name that is not there is ignored. None at all means
            every name.
        limit: largest number of bytes of all arrays.
        numbers: False reads the shapes alone; the arrays are zeros that take no memory.

    Raises:
        ValueError: h5py is not installed; the file is damaged, has links or keeps numbers
            elsewhere, or declares more than it holds or than the limit.
    """
    seconds = _SECONDS + path.stat().st_size / _BYTES_A_SECOND
    with tempfile.TemporaryDirectory() as folder:
        asked = json.dumps([str(path), folder, limit, numbers, *prefixes]).encode()
        with _waiting.pop() if _waiting else _started() as process:
            try:
                _, errors = process.communicate(asked, timeout=seconds)
            except subprocess.TimeoutExpired:
                raise ValueError(f"is damaged: it was not read within {seconds:.0f} s") from None
            finally:
                process.kill()
        if process.returncode:
            said = errors.decode("utf-8", "replace").strip().splitlines()
            crashed = "is damaged: the HDF5 library crashed"
            raise ValueError(said[-1] if process.returncode == 2 and said else crashed)
        tree = json.loads((Path(folder) / "tree.json").read_text(encoding="utf-8"))
        data = (Path(folder) / "data").read_bytes()
    arrays = {name: _array(entry, data) for name, entry in tree["arrays"].items()}
    return Tree(tree["attributes"], arrays)


@contextmanager
def started_reader() -> Iterator[None]:
    """Start the process of the next `read_hdf5` now: it imports h5py while JAX is imported here."""
    if importlib.util.find_spec("h5py") is not None:
        _waiting.append(_started())
    try:
        yield
    finally:
        while _waiting:
            with _waiting.pop() as unused:
                unused.kill()


def _started() -> subprocess.Popen[bytes]:
    if importlib.util.find_spec("h5py") is None:
        raise ValueError("needs h5py: pip install 'jcnn[keras]'")
    child = Path(__file__).with_name("hdf5_child.py")
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-P", str(child)], stdin=pipe, stdout=pipe, stderr=pipe
    )


def _array(entry: dict[str, Any], data: bytes) -> Array | str:
    if "refused" in entry:
        return str(entry["refused"])
    dtype, shape = np.dtype(entry["dtype"]), tuple(entry["shape"])
    if "start" not in entry:
        return np.broadcast_to(np.zeros((), dtype), shape)  # it takes no memory
    count = int(np.prod(shape, dtype=np.int64))
    flat = np.frombuffer(data, dtype, count, entry["start"])
    return flat.reshape(shape).astype(dtype.newbyteorder("="), copy=False)
