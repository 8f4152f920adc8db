"""Lowering "native": Winograd's convolution F(4x4, 3x3) in C++, for float32 on a CPU.

A 3x3 convolution takes 36 multiplications for a tile of 4x4 outputs instead of 144, and the tiles
stay in the cache; `native/source/winograd.cc` derives it. The primitive writes the gradient by the
kernel as a convolution with batch and channels exchanged. Here they are exchanged back, and XLA
cancels the two transpositions.

Intermediate sums larger than the result lose up to one more digit of float32 than "lax".
"""

from typing import Any

import jax

from jcnn.ops.conv.lowerings.lowering import Conv, Lowering, Pair, Params, Shape, out_size
from jcnn.ops.conv.native import library

# The innermost loops run over this many channels.
_LANES = 16


def convolve(x: jax.Array, kernel: jax.Array, precision: Any, p: Params) -> jax.Array:
    """Convolve with the compiled C++ functions."""
    how = {"top": p.padding[0][0], "left": p.padding[1][0]}
    size = out_size(x.shape, kernel.shape, p)
    if _is_forward(x.shape, kernel.shape):
        shape: Shape = (x.shape[0], *size, kernel.shape[3])
        return library.call("jcnn_winograd", shape, x, kernel, **how)
    assert _is_by_kernel(x.shape, kernel.shape, size), (x.shape, kernel.shape)
    images, gradient = x.transpose(3, 1, 2, 0), kernel.transpose(2, 0, 1, 3)
    shape = (3, 3, x.shape[0], kernel.shape[3])
    by_kernel = library.call("jcnn_winograd_kernel_gradient", shape, images, gradient, **how)
    return by_kernel.transpose(2, 0, 1, 3)


def _unsupported(conv: Conv) -> str | None:
    """Why the C++ functions cannot do this convolution."""
    p = conv.params
    if conv.platform != "cpu" or conv.dtype != "float32":
        return f"it is for float32 on a CPU, not {conv.dtype} on {conv.platform}"
    if (p.stride, p.in_dilation, p.dilation, p.groups) != ((1, 1), (1, 1), (1, 1), 1):
        return "it needs stride, dilation and groups of 1"
    if not (_is_forward(conv.x, conv.kernel) or _is_by_kernel(conv.x, conv.kernel, conv.out)):
        return f"it needs a kernel of 3x3 and multiples of {_LANES} channels and filters"
    return library.unavailable()


def _is_forward(x: Shape, kernel: Shape) -> bool:
    return kernel[:2] == (3, 3) and x[3] % _LANES == 0 and kernel[3] % _LANES == 0


def _is_by_kernel(x: Shape, kernel: Shape, out: Pair) -> bool:
    return out == (3, 3) and x[0] % _LANES == 0 and kernel[3] % _LANES == 0


LOWERING = Lowering(
    convolve,
    _unsupported,
    plain=False,
    remark="6 to 13 times the rounding of lax; a NaN reaches its whole tile; "
    "may overflow above 1e33",
)
