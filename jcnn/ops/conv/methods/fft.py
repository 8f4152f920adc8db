"""Method "fft": multiply spectra instead of sliding the kernel, for large kernels.

The discrete Fourier transform `F` of length `S` turns a circular correlation into a product,

    y[o] = sum over i of x[(o + i) mod S] * k[i]    <=>    F(y) = F(x) * conj(F(k)),

which is the convolution theorem; the conjugate is there because the kernel is not flipped. No
window reads past the padded input, so `S` need only be the padded input's size, not that plus the
kernel's: no index that is read wraps around. Sums over channels are sums of spectra: one transform
for each input map, each kernel and each output map, whatever the kernel's size. A stride drops
outputs that were computed; a dilated kernel is a larger kernel with zeros.

The rounding error of an output grows with the norm of the whole image, not of its own window,
and only with the logarithm of `S`; where exact arithmetic gives zero, this gives nearly zero.

Autodiff's gradients are efficient here: transforms, and products with spectra that the forward
pass has computed. (A hand-written transpose of `rfft2`, as one real transform, is no faster.)

Reference: Mathieu, Henaff and LeCun, "Fast Training of Convolutional Networks through FFTs", 2014.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jcnn.ops._window import Window
from jcnn.ops.conv.lowerings.lowering import Params, dilated, out_size, wide
from jcnn.ops.conv.method import ConvMethod, Precision


def conv2d_fft(
    x: jax.Array, kernel: jax.Array, window: Window, groups: int, precision: Precision
) -> jax.Array:
    """Convolve by real Fourier transforms, in at least 32 bits."""
    params = Params(window.stride, window.padding, (1, 1), window.dilation, groups)
    return by_spectra(x, kernel, precision, params)


def by_spectra(x: jax.Array, kernel: jax.Array, precision: Any, p: Params) -> jax.Array:
    """Compute any convolution of the primitive's family; used by the lowering "fft", too."""
    n, filters, groups = x.shape[0], kernel.shape[3], p.groups
    out = out_size(x.shape, kernel.shape, p)
    last = [(o - 1) * step for o, step in zip(out, p.stride, strict=True)]
    spans = [dilated(cells, gap) for cells, gap in zip(kernel.shape[:2], p.dilation, strict=True)]
    size = tuple(fast_length(first + span) for first, span in zip(last, spans, strict=True))

    zero = jnp.zeros((), wide(x))
    around = [(*pads, gap - 1) for pads, gap in zip(p.padding, p.in_dilation, strict=True)]
    between = [(0, 0, gap - 1) for gap in p.dilation]
    maps = lax.pad(x.astype(wide(x)).transpose(0, 3, 1, 2), zero, [(0, 0, 0), (0, 0, 0), *around])
    taps = lax.pad(
        kernel.astype(wide(x)).transpose(2, 3, 0, 1), zero, [(0, 0, 0), (0, 0, 0), *between]
    )
    of_x = jnp.fft.rfft2(maps, size)  # (N, C, U, V); cells that no window reads are dropped
    of_kernel = jnp.fft.rfft2(taps, size).conj()  # (C // groups, O, U, V)
    of_y = jnp.einsum(
        "ngcuv,cgouv->ngouv",
        of_x.reshape(n, groups, -1, *of_x.shape[2:]),
        of_kernel.reshape(-1, groups, filters // groups, *of_x.shape[2:]),
        precision=precision,
    )
    y = jnp.fft.irfft2(of_y.reshape(n, filters, *of_x.shape[2:]), size)
    y = y[:, :, : last[0] + 1 : p.stride[0], : last[1] + 1 : p.stride[1]]
    return y.transpose(0, 2, 3, 1).astype(x.dtype)


def fast_length(least: int) -> int:
    """Smallest length >= `least` without prime factors above 5, for which transforms are fast."""
    length = least
    while not _is_smooth(length):
        length += 1
    return length


def _is_smooth(number: int) -> bool:
    for prime in (2, 3, 5):
        while number % prime == 0:
            number //= prime
    return number == 1


METHOD = ConvMethod(conv2d_fft)
