"""What the methods share that are the convolution primitive in one form each."""

import jax

from jcnn.ops.conv.method import Precision
from jcnn.ops.conv.primitive import conv
from jcnn.ops._window import Window


def conv2d_by_form(
    x: jax.Array,
    kernel: jax.Array,
    window: Window,
    groups: int,
    precision: Precision,
    *,
    form: str,
) -> jax.Array:
    """Convolve through `_conv_primitive`, whose derivatives are in the same form."""
    return conv(
        x,
        kernel,
        form=form,
        stride=window.stride,
        padding=window.padding,
        in_dilation=(1, 1),
        dilation=window.dilation,
        groups=groups,
        precision=precision,
    )
