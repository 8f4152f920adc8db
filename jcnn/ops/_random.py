"""Random bits for dropout: those of `jax.random.bits`, but in one pass.

On a CPU `jax.random.bits` runs the rounds of its generator as a loop over the whole array. It takes
25 times as long as unrolled rounds, which fuse into one pass over registers. On a GPU it makes its
counters in a kernel of their own, and the bits in another; unrolled rounds fuse into what reads
them.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import PartitionSpec as P

from jcnn.mesh import split_in_context

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


def less_than(key: jax.Array, shape: tuple[int, ...], bound: int | jax.Array) -> jax.Array:
    """Whether 16 random bits are less than `bound`, for each number.

    Args:
        key: one `jax.random.key`.
        shape: of the result.
        bound: 0 to 65536, an int or an int32 scalar.

    Returns:
        bool of `shape`: `jax.random.bits(key, shape, jnp.uint16) < bound`.
    """

    def by_jax(key: jax.Array) -> jax.Array:
        return jax.random.bits(key, shape, jnp.uint16).astype(jnp.int32) < bound

    def in_halves(key: jax.Array, count: int, start: jax.Array) -> jax.Array:
        # XLA does not fuse across a loop, here of two iterations. Without it XLA:CPU would
        # recompute the bits, slowly, inside everything that reads them, such as the gradient of
        # the pooling before the dropout.
        half = -(-count // 2)
        part = functools.partial(unrolled, key, half)
        mask: jax.Array = lax.map(part, start + jnp.array([0, half], jnp.uint32))
        return mask.reshape(-1)[:count]

    def at_once(key: jax.Array, count: int, start: jax.Array) -> jax.Array:
        return unrolled(key, count, start)

    def by_parts(part: Callable[[jax.Array, int, jax.Array], jax.Array], key: jax.Array) -> Any:
        if split is None or not split.divides(shape[0]):
            return part(key, count, jnp.uint32(0)).reshape(shape)
        own = (shape[0] // split.parts, *shape[1:])  # each device makes the bits of its examples
        mesh, axes = split

        def of_device(key: jax.Array) -> jax.Array:
            start = lax.axis_index(axes) * math.prod(own)
            return part(key, math.prod(own), start.astype(jnp.uint32)).reshape(own)

        return jax.shard_map(
            of_device,
            mesh=mesh,
            axis_names=set(axes),
            in_specs=P(),
            out_specs=P(axes),
            check_vma=False,
        )(key)

    def unrolled(key: jax.Array, count: int, first: jax.Array) -> jax.Array:
        words = _threefry(jax.random.key_data(key), lax.iota(jnp.uint32, count) + first)
        return (words & 0xFFFF).astype(jnp.int32) < bound

    count, split = math.prod(shape), split_in_context() if shape else None
    if 0 in shape:
        return jnp.zeros(shape, bool)
    if str(jax.random.key_impl(key)) != "threefry2x32" or count >= 2**32:
        return by_jax(key)
    halves, whole = functools.partial(by_parts, in_halves), functools.partial(by_parts, at_once)
    mask: jax.Array = lax.platform_dependent(
        key, cpu=halves, cuda=whole, rocm=whole, default=by_jax
    )
    return mask


def _threefry(key: jax.Array, counters: jax.Array) -> jax.Array:
    """Threefry-2x32 with 20 rounds, of the counters (0, c); the xor of its two words.

    Reference: Salmon, Moraes, Dror and Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", 2011.
    """
    keys = (key[0], key[1], key[0] ^ key[1] ^ 0x1BD11BDA)
    x, y = jnp.broadcast_to(keys[0], counters.shape), counters + keys[1]
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            x = x + y
            y = x ^ (y << rotation | y >> (32 - rotation))
        x = x + keys[(group + 1) % 3]
        y = y + keys[(group + 2) % 3] + (group + 1)
    return x ^ y
