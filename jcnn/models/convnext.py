"""ConvNeXt: a convolutional network with the proportions of a vision transformer.

Reference: Liu et al., "A ConvNet for the 2020s", 2022, figure 4 and section 2. The names of
`convnext_tiny` are torchvision's. The smaller `convnext_atto`, of Wightman's PyTorch Image Models
(timm), 2022, has timm's. Where timm and torchvision apply a dense layer to every position, here is
a 1x1 convolution, which is the same.
"""

from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx

from jcnn import ops
from jcnn.layers import (
    Activation,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Flatten,
    Initializer,
    LayerNormalization,
    StochasticDepth,
)
from jcnn.models.chain import Chain

# Blocks and filters of the four stages.
TINY = ((3, 96), (3, 192), (9, 384), (3, 768))
ATTO = ((2, 40), (2, 80), (6, 160), (2, 320))
# Of a block's last factor, so that every block starts near the identity.
SMALL_FACTOR = 1e-6
# Of the last block's residual branch in `convnext_tiny`; in proportion to the block's number.
DROP_BRANCH = 0.1

_norm = partial(LayerNormalization, epsilon=1e-6)


class Block(nnx.Module):
    """`convnext_tiny`'s: depthwise 7x7, normalisation, 1x1 to 4 C, GELU, 1x1 to C, factors."""

    def __init__(
        self, channels: int, *, drop_branch: float, kernel_init: Initializer, rngs: nnx.Rngs
    ) -> None:
        conv = partial(Conv2D, kernel_size=1, kernel_init=kernel_init, rngs=rngs)
        # The second and the last place are torchvision's transpositions to NHWC and back.
        self.block = Chain(
            [
                DepthwiseConv2D(channels, 7, padding=3, depthwise_init=kernel_init, rngs=rngs),
                None,
                _norm(channels),
                conv(channels, 4 * channels),
                Activation(ops.gelu),
                conv(4 * channels, channels),
            ]
        )
        self.layer_scale = nnx.Param(jnp.full(channels, SMALL_FACTOR))
        self.stochastic_depth = StochasticDepth(drop_branch, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """The block of `x (N, H, W, C)`."""
        return x + self.stochastic_depth(self.block(x) * self.layer_scale[...])


class ConvNeXt(nnx.Module):
    """Stem 4x4, stages of blocks with a 2x2 convolution before each, global mean, dense."""

    def __init__(
        self, channels: int, classes: int, *, kernel_init: Initializer, rngs: nnx.Rngs
    ) -> None:
        conv = partial(Conv2D, padding="VALID", kernel_init=kernel_init, rngs=rngs)
        total = sum(blocks for blocks, _ in TINY)
        before, done = TINY[0][1], 0
        features = [Chain([conv(channels, before, 4, stride=4), _norm(before)])]
        for blocks, filters in TINY:
            if filters != before:
                features.append(Chain([_norm(before), conv(before, filters, 2, stride=2)]))
            rates = [DROP_BRANCH * (done + number) / (total - 1) for number in range(blocks)]
            features.append(
                Chain(
                    Block(filters, drop_branch=rate, kernel_init=kernel_init, rngs=rngs)
                    for rate in rates
                )
            )
            before, done = filters, done + blocks
        self.features = Chain(features)
        self.classifier = Chain(
            [_norm(before), Flatten(), Dense(before, classes, kernel_init=kernel_init, rngs=rngs)]
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits `(N, classes)` of `x (N, H, W, C)`."""
        return self.classifier(ops.global_average_pool2d(self.features(x)))


class AttoBlock(nnx.Module):
    """`Block` with timm's names, without stochastic depth."""

    def __init__(self, channels: int, *, kernel_init: Initializer, rngs: nnx.Rngs) -> None:
        self.conv_dw = DepthwiseConv2D(
            channels, 7, padding=3, depthwise_init=kernel_init, rngs=rngs
        )
        self.norm = _norm(channels)
        self.mlp = Mlp(channels, kernel_init=kernel_init, rngs=rngs)
        self.gamma = nnx.Param(jnp.full(channels, SMALL_FACTOR))

    def __call__(self, x: jax.Array) -> jax.Array:
        """The block of `x (N, H, W, C)`."""
        return x + self.mlp(self.norm(self.conv_dw(x))) * self.gamma[...]


class Mlp(nnx.Module):
    """1x1 convolution to 4 C, GELU, 1x1 convolution to C."""

    def __init__(self, channels: int, *, kernel_init: Initializer, rngs: nnx.Rngs) -> None:
        conv = partial(Conv2D, kernel_size=1, kernel_init=kernel_init, rngs=rngs)
        self.fc1 = conv(channels, 4 * channels)
        self.fc2 = conv(4 * channels, channels)

    def __call__(self, x: jax.Array) -> jax.Array:
        """The layers applied to `x (N, H, W, C)`."""
        return self.fc2(ops.gelu(self.fc1(x)))


class AttoStage(nnx.Module):
    """Normalisation and 2x2 convolution where the number of channels changes, then blocks."""

    def __init__(
        self,
        channels: int,
        filters: int,
        blocks: int,
        *,
        kernel_init: Initializer,
        rngs: nnx.Rngs,
    ) -> None:
        conv = partial(Conv2D, padding="VALID", kernel_init=kernel_init, rngs=rngs)
        changes = channels != filters
        self.downsample = Chain(
            [_norm(channels), conv(channels, filters, 2, stride=2)] if changes else []
        )
        self.blocks = Chain(
            AttoBlock(filters, kernel_init=kernel_init, rngs=rngs) for _ in range(blocks)
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        """The stage of `x (N, H, W, C)`."""
        return self.blocks(self.downsample(x))


class AttoHead(nnx.Module):
    """Global mean, normalisation, dense."""

    def __init__(
        self, channels: int, classes: int, *, kernel_init: Initializer, rngs: nnx.Rngs
    ) -> None:
        self.norm = _norm(channels)
        self.fc = Dense(channels, classes, kernel_init=kernel_init, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits `(N, classes)` of `x (N, H, W, C)`."""
        return self.fc(self.norm(ops.global_average_pool2d(x)))


class ConvNeXtAtto(nnx.Module):
    """`ConvNeXt` in timm's form, for `ATTO`."""

    def __init__(
        self, channels: int, classes: int, *, kernel_init: Initializer, rngs: nnx.Rngs
    ) -> None:
        conv = partial(Conv2D, padding="VALID", kernel_init=kernel_init, rngs=rngs)
        before = ATTO[0][1]
        self.stem = Chain([conv(channels, before, 4, stride=4), _norm(before)])
        stages = []
        for blocks, filters in ATTO:
            stages.append(AttoStage(before, filters, blocks, kernel_init=kernel_init, rngs=rngs))
            before = filters
        self.stages = Chain(stages)
        self.head = AttoHead(before, classes, kernel_init=kernel_init, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits `(N, classes)` of `x (N, H, W, C)`."""
        return self.head(self.stages(self.stem(x)))


def convnext_tiny(
    input_shape: tuple[int, int, int], classes: int, *, kernel_init: Initializer, rngs: nnx.Rngs
) -> ConvNeXt:
    """ConvNeXt-T: 28,589,128 parameters for 224x224x3 and 1,000 classes."""
    return ConvNeXt(input_shape[2], classes, kernel_init=kernel_init, rngs=rngs)


def convnext_atto(
    input_shape: tuple[int, int, int], classes: int, *, kernel_init: Initializer, rngs: nnx.Rngs
) -> ConvNeXtAtto:
    """ConvNeXt-Atto: 3,695,520 parameters for 224x224x3 and 1,000 classes."""
    return ConvNeXtAtto(input_shape[2], classes, kernel_init=kernel_init, rngs=rngs)
