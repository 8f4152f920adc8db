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
from jcnn.layers.calls import (
    Call,
    around_calls,
    intermediates,
    modules_by_path,
    recorded_calls,
)
from jcnn.layers.conv import Conv2D, Conv2DTranspose, DepthwiseConv2D, SeparableConv2D
from jcnn.layers.dropping import SpatialDropout2D, StochasticDepth, set_dropout
from jcnn.layers.example_normalization import GroupNormalization, LayerNormalization
from jcnn.layers.freezing import Frozen, freeze, frozen
from jcnn.layers.merging import Add, Concatenate, Multiply
from jcnn.layers.model import (
    LayerError,
    Sequential,
    as_model,
    eval_mode,
    output_shape,
    train_mode,
)
from jcnn.layers.normalization import BatchNormalization
from jcnn.layers.resizing import (
    Cropping2D,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    UpSampling2D,
    ZeroPadding2D,
)
from jcnn.layers.squeeze_excitation import SqueezeExcitation
from jcnn.layers.types import Function, Initializer, Layer, glorot_uniform, he_normal, he_uniform

__all__ = [
    "Activation",
    "Add",
    "AveragePooling2D",
    "BatchNormalization",
    "Call",
    "Concatenate",
    "Conv2D",
    "Conv2DTranspose",
    "Cropping2D",
    "Dense",
    "DepthwiseConv2D",
    "Dropout",
    "Flatten",
    "Frozen",
    "Function",
    "GlobalAveragePooling2D",
    "GlobalMaxPooling2D",
    "GroupNormalization",
    "Initializer",
    "Layer",
    "LayerError",
    "LayerNormalization",
    "MaxPooling2D",
    "Multiply",
    "SeparableConv2D",
    "Sequential",
    "SpatialDropout2D",
    "SqueezeExcitation",
    "StochasticDepth",
    "UpSampling2D",
    "ZeroPadding2D",
    "around_calls",
    "as_model",
    "eval_mode",
    "freeze",
    "frozen",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "intermediates",
    "modules_by_path",
    "output_shape",
    "recorded_calls",
    "set_dropout",
    "train_mode",
]
