"""File names as one block of bytes: as strings, those of a million files take 100 MB."""

import os
from array import array
from collections.abc import Iterable, Sequence
from typing import overload

import numpy as np
import numpy.typing as npt

from jcnn.data._files import show


class FileNames(Sequence[str]):
    """N names, like a tuple of str; any bytes of a file system are kept.

    Args:
        text: all names, one after the other.
        ends: `(M,)` int64, where each name ends.
        rows: `(N,)`, the names that are meant, in this order; None for all.
        printable: whether names are returned as `show` prints them.
    """

    def __init__(
        self,
        text: bytes,
        ends: npt.NDArray[np.int64],
        rows: npt.NDArray[np.integer] | None = None,
        *,
        printable: bool = False,
    ) -> None:
        self._text = text
        self._ends = ends
        self._rows = rows
        self._printable = printable

    def __len__(self) -> int:
        return len(self._ends if self._rows is None else self._rows)

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> "FileNames": ...
    def __getitem__(self, row: int | slice) -> "str | FileNames":
        """The name of one row, or the names of a slice."""
        if isinstance(row, slice):
            return self.take(row)
        n = range(len(self))[row]
        n = n if self._rows is None else int(self._rows[n])
        name = os.fsdecode(self._text[self._ends[n - 1] if n else 0 : self._ends[n]])
        return show(name) if self._printable else name

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or len(self) != len(other):
            return NotImplemented if not isinstance(other, Sequence) else False
        return all(one == its for one, its in zip(self, other, strict=True))

    def __hash__(self) -> int:
        return hash((len(self), self._text))

    def take(self, rows: npt.NDArray[np.integer] | slice) -> "FileNames":
        """The names of these rows, in this order; the text is shared."""
        chosen = np.arange(len(self)) if self._rows is None else self._rows
        return FileNames(self._text, self._ends, chosen[rows], printable=self._printable)

    def printable(self) -> "FileNames":
        """The same names as `show` prints them."""
        return FileNames(self._text, self._ends, self._rows, printable=True)

    def arrays(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """The bytes of all names, one after the other, and `(N,)` where each ends."""
        if self._rows is None:
            return np.frombuffer(self._text, np.uint8), self._ends
        written = NamesWriter()
        written.add(self[n] for n in range(len(self)))
        return written.names().arrays()


class NamesWriter:
    """Collects names into `FileNames`."""

    def __init__(self) -> None:
        self._text = bytearray()
        self._ends = array("q")

    def __len__(self) -> int:
        return len(self._ends)

    def add(self, names: Iterable[str]) -> None:
        """Append names."""
        for name in names:
            self._text += os.fsencode(name)
            self._ends.append(len(self._text))

    def names(self) -> FileNames:
        """All names so far."""
        return FileNames(bytes(self._text), np.array(self._ends, np.int64))


def joined(parts: Iterable[FileNames]) -> FileNames:
    """The names of several data sets, one after the other."""
    texts, ends, length = [], [np.zeros(0, np.int64)], 0
    for text, its_ends in (part.arrays() for part in parts):
        texts.append(text.tobytes())
        ends.append(its_ends + length)
        length += len(text)
    return FileNames(b"".join(texts), np.concatenate(ends))
