"""Method "auto": each convolution in the form that was measured to be fastest for it.

The convolution and its gradients are the same primitive as of "lax". What differs is how each of
them is written for the compiler: `_forms.py` has the ways, `_conv_table.py` chooses among them by
platform, dtype, shapes and parameters.
"""

import jax

from jcnn.ops._conv_method import ConvMethod, Precision
from jcnn.ops._conv_primitive import conv
from jcnn.ops._window import Window


def conv2d_auto(
    x: jax.Array, kernel: jax.Array, window: Window, groups: int, precision: Precision
) -> jax.Array:
    """Convolve through `_conv_primitive`, in the forms that the table names."""
    return conv(
        x,
        kernel,
        form="auto",
        stride=window.stride,
        padding=window.padding,
        in_dilation=(1, 1),
        dilation=window.dilation,
        groups=groups,
        precision=precision,
    )


METHOD = ConvMethod(conv2d_auto)
