"""Lowering "native_depthwise": one filter for each channel, in C++, for float32 on a CPU.

XLA:CPU runs a grouped convolution in naive loops. `native/source/depthwise.cc` has two functions:
the convolution with any stride and dilations, which computes the gradient by the input, too, and
the gradient by the kernel. XLA cancels its transpositions as for `native_winograd.py`.
"""

from typing import Any

import jax
import numpy as np

from jcnn.ops.conv.lowerings.lowering import Conv, Lowering, Params, out_size
from jcnn.ops.conv.native import library

_MOST_ROWS = 64  # `kMostRows` in depthwise.cc


def convolve(x: jax.Array, kernel: jax.Array, precision: Any, p: Params) -> jax.Array:
    """Convolve with the compiled C++ functions."""
    out = out_size(x.shape, kernel.shape, p)
    filters = kernel.shape[3]
    how = {"before": _numbers((p.padding[0][0], p.padding[1][0]))}
    if not _is_by_kernel(Conv("cpu", str(x.dtype), x.shape, kernel.shape, p)):
        assert kernel.shape[2] == 1, (x.shape, kernel.shape)
        how |= {name: _numbers(getattr(p, name)) for name in ("stride", "dilation", "in_dilation")}
        return library.call("jcnn_depthwise", (x.shape[0], *out, filters), x, kernel, **how)
    # The stride of the gradient is the dilation of the convolution, and vice versa.
    how |= {"stride": _numbers(p.dilation), "dilation": _numbers(p.stride)}
    images = x.reshape(*x.shape[1:3], filters, -1).transpose(3, 0, 1, 2)
    gradient = kernel.transpose(2, 0, 1, 3)
    shape = (*out, 1, filters)
    by_kernel = library.call("jcnn_depthwise_kernel_gradient", shape, images, gradient, **how)
    return by_kernel.transpose(2, 0, 1, 3)


def _numbers(pair: tuple[int, int]) -> np.ndarray:
    return np.asarray(pair, np.int64)


def _unsupported(conv: Conv) -> str | None:
    groups = conv.params.groups
    if conv.platform != "cpu" or conv.dtype != "float32":
        return f"it is for float32 on a CPU, not {conv.dtype} on {conv.platform}"
    if groups == 1 or conv.kernel[3] != groups:
        return "it needs one filter for each of several channels"
    if not _is_by_kernel(conv) and conv.kernel[2] != 1:
        return "it needs one channel for each filter"
    if not _is_by_kernel(conv) and conv.kernel[0] > _MOST_ROWS:
        return f"a kernel of {conv.kernel[0]} rows; at most {_MOST_ROWS}"
    return library.unavailable()


def _is_by_kernel(conv: Conv) -> bool:
    # With one image and one channel for each filter both functions are right.
    return conv.is_by_kernel and conv.params.in_dilation == (1, 1)


LOWERING = Lowering(convolve, _unsupported, plain=False)
