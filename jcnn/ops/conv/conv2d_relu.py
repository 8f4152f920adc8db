"""Convolution, bias, ReLU and pooling as one op, which the "pallas" kernel computes in one pass.

Every other method composes the four ops. The derivative of the kernel is that of the composition:
it runs the kernel without pooling and takes the slope of ReLU and the argmax of the pooling from
the activations. Its convolutions are the primitive's, so every order and mode of differentiation
and `vmap` work. Under `vmap` the four ops are not fused.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jax.extend.core import Primitive
from jax.interpreters import batching, mlir

from jcnn.ops._activations import relu
from jcnn.ops._bias import add_bias
from jcnn.ops._pool import max_pool2d
from jcnn.ops._window import Padding, Size, check_size, resolve_window
from jcnn.ops.conv.conv2d import conv2d, resolve
from jcnn.ops.conv.lowerings import pallas as pallas_lowering
from jcnn.ops.conv.lowerings.lowering import Params
from jcnn.ops.conv.method import ConvMethod, Precision
from jcnn.ops.conv.methods.registry import METHODS
from jcnn.ops.conv.primitive import conv


def conv2d_relu(
    x: jax.Array,
    kernel: jax.Array,
    bias: jax.Array | None = None,
    *,
    stride: Size = 1,
    padding: Padding = "SAME",
    dilation: Size = 1,
    groups: int = 1,
    pool: bool = False,
    method: str | ConvMethod = "auto",
    precision: Precision = None,
) -> jax.Array:
    """`relu(conv2d(...))`, with `pool` followed by `max_pool2d(..., 2)`.

    Method "pallas" writes neither the sums nor, with `pool`, the activations to memory, and rounds
    16-bit results once, not after each step. Every other method runs the ops one after another.

    Args:
        x, kernel, bias: as for `conv2d`.
        stride, padding, dilation, groups: as for `conv2d`.
        pool: whether to max-pool the activations over 2x2 windows, stride 2, VALID.
        method, precision: as for `conv2d`.

    Returns:
        `(N, OH, OW, O)`, with `pool` `(N, OH // 2, OW // 2, O)`; the dtype of `x`.

    Raises:
        ValueError, NotImplementedError: as for `conv2d` and `max_pool2d`.
    """
    groups = check_size("groups", groups)
    window, chosen = resolve(x, kernel, bias, stride, padding, dilation, groups, method)
    if pool:  # the window must fit
        resolve_window(window.out_size, 2, stride=2)
    if chosen is not METHODS["pallas"]:
        y = relu(
            conv2d(
                x,
                kernel,
                bias,
                stride=stride,
                padding=padding,
                dilation=dilation,
                groups=groups,
                method=method,
                precision=precision,
            )
        )
        return max_pool2d(y, 2) if pool else y
    pallas_lowering.refuse_precision(x, precision)
    if bias is None:
        bias = jnp.zeros(kernel.shape[3:], x.dtype)
    fused: jax.Array = _fused(
        x, kernel, bias, (window.stride, window.padding, window.dilation), pool
    )
    return fused


# --- the kernel, and its derivative ---------------------------------------------------------------


@partial(jax.custom_jvp, nondiff_argnums=(3, 4))
def _fused(
    x: jax.Array, kernel: jax.Array, bias: jax.Array, how: tuple[Any, Any, Any], pool: bool
) -> jax.Array:
    y: jax.Array = conv_relu_p.bind(x, kernel, bias, how=how, pool=pool)
    return y


def _derivative(
    how: tuple[Any, Any, Any], pool: bool, at: tuple[jax.Array, ...], along: tuple[Any, ...]
) -> tuple[jax.Array, jax.Array]:
    x, kernel, bias = at
    dx, dk, db = along
    active = _fused(x, kernel, bias, how, False)
    slope = jnp.zeros_like(active)
    if not isinstance(dx, SymbolicZero):
        slope += _conv(dx, kernel, how)
    if not isinstance(dk, SymbolicZero):
        slope += _conv(x, dk, how)
    if not isinstance(db, SymbolicZero):
        slope = add_bias(slope, db)
    slope = jnp.where(active > 0, slope, jnp.zeros_like(slope))
    if not pool:
        return active, slope
    value, tangent = jax.jvp(lambda y: max_pool2d(y, 2), (active,), (slope,))
    return value, tangent


_fused.defjvp(_derivative, symbolic_zeros=True)


def _conv(x: jax.Array, kernel: jax.Array, how: tuple[Any, Any, Any]) -> jax.Array:
    stride, padding, dilation = how
    return conv(
        x,
        kernel,
        lowering="pallas",
        stride=stride,
        padding=padding,
        in_dilation=(1, 1),
        dilation=dilation,
        groups=1,
        precision=None,
    )


# --- the primitive --------------------------------------------------------------------------------

conv_relu_p = Primitive("jcnn_conv_relu")


def _run(
    x: jax.Array, kernel: jax.Array, bias: jax.Array, *, how: tuple[Any, Any, Any], pool: bool
) -> jax.Array:
    stride, padding, dilation = how
    params = Params(stride, padding, (1, 1), dilation, groups=1)
    return pallas_lowering.run(x, kernel, params, bias=bias, relu=True, pool=pool)


def _composed(
    x: jax.Array, kernel: jax.Array, bias: jax.Array, *, how: tuple[Any, Any, Any], pool: bool
) -> jax.Array:
    y = relu(add_bias(_conv(x, kernel, how), bias))
    return max_pool2d(y, 2) if pool else y


def _shape(x: Any, kernel: Any, bias: Any, **p: Any) -> tuple[jax.core.ShapedArray, set[Any]]:
    y = jax.eval_shape(partial(_composed, **p), x, kernel, bias)
    return jax.core.ShapedArray(y.shape, y.dtype), pallas_lowering.effects()


def _batch(
    operands: tuple[jax.Array, ...], axes: tuple[int | None, ...], **p: Any
) -> tuple[jax.Array, int]:
    return jax.vmap(partial(_composed, **p), axes)(*operands), 0


conv_relu_p.def_impl(_run)
conv_relu_p.def_effectful_abstract_eval(_shape)
mlir.register_lowering(conv_relu_p, mlir.lower_fun(_run, multiple_results=False))
batching.primitive_batchers[conv_relu_p] = _batch
