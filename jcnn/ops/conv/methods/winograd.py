"""Methods "winograd2" and "winograd4": 3x3 kernels by F(2x2,3x3) and F(4x4,3x3).

The convolution and both of its gradients are the primitive's, in the form that
`lowerings/winograd.py` derives.
"""

import functools

import jax

from jcnn.ops.conv.methods.by_lowering import conv2d_by_form
from jcnn.ops.conv.method import ConvMethod
from jcnn.ops._window import Window


def _unsupported(x: jax.Array, kernel: jax.Array, window: Window, groups: int) -> str | None:
    for name, (rows, columns), accepted in (
        ("kernel", window.kernel, 3),
        ("stride", window.stride, 1),
        ("dilation", window.dilation, 1),
    ):
        if (rows, columns) != (accepted, accepted):
            return f"{name} {rows}x{columns}; it does {accepted}x{accepted} alone"
    return None


METHOD2 = ConvMethod(functools.partial(conv2d_by_form, form="winograd2"), _unsupported)
METHOD4 = ConvMethod(functools.partial(conv2d_by_form, form="winograd4"), _unsupported)
