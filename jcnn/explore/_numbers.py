"""Pack float32 arrays into one text, and estimate its size."""

import base64
import gzip
import hashlib
import math
import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

# The position of an array among all numbers: the index of its first number, and its shape.
Place = tuple[int, tuple[int, ...]]

_SAMPLED = 500_000


class Numbers:
    """Concatenated arrays, to be encoded as one text.

    The text is base64 of gzip of all numbers, little-endian, in byte planes: the first byte of
    every number, then the second of every number, and so on. The last byte, sign and exponent,
    varies little between numbers and so compresses best in a separate plane.
    """

    def __init__(self) -> None:
        self._arrays: list[Floats] = []
        self._begins: dict[bytes, int] = {}
        self._count = 0

    def add(self, array: Floats) -> Place:
        """Append an array unless the same numbers are present; return its place."""
        key = _key(array)
        if key not in self._begins:
            self._begins[key] = self._count
            self._arrays.append(array)
            self._count += array.size
        return self._begins[key], array.shape

    def __contains__(self, array: Floats) -> bool:
        """Whether the same numbers are present, in any shape."""
        return _key(array) in self._begins

    def text(self) -> str:
        """The text; equal numbers give equal texts."""
        return base64.b64encode(gzip.compress(_planes(self._arrays), 6, mtime=0)).decode("ascii")


def packed_size(array: Floats) -> int:
    """Estimate how many characters an array adds, from at most 500,000 of its numbers."""
    part = array.ravel()[:_SAMPLED]
    packed = len(zlib.compress(_planes([part]), 6)) * 4 / 3
    return math.ceil(packed * array.size / max(part.size, 1))


def _key(array: Floats) -> bytes:
    return hashlib.sha256(array.astype("<f4").tobytes()).digest()


def _planes(arrays: Sequence[Floats]) -> bytes:
    numbers = np.concatenate([array.ravel() for array in arrays] or [np.empty(0, np.float32)])
    return numbers.astype("<f4").view(np.uint8).reshape(-1, 4).T.tobytes()
