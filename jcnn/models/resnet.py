"""ResNet-18, -34 and -50, and ResNet-18 for small images.

He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", 2015, table 1. The names of
the layers, the paddings and the stride of the bottleneck (in its 3x3 convolution, not in the first
1x1 as in the paper) are those of torchvision.
"""

from functools import partial

import jax
from flax import nnx

from jcnn import ops
from jcnn.layers import BatchNormalization, Conv2D, Dense, Initializer, MaxPooling2D
from jcnn.models.chain import Chain, conv_norm

# Blocks in each of the four stages.
BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
FILTERS = (64, 128, 256, 512)


class BasicBlock(nnx.Module):
    """Two 3x3 convolutions, and the input added: `(N, H, W, C)` to `(N, OH, OW, filters)`."""

    expansion = 1

    def __init__(
        self,
        channels: int,
        filters: int,
        stride: int,
        *,
        kernel_init: Initializer,
        rngs: nnx.Rngs,
    ) -> None:
        conv = partial(Conv2D, use_bias=False, kernel_init=kernel_init, rngs=rngs)
        self.conv1 = conv(channels, filters, 3, stride=stride, padding=1)
        self.bn1 = _norm(filters, rngs)
        self.conv2 = conv(filters, filters, 3, padding=1)
        self.bn2 = _norm(filters, rngs)
        self.downsample = _downsample(channels, filters, stride, kernel_init, rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Apply the block to `x (N, H, W, C)`."""
        y = ops.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return ops.relu(y + self.downsample(x))


class Bottleneck(nnx.Module):
    """1x1, 3x3 and 1x1 convolution, and the input added: to `(N, OH, OW, 4 * filters)`."""

    expansion = 4

    def __init__(
        self,
        channels: int,
        filters: int,
        stride: int,
        *,
        kernel_init: Initializer,
        rngs: nnx.Rngs,
    ) -> None:
        conv = partial(Conv2D, use_bias=False, kernel_init=kernel_init, rngs=rngs)
        outputs = self.expansion * filters
        self.conv1 = conv(channels, filters, 1)
        self.bn1 = _norm(filters, rngs)
        self.conv2 = conv(filters, filters, 3, stride=stride, padding=1)
        self.bn2 = _norm(filters, rngs)
        self.conv3 = conv(filters, outputs, 1)
        self.bn3 = _norm(outputs, rngs)
        self.downsample = _downsample(channels, outputs, stride, kernel_init, rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Apply the block to `x (N, H, W, C)`."""
        y = ops.relu(self.bn1(self.conv1(x)))
        y = ops.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return ops.relu(y + self.downsample(x))


class ResNet(nnx.Module):
    """A stem, four stages of residual blocks, global average pooling and a dense layer.

    Args:
        block: class of the blocks.
        blocks: number of blocks in each stage; the first of stages 2 to 4 has stride 2.
        channels: C of the images `(N, H, W, C)`.
        classes: number of logits.
        small_images: a 3x3 stem of stride 1 without max pooling, instead of 7x7 of stride 2 with.
        kernel_init, rngs: as for `jcnn.layers.Conv2D`.
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        blocks: tuple[int, int, int, int],
        channels: int,
        classes: int,
        *,
        small_images: bool = False,
        kernel_init: Initializer,
        rngs: nnx.Rngs,
    ) -> None:
        size, stride, pad = (3, 1, 1) if small_images else (7, 2, 3)
        self.conv1 = Conv2D(
            channels,
            FILTERS[0],
            size,
            stride=stride,
            padding=pad,
            use_bias=False,
            kernel_init=kernel_init,
            rngs=rngs,
        )
        self.bn1 = _norm(FILTERS[0], rngs)
        self.maxpool = None if small_images else MaxPooling2D(3, stride=2, padding=1)
        channels, stages = FILTERS[0], []
        for stage, (number, filters) in enumerate(zip(blocks, FILTERS, strict=True)):
            made = []
            for i in range(number):
                stride = 2 if stage > 0 and i == 0 else 1
                made.append(block(channels, filters, stride, kernel_init=kernel_init, rngs=rngs))
                channels = block.expansion * filters
            stages.append(Chain(made))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.fc = Dense(channels, classes, kernel_init=kernel_init, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits `(N, classes)` of `x (N, H, W, C)`."""
        x = ops.relu(self.bn1(self.conv1(x)))
        if self.maxpool is not None:
            x = self.maxpool(x)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(ops.global_average_pool2d(x))


def resnet18(
    input_shape: tuple[int, int, int], classes: int, *, kernel_init: Initializer, rngs: nnx.Rngs
) -> ResNet:
    """ResNet-18: 11,689,512 parameters for 3 channels and 1000 classes."""
    channels = input_shape[2]
    return ResNet(BasicBlock, BLOCKS[18], channels, classes, kernel_init=kernel_init, rngs=rngs)


def resnet34(
    input_shape: tuple[int, int, int], classes: int, *, kernel_init: Initializer, rngs: nnx.Rngs
) -> ResNet:
    """ResNet-34: 21,797,672 parameters for 3 channels and 1000 classes."""
    channels = input_shape[2]
    return ResNet(BasicBlock, BLOCKS[34], channels, classes, kernel_init=kernel_init, rngs=rngs)


def resnet50(
    input_shape: tuple[int, int, int], classes: int, *, kernel_init: Initializer, rngs: nnx.Rngs
) -> ResNet:
    """ResNet-50: 25,557,032 parameters for 3 channels and 1000 classes."""
    channels = input_shape[2]
    return ResNet(Bottleneck, BLOCKS[50], channels, classes, kernel_init=kernel_init, rngs=rngs)


def resnet18_cifar(
    input_shape: tuple[int, int, int], classes: int, *, kernel_init: Initializer, rngs: nnx.Rngs
) -> ResNet:
    """ResNet-18 with a 3x3 stem for 32x32 images: 11,173,962 parameters for 10 classes.

    The network that is usual for CIFAR-10; the paper's own networks for it are narrower.
    """
    return ResNet(
        BasicBlock,
        BLOCKS[18],
        input_shape[2],
        classes,
        small_images=True,
        kernel_init=kernel_init,
        rngs=rngs,
    )


def _norm(channels: int, rngs: nnx.Rngs) -> BatchNormalization:
    return BatchNormalization(channels, momentum=0.9, epsilon=1e-5, rngs=rngs)


def _downsample(
    channels: int, filters: int, stride: int, kernel_init: Initializer, rngs: nnx.Rngs
) -> Chain:
    """The projection of a block's input to the shape of its output; empty if it has that shape."""
    if stride == 1 and channels == filters:
        return Chain([])
    return conv_norm(
        channels, filters, 1, stride=stride, activation=None, kernel_init=kernel_init, rngs=rngs
    )
