"""The taps of a window: for each kernel cell, the input cell under it at every output position.

im2col concatenates the taps, the shift method multiplies and adds them, pooling takes their maximum
or mean. Each tap is one strided slice of the padded input, so there is no loop at run time, and the
gradients are as simple.
"""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
from jax import lax

from jcnn.ops._window import Window


def taps(x: jax.Array, window: Window, fill: float = 0.0) -> Iterator[jax.Array]:
    """Yield the `KH * KW` taps `(N, OH, OW, C)` of `x (N, H, W, C)`, row by row.

    Args:
        x: input.
        window: resolved against `x`'s height and width.
        fill: value of the padding.
    """
    padded = lax.pad(x, jnp.asarray(fill, x.dtype), _config(window.padding, (0, 0)))
    n, c = x.shape[0], x.shape[3]
    for i, j in positions(window):
        last = [
            start + (out - 1) * step + 1
            for start, out, step in zip((i, j), window.out_size, window.stride, strict=True)
        ]
        yield lax.slice(padded, (0, i, j, 0), (n, *last, c), (1, *window.stride, 1))


def scatter_taps(values: Iterator[jax.Array], window: Window) -> jax.Array:
    """Add the taps `(N, OH, OW, C)` to the cells that `taps` read: the adjoint of `taps`."""
    total: jax.Array | None = None
    for (i, j), tap in zip(positions(window), values, strict=True):
        pads = []
        for axis, start in ((0, i), (1, j)):
            before = start - window.padding[axis][0]
            covered = (window.out_size[axis] - 1) * window.stride[axis] + 1
            pads.append((before, window.in_size[axis] - before - covered))
        gaps = (window.stride[0] - 1, window.stride[1] - 1)
        placed = lax.pad(tap, jnp.zeros((), tap.dtype), _config((pads[0], pads[1]), gaps))
        total = placed if total is None else total + placed
    assert total is not None  # a window has at least one cell
    return total


def positions(window: Window) -> Iterator[tuple[int, int]]:
    """Offset of each kernel cell in the padded input, row by row."""
    for row in range(window.kernel[0]):
        for column in range(window.kernel[1]):
            yield row * window.dilation[0], column * window.dilation[1]


def _config(
    pads: tuple[tuple[int, int], tuple[int, int]], gaps: tuple[int, int]
) -> list[tuple[int, int, int]]:
    return [(0, 0, 0), (*pads[0], gaps[0]), (*pads[1], gaps[1]), (0, 0, 0)]
