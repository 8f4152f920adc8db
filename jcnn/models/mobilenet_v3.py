"""MobileNetV3: MobileNetV2's blocks with gates for channels, and hard swish.

Reference: Howard et al., "Searching for MobileNetV3", 2019, tables 1 and 2. Names, padding and
dropout are torchvision's.
"""

from functools import partial

import jax
from flax import nnx

from jcnn import ops
from jcnn.layers import (
    Activation,
    Dense,
    Dropout,
    Function,
    Initializer,
    SqueezeExcitation,
)
from jcnn.models.chain import Chain, conv_norm, divisible

RE, HS = ops.relu, ops.hard_swish
Row = tuple[int, int, int, bool, Function, int]

# Rows of the tables: kernel size, expanded channels, filters, gates, activation, stride.
SMALL: tuple[Row, ...] = (
    (3, 16, 16, True, RE, 2),
    (3, 72, 24, False, RE, 2),
    (3, 88, 24, False, RE, 1),
    (5, 96, 40, True, HS, 2),
    (5, 240, 40, True, HS, 1),
    (5, 240, 40, True, HS, 1),
    (5, 120, 48, True, HS, 1),
    (5, 144, 48, True, HS, 1),
    (5, 288, 96, True, HS, 2),
    (5, 576, 96, True, HS, 1),
    (5, 576, 96, True, HS, 1),
)
LARGE: tuple[Row, ...] = (
    (3, 16, 16, False, RE, 1),
    (3, 64, 24, False, RE, 2),
    (3, 72, 24, False, RE, 1),
    (5, 72, 40, True, RE, 2),
    (5, 120, 40, True, RE, 1),
    (5, 120, 40, True, RE, 1),
    (3, 240, 80, False, HS, 2),
    (3, 200, 80, False, HS, 1),
    (3, 184, 80, False, HS, 1),
    (3, 184, 80, False, HS, 1),
    (3, 480, 112, True, HS, 1),
    (3, 672, 112, True, HS, 1),
    (5, 672, 160, True, HS, 2),
    (5, 960, 160, True, HS, 1),
    (5, 960, 160, True, HS, 1),
)
STEM = 16

_conv = partial(conv_norm, epsilon=1e-3, momentum=0.99)


class GatedInvertedResidual(nnx.Module):
    """A row of the table: 1x1 convolution, depthwise convolution, gates, 1x1 convolution."""

    def __init__(
        self, channels: int, row: Row, *, kernel_init: Initializer, rngs: nnx.Rngs
    ) -> None:
        kernel_size, wide, filters, has_gates, activation, stride = row
        conv = partial(_conv, kernel_init=kernel_init, rngs=rngs)
        layers: list[nnx.Module] = []
        if wide != channels:
            layers.append(conv(channels, wide, 1, activation=activation))
        layers.append(
            conv(wide, wide, kernel_size, stride=stride, depthwise=True, activation=activation)
        )
        if has_gates:
            layers.append(
                SqueezeExcitation(
                    wide,
                    divisible(wide / 4),
                    scale_activation=ops.hard_sigmoid,
                    kernel_init=kernel_init,
                    rngs=rngs,
                )
            )
        self.block = Chain([*layers, conv(wide, filters, 1, activation=None)])
        self.is_residual = stride == 1 and channels == filters

    def __call__(self, x: jax.Array) -> jax.Array:
        """The block of `x (N, H, W, C)`."""
        y = self.block(x)
        return x + y if self.is_residual else y


class MobileNetV3(nnx.Module):
    """Stem, the rows of a table, 1x1 convolution, global mean, two dense layers."""

    def __init__(
        self,
        channels: int,
        classes: int,
        *,
        rows: tuple[Row, ...],
        hidden: int,
        kernel_init: Initializer,
        rngs: nnx.Rngs,
    ) -> None:
        conv = partial(_conv, activation=HS, kernel_init=kernel_init, rngs=rngs)
        features: list[nnx.Module] = [conv(channels, STEM, 3, stride=2)]
        before = STEM
        for row in rows:
            features.append(GatedInvertedResidual(before, row, kernel_init=kernel_init, rngs=rngs))
            before = row[2]
        self.features = Chain([*features, conv(before, 6 * before, 1)])
        dense = partial(Dense, kernel_init=kernel_init, rngs=rngs)
        self.classifier = Chain(
            [
                dense(6 * before, hidden),
                Activation(HS),
                Dropout(0.2, rngs=rngs),
                dense(hidden, classes),
            ]
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits `(N, classes)` of `x (N, H, W, C)`."""
        return self.classifier(ops.global_average_pool2d(self.features(x)))


def mobilenet_v3_small(
    input_shape: tuple[int, int, int], classes: int, *, kernel_init: Initializer, rngs: nnx.Rngs
) -> MobileNetV3:
    """MobileNetV3-Small: 2,542,856 parameters for 224x224x3 and 1,000 classes."""
    return MobileNetV3(
        input_shape[2], classes, rows=SMALL, hidden=1024, kernel_init=kernel_init, rngs=rngs
    )


def mobilenet_v3_large(
    input_shape: tuple[int, int, int], classes: int, *, kernel_init: Initializer, rngs: nnx.Rngs
) -> MobileNetV3:
    """MobileNetV3-Large: 5,483,032 parameters for 224x224x3 and 1,000 classes."""
    return MobileNetV3(
        input_shape[2], classes, rows=LARGE, hidden=1280, kernel_init=kernel_init, rngs=rngs
    )
