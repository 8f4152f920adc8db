"""Zero padding, cropping and upsampling of images."""

import operator
from typing import Literal, get_args

import jax
import jax.numpy as jnp
from jax import lax

from jcnn.ops._check import check_floating, check_rank
from jcnn.ops._recordable import recordable
from jcnn.ops._wide import in_32_bits
from jcnn.ops._window import Pads, Size, as_pair, check_pair

Interpolation = Literal["nearest", "bilinear"]


@recordable
def zero_pad2d(x: jax.Array, padding: Size | Pads = 1) -> jax.Array:
    """Add rows and columns of zeros around each image.

    Args:
        x: `(N, H, W, C)`, any type.
        padding: cells on every side, `(rows, columns)`, or `((top, bottom), (left, right))`.

    Returns:
        `(N, top + H + bottom, left + W + right, C)`, the dtype of `x`.

    Raises:
        ValueError: `x` has not four axes, or `padding` is not valid.
    """
    check_rank("x", x, "N, H, W, C")
    rows, columns = check_sides("padding", padding)
    return jnp.pad(x, ((0, 0), rows, columns, (0, 0)))


@recordable
def crop2d(x: jax.Array, cropping: Size | Pads) -> jax.Array:
    """Cut rows and columns off each image.

    Args:
        x: `(N, H, W, C)`, any type.
        cropping: cells on every side, `(rows, columns)`, or `((top, bottom), (left, right))`.

    Returns:
        `(N, H - top - bottom, W - left - right, C)`, the dtype of `x`.

    Raises:
        ValueError: `x` has not four axes, `cropping` is not valid, or nothing would be left.
    """
    check_rank("x", x, "N, H, W, C")
    (top, bottom), (left, right) = check_sides("cropping", cropping)
    n, h, w, c = x.shape
    if top + bottom >= h or left + right >= w:
        raise ValueError(f"cropping: got {cropping!r}, which leaves nothing of x {x.shape}")
    return lax.slice(x, (0, top, left, 0), (n, h - bottom, w - right, c))


@recordable
def upsample2d(
    x: jax.Array, size: Size = 2, *, interpolation: Interpolation = "nearest"
) -> jax.Array:
    """Enlarge each image by whole factors.

    "bilinear" interpolates between the centres of pixels: output pixel `o` lies at
    `(o + 0.5) / size - 0.5` of the input. Beyond the outermost centres it repeats the edge.

    Args:
        x: `(N, H, W, C)`, a floating-point type.
        size: factors of the rows and of the columns.
        interpolation: "nearest" or "bilinear".

    Returns:
        `(N, H * rows, W * columns, C)`, the dtype of `x`; 16-bit inputs are interpolated, and
        their gradients summed, in 32 bits.

    Raises:
        ValueError: a shape, dtype or argument does not fit.
    """
    check_rank("x", x, "N, H, W, C")
    check_floating("x", x)
    factors = check_pair("size", size)
    along = _linear if check_interpolation(interpolation) == "bilinear" else _repeated

    def enlarged(x: jax.Array) -> jax.Array:
        return along(along(x, factors[0], 1), factors[1], 2)

    return in_32_bits(enlarged, x)


def check_sides(name: str, value: Size | Pads) -> Pads:
    """Convert cells on every side, or pairs of them, to `((top, bottom), (left, right))`.

    Raises:
        ValueError: `value` is not valid; the message names the argument.
    """
    try:
        rows, columns = as_pair(value)
        (top, bottom), (left, right) = as_pair(rows), as_pair(columns)
        sides: Pads = (
            (operator.index(top), operator.index(bottom)),
            (operator.index(left), operator.index(right)),
        )
        if min(*sides[0], *sides[1]) < 0:
            raise ValueError
    except (TypeError, ValueError):
        raise ValueError(
            f"{name}: got {value!r}; accepted: an int >= 0, a pair (rows, columns), "
            "or ((top, bottom), (left, right)) of ints >= 0"
        ) from None
    return sides


def check_interpolation(value: Interpolation) -> Interpolation:
    """Return a known interpolation.

    Raises:
        ValueError: `value` is unknown.
    """
    if not isinstance(value, str) or value not in get_args(Interpolation):
        accepted = ", ".join(map(repr, get_args(Interpolation)))
        raise ValueError(f"interpolation: got {value!r}; accepted: {accepted}")
    return value


def _repeated(x: jax.Array, factor: int, axis: int) -> jax.Array:
    """Each cell `factor` times; the gradient is a sum over them."""
    return _interleaved([x] * factor, axis)


def _linear(x: jax.Array, factor: int, axis: int) -> jax.Array:
    """Interpolated between each cell and its neighbours, at `factor` positions within the cell."""
    size = x.shape[axis]
    first = lax.slice_in_dim(x, 0, 1, axis=axis)
    last = lax.slice_in_dim(x, size - 1, size, axis=axis)
    padded = jnp.concatenate([first, x, last], axis)
    before = lax.slice_in_dim(padded, 0, size, axis=axis)
    after = lax.slice_in_dim(padded, 2, size + 2, axis=axis)
    phases = []
    for phase in range(factor):
        offset = (phase + 0.5) / factor - 0.5
        neighbour = before if offset < 0 else after
        phases.append(x * (1 - abs(offset)) + neighbour * abs(offset))
    return _interleaved(phases, axis)


def _interleaved(phases: list[jax.Array], axis: int) -> jax.Array:
    """`(..., size, ...)` arrays as one of `(..., size * len(phases), ...)`, cell by cell."""
    shape = list(phases[0].shape)
    shape[axis] *= len(phases)
    return jnp.stack(phases, axis=axis + 1).reshape(shape)
