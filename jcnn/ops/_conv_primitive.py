"""The convolution primitive: one linear operation that owns its gradients and its batching.

Why a primitive. XLA:CPU runs a convolution fast only when it is written as
`NHWC x HWIO -> NHWC` with nothing reversed. It rewrites other forms into this one in a program's
outermost computation, but not inside `scan`, `while` or `cond`, and there the forms that autodiff
writes for a convolution's gradients run some forty times slower. Here each derivative of the
primitive is the primitive again, so every convolution that ever reaches the compiler has the fast
form, whatever was differentiated, batched or looped over.

The family. With an input dilation beside the usual kernel dilation the convolutions are closed
under transposition. On one axis, for input `x`, kernel `k` and output `y`,

    y[o] = sum_i  dilate(x, a)[s*o + d*i - p] * k[i]

with stride `s`, kernel dilation `d`, input dilation `a` and padding `p` before. Its transposes:

    by x:  the output's gradient, dilated by s, with the kernel reversed, moving in steps of a;
    by k:  dilate(x, a) against the output's gradient as a kernel dilated by s, in steps of d,
           where batch and channels change places.

The leading axis `M` of both operands counts independent convolutions ("models"): `vmap` over
inputs and kernels together lands there, `vmap` over one of them folds into N or O.

Reference: the transposes are those of Dumoulin and Visin (2016), chapter 4.
"""

from collections.abc import Sequence
from typing import Any, TypedDict

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

Pads = tuple[tuple[int, int], tuple[int, int]]
Pair = tuple[int, int]


class Params(TypedDict):
    """How the kernel moves; every pair is (rows, columns). Padding may be negative: it crops."""

    stride: Pair
    padding: Pads
    in_dilation: Pair
    dilation: Pair
    groups: int
    precision: Any


conv_p = Primitive("jcnn_conv")


def conv(x: jax.Array, kernel: jax.Array, **params: Any) -> jax.Array:
    """Convolve `x (N, H, W, C)` with `kernel (KH, KW, C // groups, O)`; `params` as `Params`."""
    return _bind(x[None], kernel[None], **params)[0]


def _bind(x: jax.Array, kernel: jax.Array, **params: Any) -> jax.Array:
    y: jax.Array = conv_p.bind(x, kernel, **params)
    return y


def _out_size(size: int, kernel: int, stride: int, pads: Pair, in_dil: int, dil: int) -> int:
    span = (kernel - 1) * dil + 1
    return (_dilated(size, in_dil) + sum(pads) - span) // stride + 1


def _dilated(size: int, dilation: int) -> int:
    return (size - 1) * dilation + 1


def _shape(x: Any, kernel: Any, **p: Any) -> jax.core.ShapedArray:
    out = [
        _out_size(
            x.shape[2 + a],
            kernel.shape[1 + a],
            p["stride"][a],
            p["padding"][a],
            p["in_dilation"][a],
            p["dilation"][a],
        )
        for a in (0, 1)
    ]
    return jax.core.ShapedArray((*x.shape[:2], *out, kernel.shape[-1]), x.dtype)


conv_p.def_abstract_eval(_shape)


# --- what reaches the compiler --------------------------------------------------------------------


def _convolve(x: jax.Array, kernel: jax.Array, **p: Any) -> jax.Array:
    """M convolutions as one with M times the groups: what an accelerator runs in one call."""
    models, filters = x.shape[0], kernel.shape[-1]
    if models == 1:
        return _canonical(x[0], kernel[0], **p)[None]
    side_by_side = jnp.concatenate(list(x), axis=-1)
    y = _canonical(
        side_by_side,
        jnp.concatenate(list(kernel), axis=-1),
        **{**p, "groups": p["groups"] * models},
    )
    return jnp.moveaxis(y.reshape(*y.shape[:3], models, filters), 3, 0)


def _convolve_one_by_one(x: jax.Array, kernel: jax.Array, **p: Any) -> jax.Array:
    """M convolutions in turn: on CPU a grouped convolution is many times slower than its parts."""
    return jnp.stack([_canonical(a, k, **p) for a, k in zip(x, kernel, strict=True)])


def _canonical(x: jax.Array, kernel: jax.Array, **p: Any) -> jax.Array:
    padding, in_dilation = list(p["padding"]), p["in_dilation"]
    for axis in (0, 1):
        x, padding[axis] = _crop(x, 1 + axis, padding[axis], in_dilation[axis])
    if any(kernel.shape[axis] > x.shape[1 + axis] for axis in (0, 1)):
        # XLA would let such a small input and the kernel change places: a slow form in a loop,
        # and for some strides its own check then aborts the process ("Window dimensions do not
        # match RHS shape"; jaxlib 0.10.2 and 0.12.0). Padded, the input is not small; the
        # barrier keeps XLA from taking the padding back into the convolution.
        config = [(*pads, gap - 1) for pads, gap in zip(padding, in_dilation, strict=True)]
        x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *config, (0, 0, 0)])
        x = lax.optimization_barrier(x)
        padding, in_dilation = [(0, 0), (0, 0)], (1, 1)
    return lax.conv_general_dilated(
        x,
        kernel,
        window_strides=p["stride"],
        padding=padding,
        lhs_dilation=in_dilation,
        rhs_dilation=p["dilation"],
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=p["groups"],
        precision=p["precision"],
    )


