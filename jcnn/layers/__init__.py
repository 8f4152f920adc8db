"""Layers: the functions of `jcnn.ops` with their parameters, as Flax NNX modules.

Names and defaults are those of Keras; input sizes are explicit, as in NNX.
"""

from jcnn.layers.basic import (
    Activation,
    AveragePooling2D,
    Dense,
    Dropout,
    Flatten,
    MaxPooling2D,
)
from jcnn.layers.calls import Call, around_calls, intermediates, recorded_calls
from jcnn.layers.conv import Conv2D, Conv2DTranspose, DepthwiseConv2D, SeparableConv2D
from jcnn.layers.model import (
    LayerError,
    Sequential,
    as_model,
    eval_mode,
    output_shape,
    train_mode,
)
from jcnn.layers.normalization import BatchNormalization
from jcnn.layers.types import Function, Initializer, Layer, glorot_uniform, he_normal, he_uniform

__all__ = [
    "Activation",
    "AveragePooling2D",
    "BatchNormalization",
    "Call",
    "Conv2D",
    "Conv2DTranspose",
    "Dense",
    "DepthwiseConv2D",
    "Dropout",
    "Flatten",
    "Function",
    "Initializer",
    "Layer",
    "LayerError",
    "MaxPooling2D",
    "SeparableConv2D",
    "Sequential",
    "around_calls",
    "as_model",
    "eval_mode",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "intermediates",
    "output_shape",
    "recorded_calls",
    "train_mode",
]
