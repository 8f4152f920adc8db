"""The three directions of a convolution as one convolution: NHWC x HWIO -> NHWC, nothing reversed.

With an input dilation as well as the usual kernel dilation, convolutions are closed under
transposition. On one axis, for input `x`, kernel `k` and result `y`,

    y[o] = sum_i  dilate(x, a)[s*o + d*i - p] * k[i]

with stride `s`, kernel dilation `d`, input dilation `a` and padding `p` before. Its transposes:

    by x:  the result's gradient, dilated by s, convolved with the reversed kernel, stride a;
    by k:  dilate(x, a) convolved with the result's gradient as a kernel dilated by s, stride d,
           with batch and channels exchanged.

So a lowering that does this family does both gradients, too.

Reference: the transposes are those of Dumoulin and Visin (2016), chapter 4.
"""

from typing import Any, Literal

import jax

from jcnn.ops.conv.lowerings.lowering import Conv, Pair, Params, dilated

Direction = Literal["forward", "by input", "by kernel"]


def as_convolution(
    direction: Direction, a: jax.Array, b: jax.Array, size: Pair | None, p: Params
) -> tuple[jax.Array, jax.Array, Params]:
    """The input, kernel and parameters of the convolution that computes a direction of another.

    Args:
        direction: what is computed of the convolution with parameters `p`.
        a, b: input and kernel, or the result's gradient and kernel ("by input"), or input and
            the result's gradient ("by kernel").
        size: height and width of what is computed; None for "forward".
        p: the parameters.
    """
    if direction == "forward":
        return a, b, p
    assert size is not None
    if direction == "by input":
        return a, _swapped(b, p.groups), _by_input(a.shape, b.shape, size, p)
    return _exchanged(a, p.groups), b.transpose(1, 2, 0, 3), _by_kernel(a.shape, b.shape, size, p)


def from_convolution(direction: Direction, y: jax.Array) -> jax.Array:
    """What was asked for, of the result of the convolution by `as_convolution`."""
    return y.transpose(1, 2, 0, 3) if direction == "by kernel" else y


def conv_of(
    platform: str, direction: Direction, a: Any, b: Any, size: Pair | None, p: Params
) -> Conv:
    """The convolution that computes a direction; `a` and `b` have shapes and dtypes only."""
    found: list[Params] = []

    def operands(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
        x, kernel, form = as_convolution(direction, a, b, size, p)
        found.append(form)
        return x, kernel

    x, kernel = jax.eval_shape(operands, a, b)
    return Conv(platform, str(a.dtype), x.shape, kernel.shape, found[0])


def _swapped(kernel: jax.Array, groups: int) -> jax.Array:
    """The kernel rotated by 180 degrees, with channels and filters exchanged in each group."""
    kh, kw, i, o = kernel.shape
    swapped = kernel[::-1, ::-1].reshape(kh, kw, i, groups, o // groups)
    return swapped.transpose(0, 1, 4, 3, 2).reshape(kh, kw, o // groups, groups * i)


def _by_input(g: Any, kernel: Any, size: Pair, p: Params) -> Params:
    padding = []
    for a in (0, 1):
        span = dilated(kernel[a], p.dilation[a])
        before = span - 1 - p.padding[a][0]
        covered = dilated(size[a], p.in_dilation[a]) + span - 1
        padding.append((before, covered - dilated(g[1 + a], p.stride[a]) - before))
    rows, columns = padding
    return Params(p.in_dilation, (rows, columns), p.stride, p.dilation, p.groups)


def _exchanged(x: jax.Array, groups: int) -> jax.Array:
    """The input with batch and channels exchanged in each group."""
    n, h, w, c = x.shape
    # Single transpositions where possible: a lowering can cancel them with their inverse.
    if groups == 1:
        return x.transpose(3, 1, 2, 0)
    if groups == c:
        return x.transpose(1, 2, 3, 0).reshape(1, h, w, c * n)
    split = x.reshape(n, h, w, groups, c // groups).transpose(4, 1, 2, 3, 0)
    return split.reshape(c // groups, h, w, groups * n)


def _by_kernel(x: Any, g: Any, size: Pair, p: Params) -> Params:
    padding = []
    for a in (0, 1):
        span = dilated(size[a], p.dilation[a])
        covered = dilated(g[1 + a], p.stride[a]) + span - 1
        before = p.padding[a][0]
        padding.append((before, covered - dilated(x[1 + a], p.in_dilation[a]) - before))
    rows, columns = padding
    return Params(p.dilation, (rows, columns), p.in_dilation, p.stride, p.groups)
