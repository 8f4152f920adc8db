"""Squeeze-and-excitation: a gate for each channel, computed from the means of all channels."""

from functools import partial

import jax
from flax import nnx

from jcnn import ops
from jcnn.layers.conv import Conv2D
from jcnn.layers.types import Function, Initializer, glorot_uniform


class SqueezeExcitation(nnx.Module):
    """Multiply each channel by a gate, `(N, H, W, C)` to the same shape.

    The gates are `scale_activation(fc2(activation(fc1(means))))`, with the channels' means
    `(N, 1, 1, C)` and two 1x1 convolutions with a bias, as in torchvision.

    Args:
        channels: C.
        squeeze_channels: outputs of `fc1`; C / 4 or C / 16 in most networks.
        activation: function between the two convolutions.
        scale_activation: function that makes the gates, such as `jcnn.ops.hard_sigmoid`.
        kernel_init, rngs: as for `Conv2D`.

    Raises:
        ValueError: `channels` or `squeeze_channels` is not a positive integer.

    Reference: Hu, Shen and Sun, "Squeeze-and-Excitation Networks", 2017.
    """

    def __init__(
        self,
        channels: int,
        squeeze_channels: int,
        *,
        activation: Function = ops.relu,
        scale_activation: Function = ops.sigmoid,
        kernel_init: Initializer = glorot_uniform,
        rngs: nnx.Rngs,
    ) -> None:
        channels = ops.check_size("channels", channels)
        squeezed = ops.check_size("squeeze_channels", squeeze_channels)
        conv = partial(Conv2D, kernel_size=1, kernel_init=kernel_init, rngs=rngs)
        self.fc1 = conv(channels, squeezed, activation=activation)
        self.fc2 = conv(squeezed, channels, activation=scale_activation)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Apply the gates to `x (N, H, W, C)`."""
        ops.check_channels(x, self.fc1.kernel.shape[2])
        return x * self.fc2(self.fc1(ops.global_average_pool2d(x, keepdims=True)))
