"""Small models with branches, with every kind of layer that joins, resizes or normalises."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from jcnn import ops
from jcnn.layers import (
    Add,
    BatchNormalization,
    Concatenate,
    Conv2D,
    Conv2DTranspose,
    Cropping2D,
    Dense,
    DepthwiseConv2D,
    GroupNormalization,
    LayerNormalization,
    SpatialDropout2D,
    SqueezeExcitation,
    StochasticDepth,
    UpSampling2D,
    ZeroPadding2D,
)


class Residual(nnx.Module):
    """A residual block with a 1x1 projection, and one without, for pictures of 9x8x3."""

    def __init__(self) -> None:
        rngs = nnx.Rngs(0)
        same = partial(Conv2D, padding="SAME", use_bias=False, rngs=rngs)
        self.conv1 = same(3, 4, 3, stride=2)
        self.norm = BatchNormalization(4, rngs=rngs)
        self.conv2 = same(4, 4, 3)
        self.projection = Conv2D(3, 4, 1, stride=2, rngs=rngs)
        # It reads only corners, so that the sum's receptive field is no box.
        self.conv3 = Conv2D(4, 4, 2, dilation=2, padding=1, rngs=rngs)
        self.add = Add()
        self.head = Dense(4, 3, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits of `x (N, 9, 8, 3)`."""
        y = self.conv2(ops.relu(self.norm(self.conv1(x))))
        y = ops.relu(self.add([y, self.projection(x)]))
        return self.head(ops.global_average_pool2d(ops.relu(self.conv3(y) + y)))


class Squeeze(nnx.Module):
    """Squeeze-and-excitation, by the layer and by hand, for pictures of 7x6x3."""

    def __init__(self) -> None:
        rngs = nnx.Rngs(1)
        self.conv = Conv2D(3, 4, (3, 2), rngs=rngs)
        self.gate = SqueezeExcitation(4, 2, scale_activation=ops.hard_sigmoid, rngs=rngs)
        self.hidden = Dense(4, 4, rngs=rngs)
        self.drop = StochasticDepth(0.2, rngs=rngs)
        self.head = Dense(4, 3, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits of `x (N, 7, 6, 3)`."""
        x = self.conv(x)
        x = x + self.drop(self.gate(x))
        means = jax.nn.sigmoid(self.hidden(jnp.mean(x, (1, 2))))
        return self.head(ops.global_max_pool2d(means[:, None, None, :] * x))


class Fire(nnx.Module):
    """SqueezeNet's module, and a concatenation of vectors, for pictures of 6x7x1."""

    def __init__(self) -> None:
        rngs = nnx.Rngs(2)
        self.squeeze = Conv2D(1, 2, 1, rngs=rngs)
        self.expand1x1 = Conv2D(2, 3, 1, rngs=rngs)
        self.expand3x3 = Conv2D(2, 4, 3, padding="SAME", rngs=rngs)
        self.join = Concatenate()
        self.head = Dense(14, 3, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits of `x (N, 6, 7, 1)`."""
        x = ops.relu(self.squeeze(x))
        x = self.join([ops.relu(self.expand1x1(x)), ops.relu(self.expand3x3(x))])
        pooled = [ops.global_average_pool2d(x), ops.global_max_pool2d(x)]
        return self.head(jnp.concatenate(pooled, -1))


class Inverted(nnx.Module):
    """Inverted residuals with zero padding of their own, for pictures of 8x9x3."""

    def __init__(self) -> None:
        rngs = nnx.Rngs(3)
        self.expand = Conv2D(3, 6, 1, rngs=rngs)
        self.pad = ZeroPadding2D(((0, 1), (1, 2)))
        self.depthwise = DepthwiseConv2D(6, 3, stride=2, rngs=rngs)
        self.project = Conv2D(6, 4, 1, rngs=rngs)
        self.depthwise2 = DepthwiseConv2D(4, 3, padding="SAME", rngs=rngs)
        self.drop_maps = SpatialDropout2D(0.25, rngs=rngs)
        self.drop = StochasticDepth(0.1, rngs=rngs)
        self.head = Dense(4, 3, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits of `x (N, 8, 9, 3)`, which is first scaled to zero mean."""
        x = (x - jnp.array([0.4, 0.5, 0.6])) / jnp.array([0.2, 0.25, 0.3])
        x = self.project(ops.relu6(self.depthwise(self.pad(ops.relu6(self.expand(x))))))
        x = x + self.drop(self.drop_maps(ops.hard_swish(self.depthwise2(x))))
        return self.head(ops.global_average_pool2d(x))


class Upsampling(nnx.Module):
    """Down and up again, with skip connections, for pictures of 8x6x1."""

    def __init__(self) -> None:
        rngs = nnx.Rngs(4)
        self.conv1 = Conv2D(1, 3, 3, padding="SAME", rngs=rngs)
        self.conv2 = Conv2D(3, 4, 3, padding="SAME", rngs=rngs)
        self.up = UpSampling2D(2, interpolation="bilinear")
        self.nearest = UpSampling2D((2, 2))
        self.transposed = Conv2DTranspose(4, 4, (3, 2), stride=2, groups=2, rngs=rngs)
        self.crop = Cropping2D(((1, 2), (0, 1)))
        self.conv3 = Conv2D(11, 3, 2, rngs=rngs)
        self.enlarge = UpSampling2D((1, 3), interpolation="bilinear")
        self.head = Dense(3, 3, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits of `x (N, 8, 6, 1)`."""
        fine = ops.relu(self.conv1(x))
        coarse = ops.relu(self.conv2(ops.max_pool2d(fine, 2)))
        wide = self.nearest(coarse) * self.transposed(coarse)
        x = self.crop(jnp.concatenate([self.up(coarse), fine, wide], -1))
        return self.head(ops.global_average_pool2d(self.enlarge(ops.relu(self.conv3(x)))))


class Normalised(nnx.Module):
    """Layer and group normalisation with a scale for each channel, for pictures of 6x5x3."""

    def __init__(self) -> None:
        rngs = nnx.Rngs(5)
        self.conv = Conv2D(3, 6, 2, rngs=rngs)
        self.norm = LayerNormalization(6)
        self.depthwise = DepthwiseConv2D(6, 3, padding="SAME", rngs=rngs)
        self.groups = GroupNormalization(6, 2)
        self.gamma = nnx.Param(jnp.linspace(-0.5, 0.7, 6))
        self.last = LayerNormalization(6, scale=False)
        self.head = Dense(6, 3, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits of `x (N, 6, 5, 3)`."""
        x = self.norm(self.conv(x))
        x = x + self.gamma[...] * self.groups(ops.gelu(self.depthwise(x)))
        return self.head(self.last(ops.global_average_pool2d(x))) / 1.5


MODELS: dict[str, tuple[Callable[[], Any], tuple[int, int, int]]] = {
    "residual": (Residual, (9, 8, 3)),
    "squeeze": (Squeeze, (7, 6, 3)),
    "fire": (Fire, (6, 7, 1)),
    "inverted": (Inverted, (8, 9, 3)),
    "upsampling": (Upsampling, (8, 6, 1)),
    "normalised": (Normalised, (6, 5, 3)),
}
