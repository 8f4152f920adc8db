"""VGG-16.

Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2014,
table 1, configuration D. The names of the layers are those of torchvision.
"""

from functools import partial
from typing import Any

import jax
from flax import nnx

from jcnn import ops
from jcnn.layers import (
    Activation,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Initializer,
    MaxPooling2D,
    output_shape,
)
from jcnn.models.chain import Chain

# Filters of the 3x3 convolutions; each row ends with max pooling.
CONFIGURATION_D = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
HIDDEN = 4096


class VGG(nnx.Module):
    """Rows of 3x3 convolutions, each followed by max pooling, and three dense layers.

    The first dense layer takes all features, so its size follows that of the images: 7x7x512 for
    224x224, HxWx512 for (32 H)x(32 W). torchvision instead pools the features to 7x7, which
    changes nothing for 224x224. Flattened features are in the order rows, columns, channels;
    in torchvision, channels come first.

    Args:
        rows: filters of the convolutions.
        input_shape: `(H, W, C)` of the images, H and W at least 32 for five rows.
        classes: number of logits.
        kernel_init, rngs: as for `jcnn.layers.Conv2D`.
    """

    def __init__(
        self,
        rows: tuple[tuple[int, ...], ...],
        input_shape: tuple[int, int, int],
        classes: int,
        *,
        kernel_init: Initializer,
        rngs: nnx.Rngs,
    ) -> None:
        channels, features = input_shape[2], list[Any]()
        for row in rows:
            for filters in row:
                conv = Conv2D(channels, filters, 3, kernel_init=kernel_init, rngs=rngs)
                features += [conv, Activation(ops.relu)]
                channels = filters
            features.append(MaxPooling2D(2))
        (size,) = output_shape([*features, Flatten()], input_shape)
        dense = partial(Dense, kernel_init=kernel_init, rngs=rngs)
        self.features = Chain(features)
        self.classifier = Chain(
            [
                dense(size, HIDDEN),
                Activation(ops.relu),
                Dropout(0.5, rngs=rngs),
                dense(HIDDEN, HIDDEN),
                Activation(ops.relu),
                Dropout(0.5, rngs=rngs),
                dense(HIDDEN, classes),
            ]
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits `(N, classes)` of `x (N, H, W, C)`."""
        return self.classifier(ops.flatten(self.features(x)))


def vgg16(
    input_shape: tuple[int, int, int], classes: int, *, kernel_init: Initializer, rngs: nnx.Rngs
) -> VGG:
    """VGG-16: 138,357,544 parameters for 224x224x3 and 1000 classes, most in one dense layer."""
    return VGG(CONFIGURATION_D, input_shape, classes, kernel_init=kernel_init, rngs=rngs)
