"""The convolution primitive: one linear operation with its own gradients and batching rule.

Why a primitive. XLA:CPU runs a convolution fast only with the layouts `NHWC x HWIO -> NHWC` and
nothing reversed. It rewrites other layouts into these in a program's outermost computation, but
not inside `scan`, `while` or `cond`, and there the dimension numbers that autodiff writes for a
convolution's gradients run some forty times slower. Here each derivative of the primitive is the
primitive again, so every convolution that reaches the compiler has the fast layouts, whatever was
differentiated, batched or looped over.

The family. With an input dilation as well as the usual kernel dilation, convolutions are closed
under transposition. On one axis, for input `x`, kernel `k` and output `y`,

    y[o] = sum_i  dilate(x, a)[s*o + d*i - p] * k[i]

with stride `s`, kernel dilation `d`, input dilation `a` and padding `p` before. Its transposes:

    by x:  the output's gradient, dilated by s, convolved with the reversed kernel, stride a;
    by k:  dilate(x, a) convolved with the output's gradient as a kernel dilated by s, stride d,
           with batch and channels exchanged.

The leading axis `M` of both operands counts independent convolutions ("models"): `vmap` over
inputs and kernels together adds to it, `vmap` over one of them folds into N or O.

Reference: the transposes are those of Dumoulin and Visin (2016), chapter 4.
"""

import functools
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from jcnn.ops.conv.lowerings import pallas as pallas_lowering
from jcnn.ops.conv.lowerings.lowering import Params, dilated, is_above_default, is_empty, out_size
from jcnn.ops.conv.lowerings.registry import LOWERINGS
from jcnn.ops.conv.table.file import tables
from jcnn.ops.conv.table.lookup import Conv, choose

conv_p = Primitive("jcnn_conv")


def conv(x: jax.Array, kernel: jax.Array, *, lowering: str = "auto", **params: Any) -> jax.Array:
    """Convolve `x (N, H, W, C)` with `kernel (KH, KW, C // groups, O)`.

    Args:
        x: input.
        kernel: cross-correlated with it.
        lowering: of the convolution and its derivatives: "auto" (each the one that the table
            names for it) or a name in `LOWERINGS`.
        params: the fields of `Params`, and `precision` as in `jax.lax.conv_general_dilated`.
    """
    if params["precision"] is None:  # resolved here, so that gradients use the same
        params["precision"] = jax.default_matmul_precision.value
    return _bind(x[None], kernel[None], lowering=lowering, **params)[0]


def _bind(x: jax.Array, kernel: jax.Array, **params: Any) -> jax.Array:
    y: jax.Array = conv_p.bind(x, kernel, **params)
    return y


def _shape(
    x: Any, kernel: Any, *, lowering: str, precision: Any, **p: Any
) -> tuple[jax.core.ShapedArray, set[Any]]:
    out = out_size(x.shape[1:], kernel.shape[1:], Params(**p))
    effects = pallas_lowering.effects() if lowering == "pallas" else set()
    return jax.core.ShapedArray((*x.shape[:2], *out, kernel.shape[-1]), x.dtype), effects


conv_p.def_effectful_abstract_eval(_shape)


# --- lowering -------------------------------------------------------------------------------------


def _convolve(x: jax.Array, kernel: jax.Array, *, platform: str, **p: Any) -> jax.Array:
    models, filters = x.shape[0], kernel.shape[-1]
    if is_empty(x, kernel):  # so that no lowering has to handle it
        params = Params(**{field.name: p[field.name] for field in fields(Params)})
        out = out_size(x.shape[1:], kernel.shape[1:], params)
        return jnp.zeros((*x.shape[:2], *out, filters), x.dtype)
    if models == 1:
        return _one(x[0], kernel[0], platform=platform, **p)[None]
    if platform == "cpu":
        # One by one: on a CPU a grouped convolution is many times slower than its parts.
        parts = zip(x, kernel, strict=True)
        return jnp.stack([_one(a, k, platform=platform, **p) for a, k in parts])
    # One convolution with M times the groups, which an accelerator runs in one call.
    concatenated = [jnp.concatenate(list(operand), axis=-1) for operand in (x, kernel)]
    y = _one(*concatenated, platform=platform, **{**p, "groups": p["groups"] * models})
    return jnp.moveaxis(y.reshape(*y.shape[:3], models, filters), 3, 0)


