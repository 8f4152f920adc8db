"""Layer and group normalisation: statistics of each example, the same in train and eval mode."""

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from jcnn import ops


class _Normalization(nnx.Module):
    """The scale, the bias and the arguments of both normalisations."""

    def __init__(
        self,
        channels: int,
        *,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        rngs: nnx.Rngs | None = None,
    ) -> None:
        if not 0 <= epsilon < float("inf"):
            raise ValueError(f"epsilon: got {epsilon!r}; accepted: a finite number >= 0")
        self.channels = ops.check_size("channels", channels)
        self.epsilon = float(epsilon)
        self.scale = nnx.Param(jnp.ones(self.channels)) if scale else None
        self.bias = nnx.Param(jnp.zeros(self.channels)) if center else None

    def _scaled(self, y: jax.Array, dtype: jnp.dtype) -> jax.Array:
        """Apply scale and bias to normalised numbers `y (..., C)`."""
        if self.scale is not None:
            y = y * self.scale[...].astype(y.dtype)
        if self.bias is not None:
            y = y + self.bias[...].astype(y.dtype)
        return y.astype(dtype)


class LayerNormalization(_Normalization):
    """Normalise the channels of each position: mean 0 and variance 1 over the last axis.

    `y = (x - mean) / sqrt(variance + epsilon) * scale + bias`, with the biased variance, computed
    in at least float32.

    Args:
        channels: C, the last axis of the input.
        epsilon: added to the variance, at least 0.
        center: whether a bias `(C,)` is added; it starts at 0.
        scale: whether the result is multiplied by a scale `(C,)`; it starts at 1.
        rngs: not used, since nothing is random; accepted as by `BatchNormalization`.

    Raises:
        ValueError: `channels` or `epsilon` is out of range.

    Reference: Ba, Kiros and Hinton, "Layer Normalization", 2016.
    """

    def __call__(self, x: jax.Array) -> jax.Array:
        """Normalise `x (..., C)`; the result has the dtype of `x`."""
        ops.check_channels(x, self.channels)
        return self._scaled(_normalised(x, (-1,), self.epsilon), x.dtype)


class GroupNormalization(_Normalization):
    """Normalise groups of channels of each example, over all positions.

    `groups=1` takes all channels together; `groups=channels` each by itself (instance
    normalisation). Unlike batch normalisation it does not depend on the batch.

    Args:
        channels: C, the last axis of the input.
        groups: into which C is divided; neighbouring channels share a group.
        epsilon, center, scale, rngs: as for `LayerNormalization`.

    Raises:
        ValueError: an argument is out of range, or `groups` does not divide `channels`.

    Reference: Wu and He, "Group Normalization", 2018.
    """

    def __init__(
        self,
        channels: int,
        groups: int = 32,
        *,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        rngs: nnx.Rngs | None = None,
    ) -> None:
        super().__init__(channels, epsilon=epsilon, center=center, scale=scale, rngs=rngs)
        self.groups = ops.check_size("groups", groups)
        if self.channels % self.groups:
            raise ValueError(f"groups: got {groups}, which does not divide channels={channels}")

    def __call__(self, x: jax.Array) -> jax.Array:
        """Normalise `x (N, ..., C)`; the result has the dtype of `x`."""
        ops.check_channels(x, self.channels)
        if x.ndim < 2:
            raise ValueError(f"x: got shape {x.shape}; expected at least two axes (N, ..., C)")
        shape = (*x.shape[:-1], self.groups, self.channels // self.groups)
        axes = (*range(1, x.ndim - 1), x.ndim)
        y = _normalised(x.reshape(shape), axes, self.epsilon)
        return self._scaled(y.reshape(x.shape), x.dtype)


def _normalised(x: jax.Array, axes: tuple[int, ...], epsilon: float) -> jax.Array:
    """`(x - mean) / sqrt(variance + epsilon)` over `axes`, in at least 32 bits, in two passes.

    The mean of large numbers is itself rounded, so what is left of it is subtracted once more. The
    result does not depend on the first mean, so that has no gradient.
    """
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    d = wide - lax.stop_gradient(jnp.mean(wide, axes, keepdims=True))
    d = d - jnp.mean(d, axes, keepdims=True)
    return d * lax.rsqrt(jnp.mean(d * d, axes, keepdims=True) + epsilon)
