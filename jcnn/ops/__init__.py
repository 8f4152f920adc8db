"""Pure functions of convolutional networks: arrays in, arrays out. NHWC images, HWIO kernels."""

from jcnn.ops._activations import (
    cross_entropy,
    gelu,
    leaky_relu,
    relu,
    sigmoid,
    softmax,
    tanh,
)
from jcnn.ops._conv import METHODS, conv2d
from jcnn.ops._conv_im2col import col2im, im2col
from jcnn.ops._conv_method import ConvMethod, Precision
from jcnn.ops._count import conv_multiply_adds, conv_params, dense_params, multiply_adds
from jcnn.ops._dense import dense, dropout, flatten
from jcnn.ops._pool import avg_pool2d, max_pool2d
from jcnn.ops._window import (
    Padding,
    ReceptiveField,
    Size,
    Window,
    conv_output_shape,
    receptive_field,
    resolve_window,
)
from jcnn.ops.conv_directions import explain_conv

__all__ = [
    "METHODS",
    "ConvMethod",
    "Padding",
    "Precision",
    "ReceptiveField",
    "Size",
    "Window",
    "avg_pool2d",
    "col2im",
    "conv2d",
    "conv_multiply_adds",
    "conv_output_shape",
    "conv_params",
    "cross_entropy",
    "dense",
    "dense_params",
    "dropout",
    "explain_conv",
    "flatten",
    "gelu",
    "im2col",
    "leaky_relu",
    "max_pool2d",
    "multiply_adds",
    "receptive_field",
    "relu",
    "resolve_window",
    "sigmoid",
    "softmax",
    "tanh",
]