def _one(
    x: jax.Array,
    kernel: jax.Array,
    *,
    platform: str,
    plain: bool,
    lowering: str,
    precision: Any,
    **p: Any,
) -> jax.Array:
    params = Params(**p)
    if lowering == "auto":
        lowering = "lax"
        # The table has no symbolic sizes (`jax.export`).
        if all(isinstance(size, int) for size in (*x.shape, *kernel.shape)):
            conv = Conv(platform, str(x.dtype), x.shape, kernel.shape, params)
            plain = plain or is_above_default(precision)
            lowering = choose(conv, tables(), plain=plain).lowering
    return LOWERINGS[lowering].fn(x, kernel, precision, params)


@functools.cache
def _program(**params: Any) -> Any:
    return jax.jit(functools.partial(conv_p.bind, **params))


def _run(x: jax.Array, kernel: jax.Array, **params: Any) -> jax.Array:
    """Run as one program outside `jit`, too: some lowerings are dozens of operations."""
    with jax.disable_jit(False):
        y: jax.Array = _program(**params)(x, kernel)
    return y


def _lower(platform: str, context: mlir.LoweringRuleContext, *operands: Any, **p: Any) -> Any:
    # An exported program runs elsewhere, without jcnn's own functions.
    plain = context.module_context.lowering_parameters.for_export
    convolve = functools.partial(_convolve, platform=platform, plain=plain)
    return mlir.lower_fun(convolve, multiple_results=False)(context, *operands, **p)


conv_p.def_impl(_run)
mlir.register_lowering(conv_p, functools.partial(_lower, "other"))
for _name, _platform in {"cpu": "cpu", "cuda": "gpu", "rocm": "gpu", "tpu": "tpu"}.items():
    mlir.register_lowering(conv_p, functools.partial(_lower, _platform), platform=_name)


# --- derivatives ----------------------------------------------------------------------------------


def _input_gradient(g: jax.Array, x: Any, kernel: jax.Array, **p: Any) -> jax.Array:
    padding = []
    for a in (0, 1):
        span = dilated(kernel.shape[1 + a], p["dilation"][a])
        before = span - 1 - p["padding"][a][0]
        covered = dilated(x.aval.shape[2 + a], p["in_dilation"][a]) + span - 1
        padding.append((before, covered - dilated(g.shape[2 + a], p["stride"][a]) - before))
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
        lowering=p["lowering"],
    )


def _kernel_gradient(g: jax.Array, x: jax.Array, kernel: Any, **p: Any) -> jax.Array:
    padding = []
    for a in (0, 1):
        span = dilated(kernel.aval.shape[1 + a], p["dilation"][a])
        covered = dilated(g.shape[2 + a], p["stride"][a]) + span - 1
        before = p["padding"][a][0]
        padding.append((before, covered - dilated(x.shape[2 + a], p["in_dilation"][a]) - before))
    m, n, h, w, c = x.shape
    groups = p["groups"]
    # Single transpositions where possible: a lowering can cancel them with their inverse.
    if groups == 1:
        transposed = x.transpose(0, 4, 2, 3, 1)
    elif groups == c:
        transposed = x.transpose(0, 2, 3, 4, 1).reshape(m, 1, h, w, c * n)
    else:
        transposed = x.reshape(m, n, h, w, groups, c // groups).transpose(0, 5, 2, 3, 4, 1)
        transposed = transposed.reshape(m, c // groups, h, w, groups * n)
    gradient = _bind(
        transposed,
        g.transpose(0, 2, 3, 1, 4),
        stride=p["dilation"],
        padding=tuple(padding),
        in_dilation=p["in_dilation"],
        dilation=p["stride"],
        groups=groups,
        precision=p["precision"],
        lowering=p["lowering"],
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
    if x_axis is None and _are_models(kernel, kernel_axis, p["groups"]):
        x, x_axis = jnp.broadcast_to(x, (kernel.shape[kernel_axis], *x.shape)), 0
    if x_axis is None:  # one input, many kernels: more filters in each group
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


def _are_models(kernel: jax.Array, axis: int, groups: int) -> bool:
    """Whether `vmap` over kernels becomes models rather than more filters.

    On a CPU it should where the kernels are few and large: slicing one model's feature maps out of
    all of them costs as much as the first layer. (A Jacobian has a kernel for each number.)
    """
    *_, filters = (size for at, size in enumerate(kernel.shape) if at != axis)
    few_and_large = kernel.shape[axis] <= 16 and filters // groups >= 16
    return few_and_large and jax.default_backend() == "cpu"


batching.primitive_batchers[conv_p] = _batch
