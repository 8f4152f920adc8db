"""Random streams that are fast to trace."""

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


class Streams(nnx.Rngs):
    """`nnx.Rngs(key)` with such a stream."""

    default: nnx.RngStream

    def __init__(self, key: jax.Array) -> None:
        super().__init__(key)
        self.default = Stream(key, tag="default")
