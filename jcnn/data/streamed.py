"""Images that are decoded when they are asked for, where all of them would not fit in memory."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from jcnn.data.parallel import in_parallel

Rows = npt.NDArray[np.integer] | slice


@dataclass(frozen=True, eq=False)
class StreamedImages:
    """`(N, H, W, C)` uint8 images like an array's, but each is read when it is asked for.

    `np.asarray` of it reads them all.

    Args:
        read: image number `n` of the source as `(H, W, C)` uint8; called from several threads.
        numbers: `(N,)`, which images of the source these are, in order.
        image_shape: `(H, W, C)` of every image.
    """

    read: Callable[[int], npt.NDArray[np.uint8]]
    numbers: npt.NDArray[np.integer]
    image_shape: tuple[int, int, int]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, rows: Rows) -> npt.NDArray[np.uint8]:
        """Read these rows, in this order, with one thread a processor."""
        numbers = self.numbers[rows]
        out = np.empty((len(numbers), *self.image_shape), np.uint8)

        def fill(i: int) -> None:
            out[i] = self.read(int(numbers[i]))

        in_parallel(fill, len(numbers))
        return out

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """Read all of them, for `np.asarray`."""
        if copy is False:
            raise ValueError("copy: got False; streamed pictures are in no array yet")
        return self[:].astype(np.uint8 if dtype is None else dtype, copy=False)

    def select(self, rows: Rows) -> "StreamedImages":
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
        """What the images would take in memory."""
        return math.prod(self.shape)


Images = npt.NDArray[np.uint8] | StreamedImages
