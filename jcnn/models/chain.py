"""`Chain`: layers whose names are numbers, as in PyTorch's `Sequential`; `conv_norm` builds one."""

from typing import Any

import jax
from flax import nnx

from jcnn.layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    DepthwiseConv2D,
    Function,
    Initializer,
)


class Chain(nnx.List[Any]):
    """Layers applied in sequence; their paths are numbers, such as "features/0/1/scale".

    A list of layers like `jcnn.layers.Sequential`, whose layers have Keras's names instead. None
    keeps the number of a layer that is not needed.
    """

    def __call__(self, x: jax.Array) -> jax.Array:
        """Apply every layer to `x`."""
        for layer in self:
            if layer is not None:
                x = layer(x)
        return x


def conv_norm(
    channels: int,
    filters: int,
    kernel_size: int,
    *,
    stride: int = 1,
    depthwise: bool = False,
    activation: Function | None,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    kernel_init: Initializer,
    rngs: nnx.Rngs,
) -> Chain:
    """A convolution without a bias, batch normalisation and an activation, as in torchvision.

    The padding is `(kernel_size - 1) / 2` on every side.

    Args:
        channels: of the input.
        filters: of the output; equal to `channels` where `depthwise`.
        kernel_size: odd.
        depthwise: whether each channel is convolved by itself.
        activation: None for none.
        stride, kernel_init, rngs: as for `Conv2D`.
        epsilon, momentum: as for `BatchNormalization`; the defaults are PyTorch's.
    """
    padding = (kernel_size - 1) // 2
    pads = ((padding, padding), (padding, padding))
    conv = (
        DepthwiseConv2D(
            channels,
            kernel_size,
            stride=stride,
            padding=pads,
            use_bias=False,
            depthwise_init=kernel_init,
            rngs=rngs,
        )
        if depthwise
        else Conv2D(
            channels,
            filters,
            kernel_size,
            stride=stride,
            padding=pads,
            use_bias=False,
            kernel_init=kernel_init,
            rngs=rngs,
        )
    )
    norm = BatchNormalization(filters, epsilon=epsilon, momentum=momentum, rngs=rngs)
    layers = [conv, norm]
    return Chain(layers if activation is None else [*layers, Activation(activation)])


def divisible(channels: float, least: int = 8) -> int:
    """The multiple of 8 nearest to `channels`, at least `least` and 90 % of `channels`.

    Reference: Sandler et al., "MobileNetV2", 2018; the function `_make_divisible` of its code.
    """
    rounded = max(least, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded
