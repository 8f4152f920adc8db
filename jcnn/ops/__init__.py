"""Pure functions for convolutional networks: arrays in, arrays out; NHWC images, HWIO kernels."""

from jcnn.ops._activations import elu, hard_sigmoid, hard_swish, leaky_relu, relu, relu6, selu
from jcnn.ops._check import check_channels, check_rate
from jcnn.ops._conv_shapes import conv_output_shape, conv_transpose_output_shape
from jcnn.ops._count import conv_multiply_adds, multiply_adds
from jcnn.ops._dense import dense, flatten
from jcnn.ops._dropout import dropout, spatial_dropout2d, stochastic_depth
from jcnn.ops._global_pool import global_average_pool2d, global_max_pool2d
from jcnn.ops._pool import avg_pool2d, max_pool2d
from jcnn.ops._receptive_field import ReceptiveField, receptive_field
from jcnn.ops._recordable import recordable, recorded_ops
from jcnn.ops._resize import (
    Interpolation,
    check_interpolation,
    check_sides,
    crop2d,
    upsample2d,
    zero_pad2d,
)
from jcnn.ops._smooth_activations import gelu, mish, sigmoid, silu, softplus, tanh
from jcnn.ops._softmax import cross_entropy, softmax
from jcnn.ops._window import (
    Padding,
    Pads,
    Size,
    Window,
    check_padding,
    check_pair,
    check_size,
    resolve_window,
)
from jcnn.ops.conv.conv2d import conv2d
from jcnn.ops.conv.conv2d_relu import conv2d_relu
from jcnn.ops.conv.depthwise import depthwise_conv2d, separable_conv2d
from jcnn.ops.conv.method import ConvMethod, Precision
from jcnn.ops.conv.methods.im2col import col2im, im2col
from jcnn.ops.conv.methods.im2col_in_chunks import im2col_in_chunks
from jcnn.ops.conv.methods.registry import METHODS
from jcnn.ops.conv.table.explain import explain_conv
from jcnn.ops.conv.transpose import conv_transpose2d

__all__ = [
    "METHODS",
    "ConvMethod",
    "Interpolation",
    "Padding",
    "Pads",
    "Precision",
    "ReceptiveField",
    "Size",
    "Window",
    "avg_pool2d",
    "check_channels",
    "check_interpolation",
    "check_padding",
    "check_pair",
    "check_rate",
    "check_sides",
    "check_size",
    "col2im",
    "conv2d",
    "conv2d_relu",
    "conv_multiply_adds",
    "conv_output_shape",
    "conv_transpose2d",
    "conv_transpose_output_shape",
    "crop2d",
    "cross_entropy",
    "dense",
    "depthwise_conv2d",
    "dropout",
    "elu",
    "explain_conv",
    "flatten",
    "gelu",
    "global_average_pool2d",
    "global_max_pool2d",
    "hard_sigmoid",
    "hard_swish",
    "im2col",
    "im2col_in_chunks",
    "leaky_relu",
    "max_pool2d",
    "mish",
    "multiply_adds",
    "receptive_field",
    "recordable",
    "recorded_ops",
    "relu",
    "relu6",
    "resolve_window",
    "selu",
    "separable_conv2d",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "spatial_dropout2d",
    "stochastic_depth",
    "tanh",
    "upsample2d",
    "zero_pad2d",
]
