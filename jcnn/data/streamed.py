"""Pictures that are decoded when they are asked for, where all of them would not fit in memory."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.integer]


@dataclass(frozen=True, eq=False)
class StreamedImages:
    """`(N, H, W, C)` uint8 pictures like an array's, but each is read when it is asked for.

    Args:
        read: picture number `n` of the source as `(H, W, C)` uint8; called from several threads.
        numbers: `(N,)`, which pictures of the source these are, in order.
        image_shape: `(H, W, C)` of every picture.
    """

    read: Callable[[int], npt.NDArray[np.uint8]]
    numbers: Rows
    image_shape: tuple[int, int, int]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, rows: Rows) -> npt.NDArray[np.uint8]:
        """Read these rows, in this order, with one thread a processor."""
        out = np.empty((len(rows), *self.image_shape), np.uint8)

        def fill(i: int) -> None:
            out[i] = self.read(int(self.numbers[rows[i]]))

        for _ in _pool().map(fill, range(len(rows))):  # the first picture that fails is raised
            pass
        return out

    def select(self, rows: Rows | slice) -> "StreamedImages":
        """These rows only, in this order; nothing is read."""
        return StreamedImages(self.read, self.numbers[rows], self.image_shape)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """N, H, W and C, as of an array."""
        return (len(self), *self.image_shape)

    @property
    def ndim(self) -> int:
        """4, as of an array."""
        return 4

    @property
    def dtype(self) -> np.dtype[np.uint8]:
        """uint8, as of an array."""
        return np.dtype(np.uint8)

    @property
    def nbytes(self) -> int:
        """What the pictures would take in memory."""
        return int(np.prod(self.shape, dtype=np.int64))


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="jcnn-decode")


Images = npt.NDArray[np.uint8] | StreamedImages
