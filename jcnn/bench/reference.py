"""Convolution and its gradients in NumPy float64, by definition: the reference of the checks."""

import math

import numpy as np
import numpy.typing as npt

from jcnn.ops import Window

Array = npt.NDArray[np.float64]


def reference(
    x: Array, kernel: Array, dy: Array, window: Window, groups: int
) -> tuple[Array, Array, Array]:
    """Compute `y = conv(x, kernel)` and the gradients of `sum(y * dy)`.

    For each example, its windows form a matrix, which is multiplied for each group.

    Args:
        x: `(N, H, W, C)`.
        kernel: `(KH, KW, C // groups, O)`.
        dy: `(N, OH, OW, O)`.
        window: resolved stride, padding and dilation.
        groups: number of channel groups.

    Returns:
        `y (N, OH, OW, O)`, and the gradients with respect to `x` and `kernel`.
    """
    # (G, KH * KW * C // G, O // G)
    cells = _split(kernel.reshape(-1, kernel.shape[3]), groups)
    y, dx, dk = np.zeros_like(dy), np.zeros_like(x), np.zeros_like(cells)
    for n in range(len(x)):
        padded = np.pad(x[n], (*window.padding, (0, 0)))
        seen = _windows(padded, window)  # (OH, OW, KH, KW, C)
        rows = _split(seen, groups).reshape(groups, math.prod(window.out_size), -1)
        out = _split(dy[n].reshape(-1, dy.shape[3]), groups)  # (G, OH * OW, O // G)
        y[n] = _joined(rows @ cells).reshape(dy.shape[1:])
        dk += rows.swapaxes(1, 2) @ out
        by_window = (out @ cells.swapaxes(1, 2)).reshape(groups, *seen.shape[:4], -1)
        dx[n] = _add_windows(_joined(by_window), padded.shape, window)
    return y, dx, _joined(dk).reshape(kernel.shape)


def _split(array: Array, groups: int) -> Array:
    """Split the last axis into `groups` parts along a new first axis."""
    return np.stack(np.split(array, groups, axis=-1))


def _joined(parts: Array) -> Array:
    """The inverse of `_split`."""
    return np.concatenate(list(parts), axis=-1)


def _windows(padded: Array, window: Window) -> Array:
    cells = [[padded[rows, columns] for columns in _steps(window, 1)] for rows in _steps(window, 0)]
    return np.stack([np.stack(row, axis=2) for row in cells], axis=2)


def _add_windows(by_window: Array, shape: tuple[int, ...], window: Window) -> Array:
    total = np.zeros(shape)
    for i, rows in enumerate(_steps(window, 0)):
        for j, columns in enumerate(_steps(window, 1)):
            total[rows, columns] += by_window[:, :, i, j]
    (top, _), (left, _) = window.padding
    height, width = window.in_size
    return total[top : top + height, left : left + width]


def _steps(window: Window, axis: int) -> list[slice]:
    """For each tap of the kernel, the slice of the padded input that it multiplies."""
    stride, count = window.stride[axis], window.out_size[axis]
    firsts = [i * window.dilation[axis] for i in range(window.kernel[axis])]
    return [slice(first, first + (count - 1) * stride + 1, stride) for first in firsts]
