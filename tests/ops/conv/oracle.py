"""The oracle: every op of jcnn written from its definition in NumPy float64.

It shares no code with jcnn, including the padding arithmetic. A convolution is a loop over output
positions and kernel cells; cells outside the input contribute nothing.
"""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Size = int | tuple[int, int]
Padding = Literal["SAME", "VALID"] | int | tuple[tuple[int, int], tuple[int, int]]


class Touch(NamedTuple):
    """Output position `out` reads the input at `cell` through kernel cell `tap`."""

    out: tuple[int, int]
    tap: tuple[int, int]
    cell: tuple[int, int]


def float64(array: Any) -> Array:
    """Any array, 16-bit JAX arrays included, as NumPy float64."""
    return np.asarray(array).astype(np.float64)


def pair(size: Size) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size


# --- the window -----------------------------------------------------------------------------------


def padding_of_axis(size: int, span: int, stride: int, axis: int, padding: Padding) -> list[int]:
    """Cells before and after one axis; SAME as Keras has it: the odd cell goes after."""
    if padding == "VALID":
        return [0, 0]
    if padding == "SAME":
        # The last of ceil(size / stride) windows must end inside what is padded.
        missing = (size - 1) // stride * stride + span - size
        return [missing // 2, missing - missing // 2] if missing > 0 else [0, 0]
    return [padding, padding] if isinstance(padding, int) else list(padding[axis])


def window_starts(
    size: int, kernel: int, stride: int, dilation: int, axis: int, padding: Padding
) -> list[int]:
    """First cell of every window on one axis: each that ends inside the padded input."""
    span = dilation * (kernel - 1) + 1
    before, after = padding_of_axis(size, span, stride, axis, padding)
    return list(range(-before, size + after - span + 1, stride))


def out_size(
    hw: tuple[int, int], kernel: Size, stride: Size, padding: Padding, dilation: Size
) -> tuple[int, int]:
    rows, columns = (
        len(window_starts(hw[a], pair(kernel)[a], pair(stride)[a], pair(dilation)[a], a, padding))
        for a in (0, 1)
    )
    return rows, columns


def touches(
    hw: tuple[int, int], kernel: Size, stride: Size, padding: Padding, dilation: Size
) -> Iterator[Touch]:
    """Every pair of an output position and a kernel cell that falls inside the input."""
    (kh, kw), (dh, dw) = pair(kernel), pair(dilation)
    tops = window_starts(hw[0], kh, pair(stride)[0], dh, 0, padding)
    lefts = window_starts(hw[1], kw, pair(stride)[1], dw, 1, padding)
    for row, top in enumerate(tops):
        for column, left in enumerate(lefts):
            for i in range(kh):
                for j in range(kw):
                    cell = (top + dh * i, left + dw * j)
                    if 0 <= cell[0] < hw[0] and 0 <= cell[1] < hw[1]:
                        yield Touch((row, column), (i, j), cell)


# --- convolution ----------------------------------------------------------------------------------


def conv2d(
    x: Array,
    kernel: Array,
    bias: Array | None = None,
    *,
    stride: Size = 1,
    padding: Padding = "SAME",
    dilation: Size = 1,
    groups: int = 1,
) -> Array:
    """Output = sum over kernel cells and the channels of the output's group, plus bias."""
    n, h, w, _ = x.shape
    kh, kw, i, o = kernel.shape
    y = np.zeros((n, *out_size((h, w), (kh, kw), stride, padding, dilation), groups, o // groups))
    xs = x.reshape(n, h, w, groups, i)
    ks = kernel.reshape(kh, kw, i, groups, o // groups)
    for (r, c), tap, (row, column) in touches((h, w), (kh, kw), stride, padding, dilation):
        y[:, r, c] += np.einsum("ngi,igo->ngo", xs[:, row, column], ks[tap])
    flat = y.reshape(*y.shape[:3], o)
    return flat if bias is None else flat + bias


def conv2d_gradients(
    x: Array,
    kernel: Array,
    g: Array,
    *,
    stride: Size = 1,
    padding: Padding = "SAME",
    dilation: Size = 1,
    groups: int = 1,
) -> tuple[Array, Array, Array]:
    """Gradients of `sum(conv2d(x, kernel, bias) * g)` by x, kernel and bias, as scatters."""
    n, h, w, channels = x.shape
    kh, kw, i, o = kernel.shape
    xs = x.reshape(n, h, w, groups, i)
    ks = kernel.reshape(kh, kw, i, groups, o // groups)
    gs = g.reshape(*g.shape[:3], groups, o // groups)
    by_x, by_kernel = np.zeros_like(xs), np.zeros_like(ks)
    for (r, c), tap, (row, column) in touches((h, w), (kh, kw), stride, padding, dilation):
        by_x[:, row, column] += np.einsum("ngo,igo->ngi", gs[:, r, c], ks[tap])
        by_kernel[tap] += np.einsum("ngi,ngo->igo", xs[:, row, column], gs[:, r, c])
    return (
        by_x.reshape(n, h, w, channels),
        by_kernel.reshape(kernel.shape),
        g.sum(axis=(0, 1, 2)),
    )


def conv_transpose2d_size(
    hw: tuple[int, int], kernel: Size, stride: Size, padding: Padding, extra: Size, dilation: Size
) -> tuple[int, int]:
    """SAME multiplies by the stride; all else cuts cells off what the windows cover."""
    sizes = []
    for axis in (0, 1):
        step, cells = pair(stride)[axis], hw[axis]
        if padding == "SAME":
            sizes.append(cells * step)
            continue
        covered = max(
            o * step + i * pair(dilation)[axis] + 1
            for o in range(cells)
            for i in range(pair(kernel)[axis])
        )
        cut = 0 if padding == "VALID" else sum(padding_of_axis(0, 0, 1, axis, padding))
        sizes.append(covered - cut + pair(extra)[axis])
    return sizes[0], sizes[1]


def conv_transpose2d(
    x: Array,
    kernel: Array,
    bias: Array,
    g: Array,
    *,
    stride: Size = 1,
    padding: Padding = "SAME",
    dilation: Size = 1,
    groups: int = 1,
) -> tuple[Array, Array, Array, Array]:
    """Add every input times the kernel to its window of the output, which has the shape of `g`.

    Returns that, and the gradients of `sum(value * g)` by x, kernel and bias.
    """
    n, h, w, c = x.shape
    kh, kw, per_group, _ = kernel.shape
    hw = (g.shape[1], g.shape[2])
    xs = x.reshape(n, h, w, groups, c // groups)
    ks = kernel.reshape(kh, kw, per_group, groups, c // groups)
    gs = g.reshape(n, *hw, groups, per_group)
    y, by_x, by_kernel = np.zeros_like(gs), np.zeros_like(xs), np.zeros_like(ks)
    for (r, s), tap, (row, column) in touches(hw, (kh, kw), stride, padding, dilation):
        y[:, row, column] += np.einsum("ngi,ogi->ngo", xs[:, r, s], ks[tap])
        by_x[:, r, s] += np.einsum("ngo,ogi->ngi", gs[:, row, column], ks[tap])
        by_kernel[tap] += np.einsum("ngi,ngo->ogi", xs[:, r, s], gs[:, row, column])
    return (
        y.reshape(g.shape) + bias,
        by_x.reshape(x.shape),
        by_kernel.reshape(kernel.shape),
        g.sum(axis=(0, 1, 2)),
    )


def im2col(
    x: Array, kernel: Size, *, stride: Size = 1, padding: Padding = "VALID", dilation: Size = 1
) -> Array:
    """Row of each window: kernel rows, kernel columns, channels; zeros outside the input."""
    n, h, w, c = x.shape
    kh, kw = pair(kernel)
    cols = np.zeros((n, *out_size((h, w), kernel, stride, padding, dilation), kh * kw, c))
    for (r, s), (i, j), (row, column) in touches((h, w), kernel, stride, padding, dilation):
        cols[:, r, s, i * kw + j] = x[:, row, column]
    return cols.reshape(*cols.shape[:3], kh * kw * c)


# --- pooling --------------------------------------------------------------------------------------


def _windows(
    x: Array, window: Size, stride: Size | None, padding: Padding
) -> Iterator[tuple[tuple[int, int], list[tuple[int, int]]]]:
    """Each output position with the input cells of its window, row by row."""
    stride = window if stride is None else stride
    cells: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for out, _, cell in touches((x.shape[1], x.shape[2]), window, stride, padding, 1):
        cells.setdefault(out, []).append(cell)
    yield from cells.items()


def _pooled(x: Array, window: Size, stride: Size | None, padding: Padding) -> Array:
    stride = window if stride is None else stride
    size = out_size((x.shape[1], x.shape[2]), window, stride, padding, 1)
    return np.zeros((x.shape[0], *size, x.shape[3]))


def max_pool2d(
    x: Array, window: Size, *, stride: Size | None = None, padding: Padding = "VALID"
) -> Array:
    y = _pooled(x, window, stride, padding)
    for (r, c), cells in _windows(x, window, stride, padding):
        y[:, r, c] = np.max([x[:, row, column] for row, column in cells], axis=0)
    return y


def max_pool2d_gradient(
    x: Array, g: Array, window: Size, *, stride: Size | None = None, padding: Padding = "VALID"
) -> Array:
    """Each window's gradient goes to its first largest cell (`argmax` takes the first)."""
    by_x = np.zeros_like(x)
    for (r, c), cells in _windows(x, window, stride, padding):
        winners = np.argmax([x[:, row, column] for row, column in cells], axis=0)
        for k, (row, column) in enumerate(cells):
            by_x[:, row, column] += np.where(winners == k, g[:, r, c], 0)
    return by_x


def avg_pool2d(
    x: Array,
    window: Size,
    *,
    stride: Size | None = None,
    padding: Padding = "VALID",
    count_padding: bool = False,
) -> Array:
    y = _pooled(x, window, stride, padding)
    kh, kw = pair(window)
    for (r, c), cells in _windows(x, window, stride, padding):
        total = np.sum([x[:, row, column] for row, column in cells], axis=0)
        y[:, r, c] = total / (kh * kw if count_padding else len(cells))
    return y


def avg_pool2d_gradient(
    x: Array,
    g: Array,
    window: Size,
    *,
    stride: Size | None = None,
    padding: Padding = "VALID",
    count_padding: bool = False,
) -> Array:
    by_x = np.zeros_like(x)
    kh, kw = pair(window)
    for (r, c), cells in _windows(x, window, stride, padding):
        for row, column in cells:
            by_x[:, row, column] += g[:, r, c] / (kh * kw if count_padding else len(cells))
    return by_x


# --- dense and softmax ----------------------------------------------------------------------------


def dense(x: Array, kernel: Array, bias: Array | None = None) -> Array:
    """Each unit is the inner product of one row of x and one column of the kernel."""
    y = np.zeros((x.shape[0], kernel.shape[1]))
    for row in range(x.shape[0]):
        for unit in range(kernel.shape[1]):
            y[row, unit] = np.sum(x[row] * kernel[:, unit])
    return y if bias is None else y + bias


def softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def cross_entropy(logits: Array, labels: npt.NDArray[np.int64]) -> Array:
    """`log(sum(exp(z))) - z[label]` of each row of `logits (N, K)`."""
    losses = np.zeros(len(labels))
    for row, label in enumerate(labels):
        largest = logits[row].max()
        log_sum = largest + np.log(np.sum(np.exp(logits[row] - largest)))
        losses[row] = log_sum - logits[row, label]
    return losses
