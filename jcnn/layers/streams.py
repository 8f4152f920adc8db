"""Random streams that are fast to trace."""

from typing import Any

import jax
from flax import nnx


class Stream(nnx.RngStream):
    """`nnx.RngStream`, drawing the same keys.

    While JAX traces, Flax compares the shardings of the old and the new count at each draw. A
    traced array has none, and JAX formats the program so far for the message of that error, which
    takes most of the time of tracing a network of a hundred layers.
    """

    def __call__(self) -> jax.Array:
        """Draw a key."""
        key = jax.random.fold_in(self.key[...], self.count[...])
        self.count.set_value(self.count[...] + 1)
        return key


def streams(key: jax.Array) -> nnx.Rngs:
    """`nnx.Rngs(key)` of such a stream."""
    made: Any = nnx.Rngs(key)
    made.default = Stream(key, tag="default")
    rngs: nnx.Rngs = made
    return rngs
