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
    "as_model",
    "eval_mode",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "output_shape",
    "train_mode",
]
