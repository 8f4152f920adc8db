"""How the pictures of an epoch come to the device: all at once and for good, or window by window.

Both give the steps the same batches in the same order, so the same seed gives the same training.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

import jax
import numpy as np

from jcnn.config import TrainConfig
from jcnn.data import Dataset, Note, StreamedImages
from jcnn.data.batches import Window
from jcnn.data.memory import memory_budget
from jcnn.train.evaluate import must_stream, piece_examples
from jcnn.train.events import Event

# Given an epoch's number: the order (N,) in which it sees its examples.
Order = Callable[[int], jax.Array]


def open_feed(
    dataset: Dataset,
    order: Order,
    config: TrainConfig,
    notify: Callable[[Event], None],
    *,
    closed: bool,
) -> "Resident | Streamed":
    """Keep the pictures on the device where they fit, else read them as they are needed.

    Args:
        dataset: of which they are.
        order: of an epoch.
        config: of the training.
        notify: told where pictures in memory do not fit on the device.
        closed: whether nothing will be asked for.
    """
    steps = -(-len(dataset) // config.batch_size)
    if not must_stream(dataset.images):
        return Resident(dataset, order, steps)
    if not isinstance(dataset.images, StreamedImages):  # of those, their source has told
        size, budget = (f"{x / 2**30:.2g} GiB" for x in (dataset.images.nbytes, memory_budget()))
        notify(Note(f"the pictures take {size}, more than {budget}: brought piece by piece"))
    window = config.steps_per_call or max(
        1, piece_examples(dataset.image_shape) // config.batch_size
    )
    return Streamed(
        dataset,
        order,
        steps,
        batch_size=config.batch_size,
        window_steps=window,
        epochs=0 if closed else config.epochs,
    )


class Resident(AbstractContextManager["Resident"]):
    """All pictures stay on the device.

    Args:
        dataset: of which they are.
        order: of an epoch; with a leading axis where several models have each their own.
        steps: in an epoch.
    """

    waited = 0.0

    def __init__(self, dataset: Dataset, order: Order, steps: int) -> None:
        # Copies: on a CPU an array on the device may be a view of NumPy's, which may yet change.
        copies = np.array(dataset.images), np.array(dataset.labels)
        self._images, self._labels = jax.device_put(copies)
        self._order = order
        self._steps = steps
        self._epoch: int | None = None
        self._rows: jax.Array

    def window(self, epoch: int, step: int) -> tuple[Window, int]:
        """The pictures for `step` of `epoch`, and the step for which they no longer do."""
        if epoch != self._epoch:
            self._epoch, self._rows = epoch, self._order(epoch)
        return Window(self._images, self._labels, self._rows, 0), self._steps

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to end."""


class Streamed(AbstractContextManager["Streamed"]):
    """Pictures come for some steps at a time; while these run, the next ones are read.

    Args:
        dataset: of which they are.
        order: of an epoch.
        steps: in an epoch.
        batch_size: pictures a step.
        window_steps: steps in a window.
        epochs: the last one; nothing is read beyond it.
    """

    def __init__(
        self,
        dataset: Dataset,
        order: Order,
        steps: int,
        *,
        batch_size: int,
        window_steps: int,
        epochs: int,
    ) -> None:
        self.waited = 0.0
        self._dataset = dataset
        self._order = order
        self._steps = steps
        self._batch_size = batch_size
        self._window_steps = min(window_steps, steps)
        self._epochs = epochs
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="jcnn-feed")
        self._ahead: tuple[tuple[int, int], Future[Window]] | None = None
        self._here: tuple[tuple[int, int], Window] | None = None
        self._orders: dict[int, np.ndarray] = {}

    def window(self, epoch: int, step: int) -> tuple[Window, int]:
        """The pictures for `step` of `epoch`, and the step for which they no longer do.

        Raises:
            jcnn.data.DataError: a picture cannot be read.
        """
        first = step // self._window_steps * self._window_steps
        stop = min(first + self._window_steps, self._steps)
        if self._here is None or self._here[0] != (epoch, first):
            self._here = None  # its memory is free before the next one is asked for
            began = time.perf_counter()
            ahead = self._ahead
            if ahead is None or ahead[0] != (epoch, first):
                ahead = self._start(epoch, first)
            self._here = ((epoch, first), ahead[1].result())
            self.waited += time.perf_counter() - began
            following = (epoch, stop) if stop < self._steps else (epoch + 1, 0)
            self._ahead = self._start(*following) if following[0] <= self._epochs else None
        return self._here[1], stop

    def _start(self, epoch: int, first: int) -> tuple[tuple[int, int], Future[Window]]:
        return (epoch, first), self._reader.submit(self._read, epoch, first)

    def _read(self, epoch: int, first: int) -> Window:
        if epoch not in self._orders:
            self._orders = {epoch: np.asarray(self._order(epoch))}
        size = self._window_steps * self._batch_size
        start = first * self._batch_size
        rows = self._orders[epoch][start : start + size]
        shape = (size, *self._dataset.image_shape)
        pixels, classes = np.zeros(shape, np.uint8), np.zeros(size, np.int32)
        pixels[: len(rows)] = self._dataset.images[rows]
        classes[: len(rows)] = self._dataset.labels[rows]
        images, labels, order = jax.device_put((pixels, classes, np.arange(size, dtype=np.int32)))
        return Window(images, labels, order, first)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Read no more."""
        self._reader.shutdown(wait=True, cancel_futures=True)
