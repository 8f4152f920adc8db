"""Bring the images of an epoch to the device: all of them once, or prefetched in windows.

Both give the steps the same batches in the same order, so the same seed gives the same training.
"""

import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Self

import jax
import numpy as np
from jax.sharding import Mesh

from jcnn.config import TrainConfig
from jcnn.data import Dataset, Note, StreamedImages
from jcnn.data.batches import Window
from jcnn.data.memory import memory_budget
from jcnn.train.devices import place_batches, place_members, place_whole
from jcnn.train.evaluate import chunk_examples, must_stream
from jcnn.train.events import Event
from jcnn.train.processes import decided

_ALIGNED = 64  # bytes

# From an epoch's number to the order `(N,)` of its examples.
Order = Callable[[int], jax.Array]


def open_windows(
    dataset: Dataset,
    order: Order,
    config: TrainConfig,
    notify: Callable[[Event], None],
    *,
    epochs: int,
    mesh: Mesh | None = None,
) -> "ResidentWindows | PrefetchedWindows":
    """Keep the images on the device if they fit; otherwise prefetch them in windows.

    Args:
        dataset: the training examples.
        order: gives the order of an epoch's examples.
        config: the settings.
        notify: called with a `Note` if images in host memory do not fit on the device.
        epochs: the last epoch that is trained; 0 prefetches nothing.
        mesh: of the devices that share each batch, or the models of a population.
    """
    steps = -(-len(dataset) // config.batch_size)
    if not decided(lambda: must_stream(dataset.images)):
        return ResidentWindows(dataset, order, steps, mesh)
    if not isinstance(dataset.images, StreamedImages):  # the source of those has sent its own note
        size, budget = (f"{x / 2**30:.2g} GiB" for x in (dataset.images.nbytes, memory_budget()))
        notify(Note(f"the images take {size}, more than {budget}: streamed to the device"))
    window = config.steps_per_call or max(
        1, decided(lambda: chunk_examples(dataset.images)) // config.batch_size
    )
    return PrefetchedWindows(
        dataset,
        order,
        steps,
        batch_size=config.batch_size,
        window_steps=window,
        epochs=epochs,
        mesh=mesh,
    )


class ResidentWindows(AbstractContextManager["ResidentWindows"]):
    """All images stay on the device; a window is a whole epoch.

    Args:
        dataset: the training examples.
        order: gives the order of an epoch's examples; `(M, N)` for a population.
        steps: number of steps in an epoch.
        mesh: of the devices; each has all images.
    """

    wait_seconds = 0.0

    def __init__(
        self, dataset: Dataset, order: Order, steps: int, mesh: Mesh | None = None
    ) -> None:
        # Copies: on a CPU, a device array may share the memory of a NumPy array that changes later.
        copies = np.array(dataset.images), np.array(dataset.labels)
        self._images, self._labels = place_whole(mesh, copies)
        self._mesh = mesh
        self._order = order
        self._steps = steps
        self._epoch: int | None = None
        self._rows: jax.Array

    def window(self, epoch: int, step: int) -> tuple[Window, int]:
        """The window with the images of `step` of `epoch`, and the first step after the window."""
        if epoch != self._epoch:
            self._epoch, self._rows = epoch, self._placed(self._order(epoch))
        return Window(self._images, self._labels, self._rows, 0), self._steps

    def _placed(self, order: jax.Array) -> jax.Array:
        if self._mesh is None:
            return order
        of_members = order.ndim == 2
        placed: jax.Array = (place_members if of_members else place_whole)(
            self._mesh, np.asarray(order)
        )
        return placed

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Do nothing: there is no thread to stop."""


class PrefetchedWindows(AbstractContextManager["PrefetchedWindows"]):
    """A window holds the images of some steps; the next one is read while these steps run.

    Args:
        dataset: the training examples.
        order: gives the order of an epoch's examples.
        steps: number of steps in an epoch.
        batch_size: number of images in a batch.
        window_steps: number of steps in a window.
        epochs: the last epoch; nothing after it is read.
        mesh: of the devices that share each batch; each process reads the images of its own.

    Attributes:
        wait_seconds: how long `window` has waited for images so far.
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
        mesh: Mesh | None = None,
    ) -> None:
        self._mesh = mesh
        self.wait_seconds = 0.0
        self._dataset = dataset
        self._order = order
        self._steps = steps
        self._batch_size = batch_size
        self._window_steps = min(window_steps, steps)
        self._epochs = epochs
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="jcnn-prefetch")
        self._next: tuple[tuple[int, int], Future[Window]] | None = None
        self._current: tuple[tuple[int, int], Window] | None = None
        self._orders: dict[int, np.ndarray] = {}

    def window(self, epoch: int, step: int) -> tuple[Window, int]:
        """The window with the images of `step` of `epoch`, and the first step after the window.

        Raises:
            jcnn.data.DataError: an image cannot be read.
        """
        first = step // self._window_steps * self._window_steps
        stop = min(first + self._window_steps, self._steps)
        if self._current is None or self._current[0] != (epoch, first):
            self._current = None  # frees its memory before the next window is complete
            began = time.perf_counter()
            pending = self._next
            if pending is None or pending[0] != (epoch, first):
                pending = self._start(epoch, first)
            self._current = ((epoch, first), pending[1].result())
            self.wait_seconds += time.perf_counter() - began
            following = (epoch, stop) if stop < self._steps else (epoch + 1, 0)
            self._next = self._start(*following) if following[0] <= self._epochs else None
        return self._current[1], stop

    def _start(self, epoch: int, first: int) -> tuple[tuple[int, int], Future[Window]]:
        return (epoch, first), self._reader.submit(self._read, epoch, first)

    def _read(self, epoch: int, first: int) -> Window:
        if epoch not in self._orders:
            self._orders = {epoch: np.asarray(self._order(epoch))}
        size = self._window_steps * self._batch_size
        start = first * self._batch_size
        rows = self._orders[epoch][start : start + size]
        if self._mesh is not None:
            return self._read_shared(rows, first, self._mesh)
        given = self._dataset.images
        images = _aligned((size, *given.shape[1:]), given.dtype)
        if isinstance(given, StreamedImages):
            given.read_into(images, rows)
        else:
            images[: len(rows)] = given[rows]
        images[len(rows) :] = 0
        labels = np.zeros((size, *self._dataset.labels.shape[1:]), self._dataset.labels.dtype)
        labels[: len(rows)] = self._dataset.labels[rows]
        order = np.arange(size, dtype=np.int32)
        there, its_labels, its_order = jax.device_put((images, labels, order))
        return Window(there, its_labels, its_order, first)

    def _read_shared(self, rows: np.ndarray, first: int, mesh: Mesh) -> Window:
        """The window of `rows`, each batch split over the devices of a mesh."""
        batches = np.full(self._window_steps * self._batch_size, -1, np.int64)
        batches[: len(rows)] = rows

        def reader(given: Any) -> Callable[[np.ndarray], np.ndarray]:
            def read(rows: np.ndarray) -> np.ndarray:
                out = np.zeros((len(rows), *given.shape[1:]), given.dtype)
                out[rows >= 0] = given[rows[rows >= 0]]
                return out

            return read

        images, labels = (
            place_batches(mesh, reader(given), batches.reshape(-1, self._batch_size))
            for given in (self._dataset.images, self._dataset.labels)
        )
        return Window(images, labels, None, first)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the reader thread."""
        self._reader.shutdown(wait=True, cancel_futures=True)


def _aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
    """An array whose memory a CPU device takes over without a copy, if nothing changes it later."""
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + _ALIGNED, np.uint8)
    start = -memory.ctypes.data % _ALIGNED
    return memory[start : start + size].view(dtype).reshape(shape)
