"""Images that are decoded on access, for data sets that do not fit in memory."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from jcnn.data._warnings import pillow_warnings
from jcnn.data.parallel import in_parallel

Rows = npt.NDArray[np.integer] | slice


@dataclass(frozen=True, eq=False)
class StreamedImages:
    """Images like an `(N, H, W, C)` uint8 array, each read when it is indexed.

    `np.asarray` reads all of them.

    Args:
        read: returns image `n` of the source as `(H, W, C)` uint8; called from several threads.
        numbers: `(N,)`, the number of each image in the source.
        image_shape: `(H, W, C)` of every image.
    """

    read: Callable[[int], npt.NDArray[np.uint8]]
    numbers: npt.NDArray[np.integer]
    image_shape: tuple[int, int, int]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, rows: Rows) -> npt.NDArray[np.uint8]:
        """Read these rows, in this order, with one thread per core."""
        out = np.empty((len(self.numbers[rows]), *self.image_shape), np.uint8)
        self.read_into(out, rows)
        return out

    def read_into(self, out: npt.NDArray[np.uint8], rows: Rows) -> None:
        """Read these rows, in this order, into the first rows of an array `(>= N, H, W, C)`."""
        numbers = self.numbers[rows]

        def fill(i: int) -> None:
            out[i] = self.read(int(numbers[i]))

        with pillow_warnings():  # once: each image would change the filters and back
            in_parallel(fill, len(numbers))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """All images, for `np.asarray`."""
        if copy is False:
            raise ValueError("copy: got False; streamed images are copied into a new array")
        return self[:].astype(np.uint8 if dtype is None else dtype, copy=False)

    def select(self, rows: Rows) -> "StreamedImages":
        """The images of these rows, in this order, without reading them."""
        return StreamedImages(self.read, self.numbers[rows], self.image_shape)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """`(N, H, W, C)`, as of an array."""
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
        """The size of all images in memory, in bytes."""
        return math.prod(self.shape)


Images = npt.NDArray[np.uint8] | StreamedImages
