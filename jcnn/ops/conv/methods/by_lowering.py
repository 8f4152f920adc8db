"""Methods that run the primitive with one lowering: auto, lax, winograd2, winograd4 and pallas.

The primitive provides the convolution and both gradients, so a method here is the name of a
lowering and a check of what that lowering supports. For "auto" the table of measurements chooses
the lowering when the convolution is compiled (`table/lookup.py`).
"""

from functools import partial

import jax

from jcnn.ops._window import Window
from jcnn.ops.conv.lowerings import pallas as pallas_lowering
from jcnn.ops.conv.lowerings.lowering import Conv, Params
from jcnn.ops.conv.method import ConvMethod, Precision
from jcnn.ops.conv.primitive import conv


def conv2d_by_lowering(
    x: jax.Array,
    kernel: jax.Array,
    window: Window,
    groups: int,
    precision: Precision,
    *,
    lowering: str,
) -> jax.Array:
    """Run the primitive; its derivatives use the same lowering."""
    return conv(
        x,
        kernel,
        lowering=lowering,
        stride=window.stride,
        padding=window.padding,
        in_dilation=(1, 1),
        dilation=window.dilation,
        groups=groups,
        precision=precision,
    )


def _conv2d_pallas(
    x: jax.Array, kernel: jax.Array, window: Window, groups: int, precision: Precision
) -> jax.Array:
    pallas_lowering.refuse_precision(x, precision)
    return conv2d_by_lowering(x, kernel, window, groups, precision, lowering="pallas")


def _refused_by_pallas(x: jax.Array, kernel: jax.Array, window: Window, groups: int) -> str | None:
    params = Params(window.stride, window.padding, (1, 1), window.dilation, groups)
    return pallas_lowering.unsupported(Conv("gpu", str(x.dtype), x.shape, kernel.shape, params))


def _refused_by_winograd(
    x: jax.Array, kernel: jax.Array, window: Window, groups: int
) -> str | None:
    for name, (rows, columns), accepted in (
        ("kernel", window.kernel, 3),
        ("stride", window.stride, 1),
        ("dilation", window.dilation, 1),
    ):
        if (rows, columns) != (accepted, accepted):
            return f"{name} {rows}x{columns}; it does {accepted}x{accepted} alone"
    return None


AUTO = ConvMethod(partial(conv2d_by_lowering, lowering="auto"))
LAX = ConvMethod(partial(conv2d_by_lowering, lowering="lax"))
WINOGRAD2 = ConvMethod(partial(conv2d_by_lowering, lowering="winograd2"), _refused_by_winograd)
WINOGRAD4 = ConvMethod(partial(conv2d_by_lowering, lowering="winograd4"), _refused_by_winograd)
PALLAS = ConvMethod(_conv2d_pallas, _refused_by_pallas)
