"""Method "lax": XLA's own convolution, behind a primitive whose gradients stay fast in a loop."""

import jax

from jcnn.ops._conv_method import ConvMethod, Precision
from jcnn.ops._conv_primitive import conv
from jcnn.ops._window import Window


def conv2d_lax(
    x: jax.Array, kernel: jax.Array, window: Window, groups: int, precision: Precision
) -> jax.Array:
    """Convolve with `lax.conv_general_dilated`, through `_conv_primitive`."""
    return conv(
        x,
        kernel,
        form="lax",
        stride=window.stride,
        padding=window.padding,
        in_dilation=(1, 1),
        dilation=window.dilation,
        groups=groups,
        precision=precision,
    )


METHOD = ConvMethod(conv2d_lax)
