"""Lowering "fft": products of spectra, for large kernels and for the gradients by them.

`methods/fft.py` derives it. As a lowering, each gradient is a convolution that computes its own
spectra; the method "fft" reuses the spectra of the forward pass.

A spectrum holds sums over whole images. One NaN or infinity would spread over its image, and
numbers far from overflow would overflow in such a sum. A user of "auto" does not expect that, so
the program checks the largest numbers at run time and uses XLA's convolution if they are out of
range.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jcnn.ops.conv.lowerings import lax as lax_lowering
from jcnn.ops.conv.lowerings.lowering import Conv, Lowering, Params, dilated, out_size, wide
from jcnn.ops.conv.methods.fft import by_spectra

# Below 9x9 a matrix product was faster in every measurement.
_CELLS = 81

# Largest numbers below this would lose digits to underflow: rounding must stay a normal number.
_LEAST = 1e-30


def convolve(x: jax.Array, kernel: jax.Array, precision: Any, p: Params) -> jax.Array:
    """Convolve by spectra if all numbers are in range, else by XLA's convolution."""

    def spectra(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return by_spectra(x, kernel, precision, p)

    def plain(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return lax_lowering.convolve(x, kernel, precision, p)

    y: jax.Array = lax.cond(_in_range(x, kernel, p), spectra, plain, x, kernel)
    return y


def _in_range(x: jax.Array, kernel: jax.Array, p: Params) -> jax.Array:
    """Whether no intermediate sum can overflow or lose digits to underflow.

    A transform of S cells is at most S times its largest number, and so is its inverse before it
    is divided. The product of spectra is a sum over channels.
    """
    out = out_size(x.shape, kernel.shape, p)
    cells = 1
    for axis in (0, 1):
        # A fast length is less than twice the cells that the windows read.
        span = dilated(kernel.shape[axis], p.dilation[axis])
        cells *= 2 * ((out[axis] - 1) * p.stride[axis] + span)
    most = float(np.finfo(wide(x)).max) / (cells**2 * math.prod(kernel.shape[:3]))
    of_x, of_kernel = (jnp.abs(array.astype(wide(x))) for array in (x, kernel))
    # Test each number: XLA:CPU loses a NaN in a maximum.
    finite = jnp.all(of_x <= most) & jnp.all(of_kernel <= most)
    largest = jnp.max(of_x), jnp.max(of_kernel)
    sizes = jnp.stack([*largest, largest[0] * largest[1]])
    return finite & jnp.all((sizes >= _LEAST) & (sizes <= most))


def _unsupported(conv: Conv) -> str | None:
    cells = min(math.prod(conv.kernel[:2]), math.prod(conv.out))
    if cells < _CELLS:
        return f"{cells} cells of the kernel, or of the gradient by it; at least {_CELLS}"
    return None


LOWERING = Lowering(
    convolve,
    _unsupported,
    plain=False,
    remark="the program takes lax where a number is not finite, or too large for spectra; "
    "rounding grows with the largest number of the image",
)
