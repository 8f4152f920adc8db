"""Method "pallas": a kernel of jcnn's own for NVIDIA's Hopper GPUs (H100, H200).

It is the convolution primitive in the form `_form_pallas`: its derivatives, its `vmap` and theirs
are that kernel again. Where one of these is a convolution that the kernel cannot do, it is XLA's.
"""

import jax

from jcnn.ops.conv.lowerings import pallas as _form_pallas
from jcnn.ops.conv.methods.by_lowering import conv2d_by_form
from jcnn.ops.conv.method import ConvMethod, Precision
from jcnn.ops.conv.lowerings.lowering import Conv, Params
from jcnn.ops._window import Window


def conv2d_pallas(
    x: jax.Array, kernel: jax.Array, window: Window, groups: int, precision: Precision
) -> jax.Array:
    """Convolve by the kernel of `_pallas_kernel`, through `_conv_primitive`."""
    _form_pallas.refuse_precision(x, precision)
    return conv2d_by_form(x, kernel, window, groups, precision, form="pallas")


def unsupported(x: jax.Array, kernel: jax.Array, window: Window, groups: int) -> str | None:
    """Why this convolution, here, is not for the kernel; None where it is."""
    params = Params(window.stride, window.padding, (1, 1), window.dilation, groups)
    return _form_pallas.unsupported(Conv("gpu", str(x.dtype), x.shape, kernel.shape, params))


METHOD = ConvMethod(conv2d_pallas, unsupported)
