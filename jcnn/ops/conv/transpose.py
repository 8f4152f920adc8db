"""Transposed convolution: the adjoint of `conv2d` with respect to its input.

Each number of `x` is multiplied by the whole kernel, and the products are added to the output in
the window that `conv2d` would read for that position,

    y[s*o + d*i - p] += x[o] @ kernel[i].T        (per axis: stride s, dilation d, padding p)

This is the direction "by input" of the primitive.
"""

import jax

from jcnn.ops._bias import add_bias
from jcnn.ops._check import check_floating, check_same_dtype
from jcnn.ops._conv_shapes import conv_transpose_window
from jcnn.ops._recordable import recordable
from jcnn.ops._window import Padding, Size, check_size
from jcnn.ops.conv.method import Precision
from jcnn.ops.conv.primitive import conv_by_input


@recordable
def conv_transpose2d(
    x: jax.Array,
    kernel: jax.Array,
    bias: jax.Array | None = None,
    *,
    stride: Size = 1,
    padding: Padding = "SAME",
    output_padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
    precision: Precision = None,
) -> jax.Array:
    """Two-dimensional transposed convolution, also called deconvolution.

    `<conv2d(a, kernel), x> == <a, conv_transpose2d(x, kernel)>` with the same kernel, stride,
    padding, dilation and groups, for every `a` of the output's shape.

    The kernel has the layout of the forward convolution, as in Keras and TensorFlow: outputs
    before inputs. Convert a PyTorch weight `(C, O // groups, KH, KW)` by `transpose(2, 3, 1, 0)`.
    `jax.lax.conv_transpose` and `flax.nnx.ConvTranspose` take such a kernel with
    `transpose_kernel=True`; without it they take one rotated by 180 degrees, with its channel axes
    exchanged.

    Args:
        x: `(N, H, W, C)`, a floating-point type.
        kernel: `(KH, KW, O // groups, C)`, the dtype of `x`.
        bias: `(O,)`, the dtype of `x`; added to every output position.
        stride: output cells between neighbouring windows: the factor by which the image grows.
        padding: "SAME" gives `H * stride` rows; "VALID", an int, or `((top, bottom), (left,
            right))` remove that many cells from the `(H - 1) * stride + span` that the windows
            cover, where `span = (KH - 1) * dilation + 1`.
        output_padding: rows and columns, fewer than the stride, to add at the bottom and the
            right. It selects among the input sizes that `conv2d` maps to the same output size.
            It must be 0 with "SAME".
        dilation: output cells between neighbouring taps of the kernel.
        groups: divides both C and O.
        precision: as in `jax.lax.conv_general_dilated`.

    Returns:
        `(N, OH, OW, O)`, the dtype of `x`; the shape is that of `conv_transpose_output_shape`.

    Raises:
        ValueError: a shape, dtype or size does not fit; the message names the argument.

    Reference: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016,
    chapter 4.
    """
    groups = check_size("groups", groups)
    window = conv_transpose_window(
        x.shape, kernel.shape, stride, padding, output_padding, dilation, groups
    )
    check_floating("x", x)
    check_same_dtype(x, kernel=kernel, bias=bias)
    filters = groups * kernel.shape[2]
    if bias is not None and bias.shape != (filters,):
        raise ValueError(
            f"bias: got shape {bias.shape} for kernel {kernel.shape} with groups={groups}; "
            f"expected {(filters,)}"
        )
    y = conv_by_input(
        x,
        kernel,
        window.in_size,
        stride=window.stride,
        padding=window.padding,
        in_dilation=(1, 1),
        dilation=window.dilation,
        groups=groups,
        precision=precision,
    )
    return add_bias(y, bias)
