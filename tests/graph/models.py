"""Models with branches, for the tests of graphs."""

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
    Dropout,
    GlobalMaxPooling2D,
    GroupNormalization,
    LayerNormalization,
    Multiply,
    SpatialDropout2D,
    SqueezeExcitation,
    StochasticDepth,
    UpSampling2D,
    ZeroPadding2D,
)


class Residual(nnx.Module):
    """Two convolutions and a skip connection; with a stride, a 1x1 convolution in the skip."""

    def __init__(self, channels: int, filters: int, stride: int, rngs: nnx.Rngs) -> None:
        self.conv1 = Conv2D(channels, filters, 3, stride=stride, use_bias=False, rngs=rngs)
        self.norm1 = BatchNormalization(filters, rngs=rngs)
        self.conv2 = Conv2D(filters, filters, 3, use_bias=False, rngs=rngs)
        self.norm2 = BatchNormalization(filters, epsilon=1e-5, rngs=rngs)
        self.skip = Conv2D(channels, filters, 1, stride=stride, rngs=rngs) if stride > 1 else None

    def __call__(self, x: jax.Array) -> jax.Array:
        """The block of `x (N, H, W, C)`."""
        y = self.norm2(self.conv2(ops.relu(self.norm1(self.conv1(x)))))
        return ops.relu((x if self.skip is None else self.skip(x)) + y)


class ResNet(nnx.Module):
    """A small residual network for images of any size; 5 logits."""

    def __init__(self) -> None:
        rngs = nnx.Rngs(1)
        self.stem = Conv2D(3, 4, 3, activation=ops.relu, rngs=rngs)
        self.blocks = nnx.List([Residual(4, 4, 1, rngs), Residual(4, 6, 2, rngs)])
        self.dropout = Dropout(0.2, rngs=rngs)
        self.head = Dense(6, 5, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits of `x (N, H, W, 3)`."""
        x = self.stem((x - jnp.array([0.4, 0.5, 0.6])) / 0.25)
        for block in self.blocks:
            x = block(x)
        return self.head(self.dropout(jnp.mean(x, axis=(1, 2))))


class Branches(nnx.Module):
    """Every way in which branches meet, and a layer that is called twice; 5 probabilities."""

    def __init__(self) -> None:
        rngs = nnx.Rngs(2)
        self.left = nnx.Conv(3, 4, (3, 3), rngs=rngs)
        self.right = Conv2D(3, 4, (1, 3), rngs=rngs)
        self.shared = Conv2D(8, 8, 3, rngs=rngs)
        self.squeeze = nnx.Linear(8, 3, rngs=rngs)
        self.excite = nnx.Linear(3, 8, rngs=rngs)
        self.head = nnx.Linear(16, 5, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Probabilities of `x (N, H, W, 3)`."""
        left, right = jax.nn.gelu(self.left(x)), self.right(x)
        x = jnp.concatenate([left * right, 2 * right], -1)
        x = self.shared(self.shared(x))
        gate = self.excite(jax.nn.relu6(self.squeeze(x.mean((1, 2), keepdims=True))))
        x = x * jax.nn.sigmoid(gate)
        x = jnp.pad(x, ((0, 0), (1, 0), (0, 2), (0, 0)))[:, 1:-1]
        x = nnx.avg_pool(x, (3, 2), strides=(2, 1), padding="SAME", count_include_pad=False)
        means, maxima = x.mean((1, 2)), x.max((1, 2))
        x = jnp.concatenate([means, maxima], 1)
        return jax.nn.softmax(self.head(jax.nn.leaky_relu(x, 0.07)))


class Rare(nnx.Module):
    """The layers that the other models lack; 8 outputs."""

    def __init__(self) -> None:
        rngs = nnx.Rngs(3)
        self.conv = Conv2D(3, 4, 3, stride=2, activation=ops.hard_swish, rngs=rngs)
        self.norm = LayerNormalization(4)
        self.gate = SqueezeExcitation(4, 2, scale_activation=ops.hard_sigmoid, rngs=rngs)
        self.spatial = SpatialDropout2D(0.3, rngs=rngs)
        self.up = UpSampling2D((2, 3), interpolation="bilinear")
        self.pad = ZeroPadding2D(((1, 0), (0, 2)))
        self.crop = Cropping2D(((0, 1), (2, 0)))
        self.transposed = Conv2DTranspose(4, 4, 2, stride=2, rngs=rngs)
        self.groups = GroupNormalization(4, 2, scale=False)
        self.depth = StochasticDepth(0.2, rngs=rngs)
        self.add, self.multiply, self.concatenate = Add(), Multiply(), Concatenate()
        self.pool = GlobalMaxPooling2D()
        self.factors = nnx.Param(jnp.linspace(0.5, 2, 8))
        self.offset = nnx.Param(jnp.linspace(-1, 1, 4).reshape(1, 1, 1, 4))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Numbers of `x (N, H, W, 3)`."""
        x = self.spatial(self.gate(self.norm(self.conv(x))))
        y = self.crop(self.pad(self.up(x)))
        x = self.transposed(ops.mish(x)) + self.offset
        x = self.add([x, self.depth(self.groups(ops.elu(x, 0.7))), x])
        x = self.multiply((x, ops.upsample2d(ops.max_pool2d(x, 2), 2)))
        return self.factors * self.pool(self.concatenate([x, y[:, :, : x.shape[2]]]))


class RareOfFlax(nnx.Module):
    """Layers of Flax that round in other ways than jcnn's; feature maps."""

    def __init__(self) -> None:
        rngs = nnx.Rngs(4)
        self.up = nnx.ConvTranspose(3, 4, (3, 2), strides=2, rngs=rngs)
        self.layer = nnx.LayerNorm(4, epsilon=1e-3, rngs=rngs)
        self.slow = nnx.LayerNorm(4, use_fast_variance=False, use_bias=False, rngs=rngs)
        self.groups = nnx.GroupNorm(4, 2, use_scale=False, rngs=rngs)
        self.sizes = nnx.GroupNorm(4, None, 4, use_fast_variance=False, rngs=rngs)
        self.adjoint = nnx.ConvTranspose(
            *(4, 5, (2, 3)),
            strides=(1, 2),
            padding=((1, 0), (2, 1)),
            kernel_dilation=(2, 1),
            transpose_kernel=True,
            use_bias=False,
            rngs=rngs,
        )
        self.valid = nnx.ConvTranspose(5, 2, (2, 2), padding="VALID", rngs=rngs)
        self.padded = nnx.ConvTranspose(2, 2, (3, 3), padding=1, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Feature maps of `x (N, H, W, 3)`."""
        x = self.layer(self.up(x))
        x = self.groups(self.slow(x) + x)
        return self.padded(self.valid(jax.nn.gelu(self.adjoint(self.sizes(x)))))
