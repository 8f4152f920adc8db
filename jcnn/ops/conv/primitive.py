"""The convolution primitive: convolution and both its gradients, closed under `grad` and `vmap`.

The trilinear form. For input `x`, kernel `k` and the result's gradient `g`, `sum(conv(x, k) * g)`
is linear in each of the three. Its derivative by one of them, for the other two, is

    forward     conv(x, k), the derivative by g
    by input    the derivative by x, for g and k
    by kernel   the derivative by k, for x and g

These are the three directions of the primitive. All keep the parameters of `conv`, and each
derivative of one is another, so every order and mode of differentiation stays among them.

Why a primitive. XLA:CPU runs a convolution fast only with the layouts `NHWC x HWIO -> NHWC` and
nothing reversed. It rewrites other layouts into these in a program's outermost computation, but
not inside `scan`, `while` or `cond`, and there the dimension numbers that autodiff writes for a
convolution's gradients run some forty times slower. On a CPU, and for jcnn's own lowerings, each
direction is therefore written as a convolution in these layouts (`canonical.py`). The compilers of
accelerators are the opposite: they recognise a gradient by exactly what autodiff writes, and only
then call cuDNN's function for it. There, lowering "lax" is `lax`'s own transposition.

The leading axis `M` of every operand counts independent convolutions ("models"): `vmap` over both
operands adds to it, `vmap` over one of them folds into the axis that it shares with the result.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from jcnn.mesh import Split
from jcnn.ops.conv.canonical import Direction, as_convolution, conv_of, from_convolution
from jcnn.ops.conv.lowerings import lax as lax_lowering
from jcnn.ops.conv.lowerings import pallas as pallas_lowering
from jcnn.ops.conv.lowerings.lowering import Pair, Params, is_above_default, is_empty, out_size
from jcnn.ops.conv.lowerings.registry import LOWERINGS
from jcnn.ops.conv.split import on_each_device, result_sharding, split_of, varying_alike
from jcnn.ops.conv.table.file import tables
from jcnn.ops.conv.table.lookup import choose

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
    x, kernel, params = x[None], kernel[None], _resolved(params)
    split = split_of(x)
    return _bind(x, kernel, "forward", None, lowering=lowering, split=split, **params)[0]


def conv_by_input(
    g: jax.Array, kernel: jax.Array, size: Pair, *, lowering: str = "auto", **params: Any
) -> jax.Array:
    """The gradient of `conv(x, kernel)` with respect to `x`, for the result's gradient `g`.

    Args:
        g: `(N, OH, OW, O)`.
        kernel, lowering, params: as for `conv`.
        size: height and width of `x`.
    """
    g, kernel, params = g[None], kernel[None], _resolved(params)
    split = split_of(g)
    return _bind(g, kernel, "by input", size, lowering=lowering, split=split, **params)[0]


def _resolved(params: dict[str, Any]) -> dict[str, Any]:
    if params["precision"] is None:  # resolved here, so that gradients use the same
        return params | {"precision": jax.default_matmul_precision.value}
    return params


def _bind(
    a: jax.Array, b: jax.Array, direction: Direction, size: Pair | None, **params: Any
) -> jax.Array:
    a, b = varying_alike(a, b)
    y: jax.Array = conv_p.bind(a, b, direction=direction, size=size, **params)
    return y


def _shape(
    a: Any, b: Any, *, direction: Direction, size: Pair | None, params: Params
) -> tuple[int, ...]:
    """The shape of the result, for operands with shapes."""
    if direction == "forward":
        return (*a.shape[:2], *out_size(a.shape[1:], b.shape[1:], params), b.shape[4])
    assert size is not None
    if direction == "by kernel":
        return (a.shape[0], *size, a.shape[4] // params.groups, b.shape[4])
    return (*a.shape[:2], *size, b.shape[3] * params.groups)


def _type(
    a: Any,
    b: Any,
    *,
    direction: Direction,
    size: Pair | None,
    lowering: str,
    precision: Any,
    split: Split | None,
    **p: Any,
) -> tuple[jax.core.ShapedArray, set[Any]]:
    effects = pallas_lowering.effects() if lowering == "pallas" else set()
    made = jax.core.ShapedArray(
        _shape(a, b, direction=direction, size=size, params=Params(**p)),
        a.dtype,
        sharding=result_sharding(a, b, by_kernel=direction == "by kernel"),
        manual_axis_type=a.manual_axis_type,
    )
    return made, effects


conv_p.def_effectful_abstract_eval(_type)


# --- lowering -------------------------------------------------------------------------------------


def _compute(
    a: jax.Array,
    b: jax.Array,
    *,
    platform: str,
    plain: bool,
    direction: Direction,
    size: Pair | None,
    lowering: str,
    precision: Any,
    **p: Any,
) -> jax.Array:
    params = Params(**p)
    first, second = (jax.ShapeDtypeStruct(one.shape[1:], one.dtype) for one in (a, b))
    convolution = conv_of(platform, direction, first, second, size, params)
    if is_empty(convolution.x, convolution.kernel) or a.shape[0] == 0:
        # so that no lowering has to handle it
        shape = _shape(a, b, direction=direction, size=size, params=params)
        return jnp.zeros(shape, a.dtype)
    if lowering == "pallas" and pallas_lowering.unsupported(convolution) is not None:
        lowering = "lax"  # for a derivative that the kernel cannot do
    if lowering == "auto":
        lowering = "lax"
        # The table has no symbolic sizes (`jax.export`).
        if all(isinstance(size, int) for size in (*convolution.x, *convolution.kernel)):
            plain = plain or is_above_default(precision)
            lowering = choose(convolution, tables(), plain=plain).lowering

    def one(a: jax.Array, b: jax.Array) -> jax.Array:
        if lowering == "lax" and platform != "cpu":
            return lax_lowering.transposed(direction, a, b, size, precision, params)
        plain_pixels = params.groups == 1 and params.in_dilation == (1, 1)
        if lowering == "lax" and direction == "by kernel" and size == (1, 1) and plain_pixels:
            return lax_lowering.by_pointwise_kernel(a, b, precision, params)
        x, kernel, form = as_convolution(direction, a, b, size, params)
        return from_convolution(direction, LOWERINGS[lowering].fn(x, kernel, precision, form))

    if a.shape[0] == 1:
        return one(a[0], b[0])[None]
    if lowering == "lax" and platform != "cpu":
        return jax.vmap(one)(a, b)
    # One by one: on a CPU a grouped convolution is many times slower than its parts.
    return jnp.stack([one(*operands) for operands in zip(a, b, strict=True)])


@functools.cache
def _program(**params: Any) -> Any:
    return jax.jit(functools.partial(conv_p.bind, **params))


def _run(a: jax.Array, b: jax.Array, **params: Any) -> jax.Array:
    """Run as one program outside `jit`, too: some lowerings are dozens of operations."""
    with jax.disable_jit(False):
        y: jax.Array = _program(**params)(a, b)
    return y


def _lower(
    platform: str,
    context: mlir.LoweringRuleContext,
    *operands: Any,
    split: Split | None,
    lowering: str,
    **p: Any,
) -> Any:
    # An exported program runs elsewhere, without jcnn's own functions.
    plain = context.module_context.lowering_parameters.for_export
    if split is None and lowering == "auto" and _spans_devices(context):
        lowering = "lax"
    compute: Any = functools.partial(
        _compute, platform=platform, plain=plain, lowering=lowering, **p
    )
    images: Any = context.avals_in[0]
    # Otherwise, as in a partial last batch, every device computes all of it.
    if split is not None and split.divides(images.shape[1]):
        compute = on_each_device(compute, split, by_kernel=p["direction"] == "by kernel")
    return mlir.lower_fun(compute, multiple_results=False)(context, *operands)


def _spans_devices(context: mlir.LoweringRuleContext) -> bool:
    """Whether a program is for several devices, without axes that `jax.shard_map` has split."""
    axes: Any = context.module_context.axis_context
    manual = getattr(axes, "manual_axes", None)
    if manual is None:
        return bool(getattr(axes, "num_devices", 1) > 1)
    return any(size > 1 for name, size in axes.mesh.shape.items() if name not in manual)


conv_p.def_impl(_run)
mlir.register_lowering(conv_p, functools.partial(_lower, "other"))
for _name, _platform in {"cpu": "cpu", "cuda": "gpu", "rocm": "gpu", "tpu": "tpu"}.items():
    mlir.register_lowering(conv_p, functools.partial(_lower, _platform), platform=_name)


# --- derivatives ----------------------------------------------------------------------------------


def _by_first(ct: jax.Array, a: Any, b: jax.Array, *, direction: str, **p: Any) -> jax.Array:
    p.pop("size")
    if direction == "forward":  # a is x; b the kernel; ct the result's gradient
        return _bind(ct, b, "by input", a.aval.shape[2:4], **p)
    if direction == "by input":  # a is g; b the kernel; ct like x
        return _bind(ct, b, "forward", None, **p)
    return _bind(b, ct, "by input", a.aval.shape[2:4], **p)  # a is x; b is g; ct like the kernel


def _by_second(ct: jax.Array, a: jax.Array, b: Any, *, direction: str, **p: Any) -> jax.Array:
    p.pop("size")
    if direction == "forward":  # a is x; b the kernel; ct the result's gradient
        return _bind(a, ct, "by kernel", b.aval.shape[1:3], **p)
    if direction == "by input":  # a is g; b the kernel; ct like x
        return _bind(ct, a, "by kernel", b.aval.shape[1:3], **p)
    return _bind(a, ct, "forward", None, **p)  # a is x; b is g; ct like the kernel


ad.defbilinear(conv_p, _by_first, _by_second)


# --- vmap -----------------------------------------------------------------------------------------

# For each operand: its axis that the result has, too, and the axis of the result. Axis 4, the
# channels of images and the filters of kernels, is divided into groups; the others are not.
_SHARED: dict[str, tuple[Pair, Pair]] = {
    "forward": ((1, 1), (4, 4)),  # examples; filters
    "by input": ((1, 1), (3, 4)),  # examples; channels
    "by kernel": ((4, 3), (4, 4)),  # channels; filters
}


def _batch(
    operands: tuple[jax.Array, jax.Array], axes: Sequence[int | None], **p: Any
) -> tuple[jax.Array, int]:
    a, b = operands
    if axes[0] is not None and axes[1] is not None:
        return _as_models(jnp.moveaxis(a, axes[0], 0), jnp.moveaxis(b, axes[1], 0), **p)
    at = 1 if axes[0] is None else 0
    axis = axes[at]
    assert axis is not None
    batched = jnp.moveaxis(operands[at], axis, 0)
    count, groups = batched.shape[0], p["groups"]
    if count == 0:
        alone = jax.ShapeDtypeStruct(batched.shape[1:], batched.dtype)
        pair = (alone, b) if at == 0 else (a, alone)
        params = Params(**{name: p[name] for name in Params.__dataclass_fields__})
        shape = _shape(*pair, direction=p["direction"], size=p["size"], params=params)
        return jnp.zeros((0, *shape), a.dtype), 0
    own, result = _SHARED[p["direction"]][at]
    each = batched.shape[1 + own] // (groups if own == 4 else 1)
    if at == 1 and count <= 16 and each >= 16 and jax.default_backend() == "cpu":
        # Where they are few and large, slicing the maps of one out of all of them costs as much
        # as the first layer. (A Jacobian has a kernel for each number.)
        return _as_models(jnp.broadcast_to(a, (count, *a.shape)), batched, **p)
    # Examples that are split over devices stay the major ones, so that they stay where they are.
    examples = batched.shape[2] if p["split"] is not None and own == 1 else 1
    folded = _fold(batched, own, groups if own == 4 else examples)
    made = _bind(folded, b, **p) if at == 0 else _bind(a, folded, **p)
    return _unfold(made, result, groups if result == 4 else examples, count)


def _as_models(a: jax.Array, b: jax.Array, **p: Any) -> tuple[jax.Array, int]:
    count, models = a.shape[:2]
    a, b = (one.reshape(count * models, *one.shape[2:]) for one in (a, b))
    y = _bind(a, b, **p)
    return y.reshape(count, models, *y.shape[1:]), 0


def _fold(batched: jax.Array, axis: int, groups: int) -> jax.Array:
    """Merge the first axis into an axis of the rest; within a group, the first is the major."""
    count, *shape = batched.shape
    split = (count, *shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :])
    shape[axis] *= count
    return jnp.moveaxis(batched.reshape(split), 0, 1 + axis).reshape(shape)


def _unfold(y: jax.Array, axis: int, groups: int, count: int) -> tuple[jax.Array, int]:
    """The inverse of `_fold`, and where the merged axis is now."""
    shape = list(y.shape)
    each = shape[axis] // (groups * count)
    split = y.reshape(*shape[:axis], groups, count, each, *shape[axis + 1 :])
    shape[axis] //= count
    if groups == 1:
        shape.insert(axis, count)
        return split.reshape(shape), axis
    return jnp.moveaxis(split, axis + 1, 0).reshape(count, *shape), 0


batching.primitive_batchers[conv_p] = _batch
