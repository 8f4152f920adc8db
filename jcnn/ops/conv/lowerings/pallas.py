"""Lowering "pallas": when jcnn's own GPU kernel is used, and what it supports.

The kernel, `pallas_kernel.py`, is for NVIDIA's Hopper GPUs. It supports everything that the
primitive does except groups: stride, both dilations, padding of either sign.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import jax
import jax.numpy as jnp

from jcnn.ops.conv.lowerings.lowering import Conv, Lowering, Params

DTYPES = ("float32", "bfloat16", "float16")

_interpreting: ContextVar[bool] = ContextVar("jcnn_pallas_interpreting", default=False)
_assuming_hopper: ContextVar[bool] = ContextVar("jcnn_pallas_assuming_hopper", default=False)


def unsupported(conv: Conv) -> str | None:
    """Why the kernel cannot do this convolution here; None where it can."""
    if conv.dtype not in DTYPES:
        return f"does {', '.join(DTYPES)}, which the tensor cores multiply; this is {conv.dtype}"
    if conv.params.groups != 1:
        return f"does groups=1 only; this has {conv.params.groups}"
    return _no_device()


def convolve(x: jax.Array, kernel: jax.Array, precision: Any, p: Params) -> jax.Array:
    """Run the kernel."""
    return run(x, kernel, p)


def refuse_precision(x: Any, precision: Any) -> None:
    """Refuse a precision of float32 above the tensor cores' TensorFloat-32.

    Raises:
        NotImplementedError: the precision is above it.
    """
    asked = jax.default_matmul_precision.value if precision is None else precision
    words = {str(one).rpartition(".")[2].lower() for one in jax.tree.leaves(asked)}
    if x.dtype == jnp.float32 and not words <= {"default", "fastest", "tensorfloat32"}:
        raise NotImplementedError(
            f"method 'pallas': multiplies float32 as TensorFloat-32; precision {asked!r} is more"
        )


def run(
    x: jax.Array,
    kernel: jax.Array,
    p: Params,
    *,
    bias: jax.Array | None = None,
    relu: bool = False,
    pool: bool = False,
) -> jax.Array:
    """Run the kernel; `bias (O,)`, `relu` and `pool` (2x2, stride 2) before anything is written."""
    # Imported late: it takes half as long as JAX itself, and a jaxlib may lack what it needs.
    from jcnn.ops.conv.lowerings import pallas_kernel

    # A GPU needs a transposed operand for float32, which JAX before 0.11 cannot interpret.
    old = is_interpreting() and jax.__version_info__ < (0, 11)
    return pallas_kernel.convolve(
        x,
        kernel,
        bias,
        p,
        pallas_kernel.Epilogue(relu, pool),
        kernel_transposed=x.dtype == jnp.float32 and not old,
    )


def _no_device() -> str | None:
    if is_interpreting() or _assuming_hopper.get():
        return None
    device = jax.devices()[0]
    capability = getattr(device, "compute_capability", None)
    if device.platform == "gpu" and capability == "9.0":
        return None
    here = device.platform if capability is None else f"{device.platform} {capability}"
    return f"needs an NVIDIA GPU of compute capability 9.0 (H100, H200); this is {here}"


# --- without a GPU --------------------------------------------------------------------------------


@contextmanager
def assuming_hopper() -> Iterator[None]:
    """Trace for a Hopper GPU that is not the default device, inside this context.

    For lowering and compiling a program on one machine that another one runs.
    """
    token = _assuming_hopper.set(True)
    try:
        yield
    finally:
        _assuming_hopper.reset(token)


@contextmanager
def interpreted() -> Iterator[None]:
    """Run the kernel on the CPU, in JAX's interpreter of GPU kernels, inside this context.

    For tests: it is thousands of times slower than any other method, but runs the kernel without a
    GPU. A function traced inside the context must be compiled and run inside, too.
    """
    # Private in JAX 0.10, public since: the same in both.
    from jax._src.pallas.mosaic_gpu.interpret.params import force_gpu_interpret_mode

    token = _interpreting.set(True)
    try:
        with force_gpu_interpret_mode():
            yield
    finally:
        _interpreting.reset(token)


def is_interpreting() -> bool:
    """Whether the caller is inside of `interpreted()`."""
    return _interpreting.get()


def effects() -> set[Any]:
    """The side effects that a primitive which calls the kernel must declare to JAX."""
    if not is_interpreting():
        return set()
    from jax._src.pallas.mosaic_gpu.interpret.params import get_interpret_effects

    declared: set[Any] = get_interpret_effects()
    return declared


# Not plain: float32 is rounded to TensorFloat-32, and the program runs on Hopper only.
LOWERING = Lowering(
    convolve, unsupported, plain=False, remark="float32 is rounded to TensorFloat-32"
)
