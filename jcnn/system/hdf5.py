"""Reads HDF5 files from anybody, alone or in an archive, in another process (`hdf5_child.py`)."""

import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# Seconds to read a file, and bytes for which there is one second more.
_SECONDS, _BYTES_A_SECOND = 20, 20_000_000


@dataclass(frozen=True)
class Tree:
    """What is in a file: texts of groups and arrays of numbers, by path such as "/layers/a".

    Attributes:
        attributes: of each group.
        arrays: or why one was not read.
        files: the other ones of a `.keras` archive, by name.
    """

    attributes: dict[str, dict[str, Any]]
    arrays: dict[str, Array | str]
    files: Mapping[str, bytes] = field(default_factory=dict)

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


class Reading:
    """A file that a process reads from now on; `tree` waits for it.

    Args:
        path: an HDF5 file, or a `.keras` archive with one.
        prefixes: names below the root; a name that is not there is ignored. None at all means
            every name.
        limit: largest number of bytes of all arrays.
        numbers: False reads the shapes alone; the arrays are zeros that take no memory.
        archive: whether the file is a `.keras` archive, whose texts are read, too.

    Raises:
        ValueError: h5py is not installed.
    """

    def __init__(
        self,
        path: Path,
        prefixes: Sequence[str],
        limit: int,
        *,
        numbers: bool = True,
        archive: bool = False,
    ) -> None:
        if importlib.util.find_spec("h5py") is None:
            raise ValueError("needs h5py: pip install 'jcnn[keras]'")
        self._seconds = _SECONDS + path.stat().st_size / _BYTES_A_SECOND
        self._tree: Tree | None = None
        self._folder = tempfile.TemporaryDirectory()
        asked = json.dumps([str(path), self._folder.name, limit, numbers, archive, *prefixes])
        child = Path(__file__).with_name("hdf5_child.py")
        self.process = subprocess.Popen(
            [sys.executable, "-P", str(child), asked],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def __enter__(self) -> "Reading":
        return self

    def __exit__(self, *_error: object) -> None:
        self.process.kill()
        with self.process:  # waits for its end, and closes the pipe
            self._folder.cleanup()

    def tree(self) -> Tree:
        """What is in the file.

        Raises:
            ValueError: the file is damaged, has links or keeps numbers elsewhere, or declares more
                than it holds or than the limit.
        """
        if self._tree is None:
            self._tree = self._read()
        return self._tree

    def _read(self) -> Tree:
        try:
            _, errors = self.process.communicate(timeout=self._seconds)
        except subprocess.TimeoutExpired:
            raise ValueError(f"is damaged: it was not read within {self._seconds:.0f} s") from None
        if self.process.returncode:
            said = errors.decode("utf-8", "replace").strip().splitlines()
            crashed = "is damaged: the HDF5 library crashed"
            raise ValueError(said[-1] if self.process.returncode == 2 and said else crashed)
        folder = Path(self._folder.name)
        made = json.loads((folder / "tree.json").read_text(encoding="utf-8"))
        data = (folder / "data").read_bytes()
        arrays = {name: _array(entry, data) for name, entry in made["arrays"].items()}
        files = {name: (folder / name).read_bytes() for name in made["texts"]}
        return Tree(made["attributes"], arrays, files)


def read_hdf5(path: Path, prefixes: Sequence[str], limit: int) -> Tree:
    """Read the groups and arrays of an HDF5 file below some names, and the root's attributes.

    Args:
        path, prefixes, limit: as for `Reading`.

    Raises:
        ValueError: as from `Reading` and its `tree`.
    """
    with Reading(path, prefixes, limit) as reading:
        return reading.tree()


def _array(entry: dict[str, Any], data: bytes) -> Array | str:
    if "refused" in entry:
        return str(entry["refused"])
    dtype, shape = np.dtype(entry["dtype"]), tuple(entry["shape"])
    if "start" not in entry:
        return np.broadcast_to(np.zeros((), dtype), shape)  # it takes no memory
    count = int(np.prod(shape, dtype=np.int64))
    flat = np.frombuffer(data, dtype, count, entry["start"])
    return flat.reshape(shape).astype(dtype.newbyteorder("="), copy=False)
