"""Batch normalisation, with statistics that are accurate even where the mean is large."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from jcnn import ops

# The shift is a mean over this many rows and columns of every example.
_GRID = 4


class BatchNormalization(nnx.BatchNorm):
    """Batch normalisation over all axes but the last, with Keras's names and defaults.

    In train mode `y = (x - mean) / sqrt(variance + epsilon) * scale + bias` with the mean and the
    (biased) variance of the batch, and the running statistics are updated:
    `running = momentum * running + (1 - momentum) * batch`. Eval mode uses the running statistics.
    They start at mean 0 and variance 1, which with momentum 0.99 still has a weight of 37 % after
    100 steps and of 90 % after 10. For a short training use a smaller momentum, such as 0.9, or
    evaluation uses other statistics than training did.

    Statistics are computed in at least float32. An empty batch does not change the running ones.

    Args:
        channels: C, the last axis of the input.
        momentum: weight of the running statistics in their update, in [0, 1].
        epsilon: added to the variance, at least 0.
        center: whether a bias `(C,)` is added; it starts at 0.
        scale: whether the result is multiplied by a scale `(C,)`; it starts at 1.
        rngs: as for `nnx.BatchNorm`.

    Raises:
        ValueError: `momentum` or `epsilon` is out of range.

    Reference: Ioffe and Szegedy, "Batch Normalization", 2015, algorithm 1.
    """

    def __init__(
        self,
        channels: int,
        *,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        rngs: nnx.Rngs,
    ) -> None:
        channels = ops.check_size("channels", channels)
        if not 0 <= momentum <= 1:
            raise ValueError(f"momentum: got {momentum!r}; accepted: 0 <= momentum <= 1")
        if not 0 <= epsilon < float("inf"):
            raise ValueError(f"epsilon: got {epsilon!r}; accepted: a finite number >= 0")
        super().__init__(
            channels,
            momentum=float(momentum),
            epsilon=float(epsilon),
            use_bias=center,
            use_scale=scale,
            rngs=rngs,
        )

    def __call__(
        self, x: jax.Array, use_running_average: bool | None = None, *, mask: Any = None
    ) -> jax.Array:
        """Normalise `x (..., C)`; the result has the dtype of `x`.

        Args:
            x: a floating-point type.
            use_running_average: whether to use the running statistics; None means by the mode.
            mask: bool, broadcastable to `x`: which numbers count in the batch statistics.
        """
        ops.check_channels(x, self.num_features)
        if x.size == 0:
            return x
        stored = self.use_running_average if use_running_average is None else use_running_average
        wide = jnp.promote_types(x.dtype, jnp.float32)
        if stored:
            shifted, mean, variance = x.astype(wide), self.mean[...], self.var[...]
        else:
            shifted, shift, mean, variance = _statistics(x.astype(wide), mask)
            for running, batch in ((self.mean, shift + mean), (self.var, variance)):
                moved = self.momentum * running[...] + (1 - self.momentum) * batch
                # Assigned as a whole: for `running[...] =`, Flax compares shardings, for which JAX
                # formats the whole program while it traces.
                running.set_value(lax.stop_gradient(moved).astype(running.dtype))
        factor = lax.rsqrt(variance.astype(wide) + self.epsilon)
        if self.scale is not None:
            factor = factor * self.scale[...].astype(wide)
        y = (shifted - mean.astype(wide)) * factor
        if self.bias is not None:
            y = y + self.bias[...].astype(wide)
        return y.astype(x.dtype)


def _statistics(x: jax.Array, mask: Any) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """`x - shift`, the shift, and the mean and the variance of `x - shift`, all by channel.

    E[d^2] - E[d]^2 takes one pass over the numbers. It is correct for d = x - shift with any shift,
    to every order of differentiation, and accurate if the shift is near the mean. The shift here is
    the mean of a share s of the numbers, a grid of every example. It differs from the mean by at
    most sqrt((1 - s) / s) standard deviations, whatever the numbers, so the variance loses at most
    1 / s roundings. Everything after is computed from d, since a mean of 5000 in float32 is itself
    rounded by 2e-4.

    Reference: Chan, Golub and LeVeque, "Algorithms for Computing the Sample Variance", 1983.
    """
    axes = tuple(range(x.ndim - 1))
    steps = [-(-size // _GRID) for size in x.shape[1:-1]]
    grid = (slice(None), *(slice((step - 1) // 2, None, step) for step in steps))
    near = jnp.mean(x[grid], axes) if mask is None else jnp.mean(x, axes, where=mask)
    shift = lax.stop_gradient(near)
    d = x - shift
    mean = jnp.mean(d, axes, where=mask)
    variance = jnp.maximum(jnp.mean(d * d, axes, where=mask) - mean * mean, 0)
    return d, shift, mean, variance
