"""The network of a speedrun: a whitening layer, three blocks, a global maximum, a dense layer."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from jcnn import ops
from jcnn.layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    Dense,
    Frozen,
    GlobalMaxPooling2D,
    MaxPooling2D,
    Sequential,
)


class Net(nnx.Module):
    """A whitening layer, three blocks of two convolutions, a global maximum and a dense layer.

    Takes uint8 images `(N, H, W, C)` and returns logits `(N, K)` float32. All but the logits is
    computed in `dtype`, from parameters in float32.
    """

    def __init__(
        self, widths: tuple[int, ...], channels: int, classes: int, dtype: str, rngs: nnx.Rngs
    ) -> None:
        inputs = 8 * channels
        self.dtype = dtype
        self.mean = Frozen(jnp.zeros(channels))
        self.deviation = Frozen(jnp.ones(channels))
        self.filters = Frozen(jnp.zeros((2, 2, channels, inputs)))
        self.whitening_bias = nnx.Param(jnp.zeros(inputs))
        blocks = []
        for width in widths:
            blocks.append(_block(inputs, width, rngs))
            inputs = width
        self.blocks = Sequential(blocks)
        self.pool = GlobalMaxPooling2D()
        scaled = jax.nn.initializers.normal(1 / inputs)
        self.head = Dense(inputs, classes, use_bias=False, kernel_init=scaled, rngs=rngs)

    def __call__(self, images: jax.Array) -> jax.Array:
        """Logits of uint8 images."""
        x = normalize(images, self.mean[...], self.deviation[...]).astype(self.dtype)
        filters, bias = (v[...].astype(self.dtype) for v in (self.filters, self.whitening_bias))
        x = ops.gelu(ops.conv2d(x, filters, bias, padding="VALID"))
        return self.head(self.pool(self.blocks(x))).astype(jnp.float32)


def _block(inputs: int, width: int, rngs: nnx.Rngs) -> Sequential:
    def convolution(channels: int) -> Conv2D:
        return Conv2D(channels, width, use_bias=False, kernel_init=partly_identity, rngs=rngs)

    def normalization() -> BatchNormalization:
        return BatchNormalization(width, momentum=0.6, epsilon=1e-5, scale=False, rngs=rngs)

    gelu = Activation(ops.gelu)
    first = [convolution(inputs), MaxPooling2D(2), normalization(), gelu]
    return Sequential([*first, convolution(width), normalization(), gelu])


def partly_identity(key: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:
    """A kernel whose first filters copy the input channels; the others are random."""
    kh, kw, channels, filters = shape
    drawn = jax.nn.initializers.lecun_uniform()(key, shape, dtype) / jnp.sqrt(3.0).astype(dtype)
    same = min(channels, filters)
    copy = jnp.zeros((kh, kw, channels, same), dtype)
    copy = copy.at[kh // 2, kw // 2].set(jnp.eye(channels, same, dtype=dtype))
    return drawn.at[..., :same].set(copy)


def normalize(images: jax.Array, mean: jax.Array, deviation: jax.Array) -> jax.Array:
    """Images `(N, H, W, C)` uint8, of 0..1 less the mean by channel, over the deviation."""
    return (images.astype(jnp.float32) / 255 - mean) / deviation


def whitening_filters(x: jax.Array, epsilon: float = 5e-4) -> jax.Array:
    """Filters that give uncorrelated responses of variance 1 to 2x2 patches, and their negatives.

    They are the eigenvectors of the patches' covariance over the square roots of the eigenvalues.

    Args:
        x: `(N, H, W, C)` float32.
        epsilon: added to the eigenvalues, so that rare patterns are not amplified too much.

    Returns:
        `(2, 2, C, 8 * C)`; filter `4 * C + i` is the negative of filter `i`.
    """
    size = 4 * x.shape[-1]
    patches = ops.im2col(x, 2).reshape(-1, size)
    patches = patches - patches.mean(0)
    # TensorFloat-32 would lose the small eigenvalues.
    covariance = jnp.matmul(patches.T, patches, precision="highest") / len(patches)
    values, vectors = jnp.linalg.eigh(covariance)
    filters = (vectors * jax.lax.rsqrt(values + epsilon)).reshape(2, 2, x.shape[-1], size)
    return jnp.concatenate([filters, -filters], axis=-1)
