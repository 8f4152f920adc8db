"""Lowering "phases": a dilated convolution as several plain ones, without products by zeros.

The gradient by input of a strided convolution, and a transposed convolution, read an input with
`a - 1` zeros between neighbours:

    y[o] = sum_i  dilate(x, a)[o + d*i - p] * k[i]

Only every a-th term is not zero. Write `o = a*q + r`. The term of tap `i` is a cell of `x` where
`r + d*i - p` is a multiple of `a`; where `d` and `a` have no common factor those are the taps
`i = t, t + a, t + 2a, ...`, and

    y[a*q + r] = sum_j  x[q + d*j + (r + d*t - p) / a] * k[t + a*j]

is a plain convolution with a part of the kernel. The `a` results, interleaved, are `y`.

The gradient by the kernel of a strided convolution has the zeros in the kernel: `a = 1`, `d > 1`.
Write `o = d*q + r`. Phase `r` reads only every d-th cell of `x`, from cell `t`, the first with
`t = r - p` modulo `d`:

    y[d*q + r] = sum_i  x[t + d * (q + i + (r - p - t) / d)] * k[i]

Reference: Shi et al., "Is the deconvolution layer the same as a convolutional layer?", 2016, for
the first; the second is its counterpart.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jcnn.ops.conv.lowerings import lax as lax_lowering
from jcnn.ops.conv.lowerings.lowering import Conv, Lowering, Pair, Params, dilated, out_size


class _Phase(NamedTuple):
    """One axis of one phase: which cells of `x` and `k` it reads, and how it convolves them."""

    x: slice
    kernel: slice
    before: int
    stride: int
    dilation: int
    outputs: int


def convolve(x: jax.Array, kernel: jax.Array, precision: Any, p: Params) -> jax.Array:
    """Convolve with one plain convolution for each phase of the output."""
    return in_phases(lax_lowering.convolve, x, kernel, precision, p)


def in_phases(
    inner: Callable[..., jax.Array], x: jax.Array, kernel: jax.Array, precision: Any, p: Params
) -> jax.Array:
    """Convolve each phase with `inner`, a lowering's function, and interleave the results."""
    out = out_size(x.shape, kernel.shape, p)
    rows, columns = (_split(p, axis, kernel.shape[axis], out[axis]) for axis in (0, 1))
    deepest = (rows[0].outputs, columns[0].outputs)
    parts = []
    for row in rows:
        for column in columns:
            y = _part(inner, x, kernel, precision, (row, column), p.groups)
            short = [most - size for most, size in zip(deepest, y.shape[1:3], strict=True)]
            parts.append(jnp.pad(y, ((0, 0), (0, short[0]), (0, short[1]), (0, 0))))
    if len(parts) == 1:
        return parts[0]
    n, filters = x.shape[0], kernel.shape[-1]
    y = jnp.stack(parts).reshape(len(rows), len(columns), n, *deepest, filters)
    y = y.transpose(2, 3, 0, 4, 1, 5)
    y = y.reshape(n, deepest[0] * len(rows), deepest[1] * len(columns), filters)
    return lax.slice(y, (0, 0, 0, 0), (n, *out, filters))


def _split(p: Params, axis: int, taps: int, out: int) -> list[_Phase]:
    """The phases of one axis; the first has the most outputs."""
    before, a, d = p.padding[axis][0], p.in_dilation[axis], p.dilation[axis]
    whole = slice(None)
    if a == 1 and (d == 1 or p.stride[axis] > 1):
        return [_Phase(whole, whole, before, p.stride[axis], d, out)]
    phases = []
    for r in range(min(max(a, d) if a == 1 else a, out)):
        outputs = -(-(out - r) // (a if a > 1 else d))
        if a > 1:
            first = (before - r) * pow(d, -1, a) % a
            shift = (r + d * first - before) // a
            phases.append(_Phase(whole, slice(first, taps, a), -shift, 1, d, outputs))
        else:
            start = (r - before) % d
            shift = (r - before - start) // d
            phases.append(_Phase(slice(start, None, d), whole, -shift, 1, 1, outputs))
    return phases


def _part(
    inner: Callable[..., jax.Array],
    x: jax.Array,
    kernel: jax.Array,
    precision: Any,
    phases: tuple[_Phase, _Phase],
    groups: int,
) -> jax.Array:
    row, column = phases
    read, taps = x[:, row.x, column.x], kernel[row.kernel, column.kernel]
    if 0 in read.shape or 0 in taps.shape:  # this phase reads only zeros
        return jnp.zeros((x.shape[0], row.outputs, column.outputs, kernel.shape[-1]), x.dtype)
    pads: list[Pair] = []
    for axis, phase in enumerate(phases):
        span = dilated(taps.shape[axis], phase.dilation)
        covered = (phase.outputs - 1) * phase.stride + span
        pads.append((phase.before, covered - phase.before - read.shape[1 + axis]))
    plain = Params(
        stride=(row.stride, column.stride),
        padding=(pads[0], pads[1]),
        in_dilation=(1, 1),
        dilation=(row.dilation, column.dilation),
        groups=groups,
    )
    return inner(read, taps, precision, plain)


def _unsupported(conv: Conv) -> str | None:
    p = conv.params
    axes = list(zip(p.stride, p.in_dilation, p.dilation, strict=True))
    if any(s > 1 and a > 1 for s, a, _ in axes):
        return "an axis has both a stride and an input dilation"
    if any(math.gcd(a, d) > 1 for _, a, d in axes):
        return "input dilation and kernel dilation have a common factor"
    if not any(a > 1 or (d > 1 and s == 1) for s, a, d in axes):
        return "nothing is dilated, or only the kernel of a strided convolution"
    return None


LOWERING = Lowering(convolve, _unsupported)
