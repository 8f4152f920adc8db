"""Argument checks shared by the ops: each raises a ValueError that names the argument."""

from typing import Any

import jax
import jax.numpy as jnp

from jcnn.ops._conv_shapes import NCHW_HINT


def check_floating(name: str, array: Any) -> None:
    """Refuse an array whose dtype is not a real floating-point type."""
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise ValueError(
            f"{name}: got dtype {array.dtype}; expected float16, bfloat16, float32 or float64"
        )


def check_rank(name: str, array: jax.Array, axes: str) -> None:
    """Refuse an array without one axis per letter of `axes`, such as "N, H, W, C"."""
    expected = len(axes.split(","))
    if array.ndim != expected:
        raise ValueError(f"{name}: got shape {array.shape}; expected {expected} axes ({axes})")


def check_channels(x: jax.Array, channels: int) -> None:
    """Refuse an array that is not of a floating-point type with `channels` in its last axis."""
    check_floating("x", x)
    if x.ndim < 1 or x.shape[-1] != channels:
        hint = NCHW_HINT if x.ndim == 4 and x.shape[1] == channels else ""
        raise ValueError(
            f"x: got shape {x.shape}; expected {channels} channels in the last axis{hint}"
        )


def check_same_dtype(x: jax.Array, **others: jax.Array | None) -> None:
    """Refuse operands of different dtypes: a silent promotion would hide the dtype computed in."""
    for name, array in others.items():
        if array is not None and array.dtype != x.dtype:
            raise ValueError(f"{name}: got dtype {array.dtype} for x of dtype {x.dtype}")


def check_bias(bias: jax.Array | None, kernel: jax.Array) -> None:
    """Refuse a bias without one number for each output of the kernel."""
    if bias is not None and bias.shape != kernel.shape[-1:]:
        raise ValueError(
            f"bias: got shape {bias.shape} for kernel {kernel.shape}; expected {kernel.shape[-1:]}"
        )


def check_rate(rate: Any) -> float:
    """Convert a dropout rate to a float.

    Raises:
        ValueError: `rate` is not a number in [0, 1).
    """
    try:
        number = float(rate)
    except (TypeError, ValueError):
        number = -1.0
    if not 0 <= number < 1 or isinstance(rate, str):
        raise ValueError(f"rate: got {rate!r}; accepted: 0 <= rate < 1")
    return number
