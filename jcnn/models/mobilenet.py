"""MobileNetV2: blocks that widen, convolve each channel by itself, and narrow.

Reference: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018, table 2.
Names, padding and dropout are torchvision's.
"""

from functools import partial

import jax
from flax import nnx

from jcnn import ops
from jcnn.layers import BatchNormalization, Conv2D, Dense, Dropout, Initializer
from jcnn.models.chain import Chain, conv_norm

# Rows of the table: expansion, filters, blocks, stride of the first block.
ROWS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
STEM, HEAD = 32, 1280


class InvertedResidual(nnx.Module):
    """1x1 convolution to more channels, depthwise 3x3, 1x1 convolution to fewer; perhaps a sum."""

    def __init__(
        self,
        channels: int,
        filters: int,
        *,
        stride: int,
        expansion: int,
        kernel_init: Initializer,
        rngs: nnx.Rngs,
    ) -> None:
        wide = channels * expansion
        conv = partial(conv_norm, activation=ops.relu6, kernel_init=kernel_init, rngs=rngs)
        expand = [conv(channels, wide, 1)] if expansion != 1 else []
        self.conv = Chain(
            [
                *expand,
                conv(wide, wide, 3, stride=stride, depthwise=True),
                Conv2D(wide, filters, 1, use_bias=False, kernel_init=kernel_init, rngs=rngs),
                BatchNormalization(filters, epsilon=1e-5, momentum=0.9, rngs=rngs),
            ]
        )
        self.is_residual = stride == 1 and channels == filters

    def __call__(self, x: jax.Array) -> jax.Array:
        """The block of `x (N, H, W, C)`."""
        y = self.conv(x)
        return x + y if self.is_residual else y


class MobileNetV2(nnx.Module):
    """Stem, the blocks of the table, head, global mean, dropout, dense."""

    def __init__(
        self, channels: int, classes: int, *, kernel_init: Initializer, rngs: nnx.Rngs
    ) -> None:
        conv = partial(conv_norm, activation=ops.relu6, kernel_init=kernel_init, rngs=rngs)
        features: list[nnx.Module] = [conv(channels, STEM, 3, stride=2)]
        before = STEM
        for expansion, filters, blocks, stride in ROWS:
            for number in range(blocks):
                block = InvertedResidual(
                    before,
                    filters,
                    stride=stride if number == 0 else 1,
                    expansion=expansion,
                    kernel_init=kernel_init,
                    rngs=rngs,
                )
                features.append(block)
                before = filters
        self.features = Chain([*features, conv(before, HEAD, 1)])
        self.classifier = Chain(
            [Dropout(0.2, rngs=rngs), Dense(HEAD, classes, kernel_init=kernel_init, rngs=rngs)]
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits `(N, classes)` of `x (N, H, W, C)`."""
        return self.classifier(ops.global_average_pool2d(self.features(x)))


def mobilenet_v2(
    input_shape: tuple[int, int, int], classes: int, *, kernel_init: Initializer, rngs: nnx.Rngs
) -> MobileNetV2:
    """MobileNetV2: 3,504,872 parameters for 224x224x3 and 1,000 classes."""
    return MobileNetV2(input_shape[2], classes, kernel_init=kernel_init, rngs=rngs)
