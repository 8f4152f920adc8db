"""SqueezeNet 1.1.

Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model
size", 2016. Version 1.1, of the authors' repository, needs 2.4 times fewer multiply-adds than table
1 of the paper. The names of the layers are those of torchvision.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from jcnn import ops
from jcnn.layers import Activation, Conv2D, Dropout, Initializer, MaxPooling2D, output_shape
from jcnn.models.chain import Chain

# Filters of the fire modules: squeeze 1x1, and each of expand 1x1 and 3x3. Max pooling comes before
# each row.
FIRES = (
    ((16, 64), (16, 64)),
    ((32, 128), (32, 128)),
    ((48, 192), (48, 192), (64, 256), (64, 256)),
)


class Fire(nnx.Module):
    """1x1 convolution to few channels, then 1x1 and 3x3 beside each other, concatenated.

    `(N, H, W, C)` to `(N, H, W, 2 * expand)`, ReLU after each convolution.
    """

    def __init__(
        self,
        channels: int,
        squeeze: int,
        expand: int,
        *,
        kernel_init: Initializer,
        rngs: nnx.Rngs,
    ) -> None:
        conv = partial(Conv2D, activation=ops.relu, kernel_init=kernel_init, rngs=rngs)
        self.squeeze = conv(channels, squeeze, 1)
        self.expand1x1 = conv(squeeze, expand, 1)
        self.expand3x3 = conv(squeeze, expand, 3)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Apply the module to `x (N, H, W, C)`."""
        x = self.squeeze(x)
        return jnp.concatenate([self.expand1x1(x), self.expand3x3(x)], axis=-1)


class SqueezeNet(nnx.Module):
    """A convolution of stride 2, rows of fire modules, and a 1x1 convolution to the classes.

    Args:
        rows: filters of the fire modules.
        input_shape: `(H, W, C)` of the images, H and W at least 17 for three rows.
        classes: number of logits.
        kernel_init, rngs: as for `jcnn.layers.Conv2D`.
    """

    def __init__(
        self,
        rows: tuple[tuple[tuple[int, int], ...], ...],
        input_shape: tuple[int, int, int],
        classes: int,
        *,
        kernel_init: Initializer,
        rngs: nnx.Rngs,
    ) -> None:
        conv = partial(Conv2D, kernel_init=kernel_init, rngs=rngs)
        features: list[Any] = [
            conv(input_shape[2], 64, 3, stride=2, padding="VALID"),
            Activation(ops.relu),
        ]
        channels = 64
        for row in rows:
            # One more row and column, which the window needs where the number is even: a last
            # partial window counts, as in Caffe and in torchvision's `ceil_mode`.
            features.append(MaxPooling2D(3, stride=2, padding=((0, 1), (0, 1))))
            for squeeze, expand in row:
                features.append(Fire(channels, squeeze, expand, kernel_init=kernel_init, rngs=rngs))
                channels = 2 * expand
        output_shape(features, input_shape)  # raises where the images are too small
        self.features = Chain(features)
        self.classifier = Chain(
            [Dropout(0.5, rngs=rngs), conv(channels, classes, 1), Activation(ops.relu)]
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits `(N, classes)`, at least 0, of `x (N, H, W, C)`."""
        return ops.global_average_pool2d(self.classifier(self.features(x)))


def squeezenet1_1(
    input_shape: tuple[int, int, int], classes: int, *, kernel_init: Initializer, rngs: nnx.Rngs
) -> SqueezeNet:
    """SqueezeNet 1.1: 1,235,496 parameters for 3 channels and 1000 classes."""
    return SqueezeNet(FIRES, input_shape, classes, kernel_init=kernel_init, rngs=rngs)