def _crop(x: jax.Array, axis: int, pads: Pair, dilation: int) -> tuple[jax.Array, Pair]:
    """Carry out negative padding as a slice of `x`, which leaves padding >= 0."""
    dropped = [-(min(pad, 0) // dilation) for pad in pads]
    if sum(dropped) >= x.shape[axis]:  # every window lay in padding: one zero stands for it
        nothing = jnp.zeros_like(lax.slice_in_dim(x, 0, 1, axis=axis))
        return nothing, (_dilated(x.shape[axis], dilation) + sum(pads) - 1, 0)
    x = lax.slice_in_dim(x, dropped[0], x.shape[axis] - dropped[1], axis=axis)
    return x, (pads[0] + dropped[0] * dilation, pads[1] + dropped[1] * dilation)


conv_p.def_impl(_convolve)
mlir.register_lowering(conv_p, mlir.lower_fun(_convolve, multiple_results=False))
mlir.register_lowering(
    conv_p, mlir.lower_fun(_convolve_one_by_one, multiple_results=False), platform="cpu"
)


# --- derivatives ----------------------------------------------------------------------------------


def _input_gradient(g: jax.Array, x: Any, kernel: jax.Array, **p: Any) -> jax.Array:
    padding = []
    for a in (0, 1):
        span = _dilated(kernel.shape[1 + a], p["dilation"][a])
        before = span - 1 - p["padding"][a][0]
        covered = _dilated(x.aval.shape[2 + a], p["in_dilation"][a]) + span - 1
        padding.append((before, covered - _dilated(g.shape[2 + a], p["stride"][a]) - before))
    m, kh, kw, i, o = kernel.shape
    groups = p["groups"]
    swapped = kernel[:, ::-1, ::-1].reshape(m, kh, kw, i, groups, o // groups)
    swapped = swapped.transpose(0, 1, 2, 5, 4, 3).reshape(m, kh, kw, o // groups, groups * i)
    return _bind(
        g,
        swapped,
        stride=p["in_dilation"],
        padding=tuple(padding),
        in_dilation=p["stride"],
        dilation=p["dilation"],
        groups=groups,
        precision=p["precision"],
    )


def _kernel_gradient(g: jax.Array, x: jax.Array, kernel: Any, **p: Any) -> jax.Array:
    padding = []
    for a in (0, 1):
        span = _dilated(kernel.aval.shape[1 + a], p["dilation"][a])
        covered = _dilated(g.shape[2 + a], p["stride"][a]) + span - 1
        before = p["padding"][a][0]
        padding.append((before, covered - _dilated(x.shape[2 + a], p["in_dilation"][a]) - before))
    m, n, h, w, c = x.shape
    groups = p["groups"]
    turned = x.reshape(m, n, h, w, groups, c // groups).transpose(0, 5, 2, 3, 4, 1)
    gradient = _bind(
        turned.reshape(m, c // groups, h, w, groups * n),
        g.transpose(0, 2, 3, 1, 4),
        stride=p["dilation"],
        padding=tuple(padding),
        in_dilation=p["in_dilation"],
        dilation=p["stride"],
        groups=groups,
        precision=p["precision"],
    )
    return gradient.transpose(0, 2, 3, 1, 4)


ad.defbilinear(conv_p, _input_gradient, _kernel_gradient)


# --- vmap -----------------------------------------------------------------------------------------


def _batch(
    operands: tuple[jax.Array, jax.Array], axes: Sequence[int | None], **p: Any
) -> tuple[jax.Array, int]:
    x, kernel = operands
    x_axis, kernel_axis = axes
    if kernel_axis is None:  # one kernel, many inputs: a larger batch
        assert x_axis is not None
        x = jnp.moveaxis(x, x_axis, 1)
        m, b, n = x.shape[:3]
        y = _bind(x.reshape(m, b * n, *x.shape[3:]), kernel, **p)
        return y.reshape(m, b, n, *y.shape[2:]), 1
    if x_axis is None:  # one input, many kernels: more filters, each group's side by side
        kernel = jnp.moveaxis(kernel, kernel_axis, 4)
        m, kh, kw, i, b, o = kernel.shape
        groups = p["groups"]
        kernel = kernel.reshape(m, kh, kw, i, b, groups, o // groups).swapaxes(4, 5)
        y = _bind(x, kernel.reshape(m, kh, kw, i, groups * b * (o // groups)), **p)
        y = y.reshape(*y.shape[:4], groups, b, o // groups).swapaxes(4, 5)
        return y.reshape(*y.shape[:5], o), 4
    x, kernel = jnp.moveaxis(x, x_axis, 0), jnp.moveaxis(kernel, kernel_axis, 0)
    b, m = x.shape[:2]
    y = _bind(x.reshape(b * m, *x.shape[2:]), kernel.reshape(b * m, *kernel.shape[2:]), **p)
    return y.reshape(b, m, *y.shape[1:]), 0


batching.primitive_batchers[conv_p] = _batch
