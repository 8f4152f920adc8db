"""Dropout of whole feature maps, and of whole residual branches."""

import jax
from flax import nnx

from jcnn import ops
from jcnn.layers.basic import Dropout, DropoutRate


class SpatialDropout2D(Dropout):
    """Dropout of whole feature maps in train mode; identity in eval mode.

    Args:
        rate: share of the maps to drop, in [0, 1).
        rngs: as for `Dropout`.

    Raises:
        ValueError: `rate` is not a number in [0, 1).
    """

    def __call__(self, x: jax.Array) -> jax.Array:
        """Apply dropout to `x (N, H, W, C)`."""
        if self.deterministic:
            return x
        rate = self.rate[...] if isinstance(self.rate, DropoutRate) else self.rate
        return ops.spatial_dropout2d(x, rate, key=self.rngs())


def set_dropout(model: nnx.Module, rate: float) -> None:
    """Set the rate of every dropout layer of a model, Flax's too.

    Raises:
        ValueError: there is none.
    """
    kinds = Dropout | nnx.Dropout
    layers = [layer for _, layer in nnx.iter_modules(model) if isinstance(layer, kinds)]
    if not layers:
        raise ValueError(f"dropout: got {rate}, but the model has no dropout layer")
    for layer in layers:
        layer.rate = rate


class StochasticDepth(nnx.Module):
    """Drop a residual branch for a random share of the examples in train mode.

    The others are scaled by `1 / (1 - rate)`; in eval mode it is the identity. It is called on the
    branch, before the sum: `Add()([x, StochasticDepth(0.1, rngs=rngs)(branch)])`.

    Args:
        rate: share of the examples, in [0, 1).
        rngs: its `dropout` stream draws the masks; `fit` sets a new key at each step.

    Raises:
        ValueError: `rate` is not a number in [0, 1).
    """

    def __init__(self, rate: float, *, rngs: nnx.Rngs) -> None:
        self.rate = ops.check_rate(rate)
        self.deterministic = False  # the attribute that NNX's `eval()` sets
        self.rngs = rngs["dropout"].fork()

    def __call__(self, x: jax.Array) -> jax.Array:
        """Apply it to the branch `x (N, ...)`."""
        return x if self.deterministic else ops.stochastic_depth(x, self.rate, key=self.rngs())
