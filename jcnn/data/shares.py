"""The rows that each of several processes reads of an epoch's order."""

import numpy as np
import numpy.typing as npt


def share_of_order(
    order: npt.NDArray[np.integer], batch_size: int, process: int, count: int
) -> npt.NDArray[np.integer]:
    """The rows of one process: a part of each batch, in the order of the batches.

    A batch of all processes is their parts one after the other, so the training sees the batches
    of a single process, in the same order. Parts differ by at most one row; with a batch size
    divisible by `count` all are equal but those of the partial last batch.

    Args:
        order: `(N,)`, the rows of an epoch, or of its steps from some batch on.
        batch_size: rows of each batch of all processes.
        process: the index of this process.
        count: number of processes.

    Returns:
        About `N / count` of the rows.

    Raises:
        ValueError: `process` is not one of `count`, or a number is too small.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size: got {batch_size}; expected an int >= 1")
    if count < 1:
        raise ValueError(f"count: got {count}; expected an int >= 1")
    if not 0 <= process < count:
        raise ValueError(f"process: got {process}; expected 0 to {count - 1}")
    place = np.arange(len(order))
    first = place // batch_size * batch_size
    size = np.minimum(batch_size, len(order) - first)  # of the batch of each row
    inside = place - first
    start, stop = size * process // count, size * (process + 1) // count
    return order[(start <= inside) & (inside < stop)]
