"""Dropout number by number: the mask that jcnn draws for a seed, and the scale."""

from dataclasses import dataclass
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np

from jcnn.ops import check_rate
from jcnn.ops import dropout as drop
from jcnn.trace.grids import Grid, Stack, shape_of
from jcnn.trace.numbers import Number, exact, show_number

_STEPS = 65_536  # the mask takes 16 random bits a number
_MOST_SEED = 2**32 - 1  # larger seeds lose bits in 32-bit JAX


@dataclass(frozen=True)
class Dropped:
    """A dropout.

    Attributes:
        rate: the share to drop, as given.
        applied: the rate that is applied: `rate`, rounded to a multiple of 1/65536.
        seed: of the mask.
        scale: 1 / (1 - applied), by which each kept number is multiplied.
        inputs, values: one grid per channel, before and after.
        mask: one grid per channel: 1 is kept, 0 is dropped.
    """

    rate: Number
    applied: Number
    seed: int
    scale: Number
    inputs: Stack
    mask: Stack
    values: Stack

    def why(self, channel: int, row: int, column: int) -> str:
        """The product of number, mask and scale, such as "3 * 1 / (1 - 0.5)"."""
        number, kept = self.inputs[channel][row][column], self.mask[channel][row][column]
        return f"{show_number(number)} * {kept} / (1 - {show_number(self.applied)})"


def dropout(inputs: Stack, rate: Number, seed: int) -> Dropped:
    """Drop numbers by the mask of `jcnn.ops.dropout` for `jax.random.key(seed)`, exactly scaled.

    Args:
        inputs: one grid of H x W for each of C channels; the mask is that of an array
            `(1, H, W, C)`.
        rate: share to drop, `0 <= rate < 1`.
        seed: 0 to 4294967295.

    Raises:
        ValueError: the rate or the seed is out of range.
    """
    if not 0 <= rate < 1:
        raise ValueError(f"rate: got {show_number(rate)}; accepted: 0 <= rate < 1")
    if not 0 <= seed <= _MOST_SEED:
        raise ValueError(f"seed: got {seed}; accepted: 0 to {_MOST_SEED}")
    kept = max(_STEPS - round(check_rate(float(rate)) * _STEPS), 1)
    applied, scale = exact(1 - Fraction(kept, _STEPS)), exact(Fraction(_STEPS, kept))
    ones = jnp.ones((1, *shape_of(inputs)), jnp.float32)
    cube = np.asarray(drop(ones, float(rate), key=jax.random.key(seed)) != 0)[0]
    mask = tuple(_whole(cube[:, :, channel].tolist()) for channel in range(len(inputs)))
    values = tuple(
        tuple(
            tuple(exact(number * on * scale) for number, on in zip(*rows, strict=True))
            for rows in zip(*grids, strict=True)
        )
        for grids in zip(inputs, mask, strict=True)
    )
    return Dropped(rate, applied, seed, scale, inputs, mask, values)


def _whole(rows: list[list[bool]]) -> Grid:
    return tuple(tuple(map(int, row)) for row in rows)
