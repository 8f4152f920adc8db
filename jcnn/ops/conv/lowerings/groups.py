"""Lowering "groups": each group of a grouped convolution as a plain convolution."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp

from jcnn.ops.conv.lowerings import lax as lax_lowering
from jcnn.ops.conv.lowerings.lowering import Conv, Lowering, Params

# Maximum number of groups: each is compiled.
_MOST = 64


def convolve(x: jax.Array, kernel: jax.Array, precision: Any, p: Params) -> jax.Array:
    """Convolve each group by itself."""
    inputs, kernels = (jnp.split(array, p.groups, axis=-1) for array in (x, kernel))
    alone = replace(p, groups=1)
    parts = zip(inputs, kernels, strict=True)
    made = [lax_lowering.convolve(one, cells, precision, alone) for one, cells in parts]
    return jnp.concatenate(made, axis=-1)


def _unsupported(conv: Conv) -> str | None:
    groups = conv.params.groups
    if not 1 < groups <= _MOST:
        return f"{groups} groups; from 2 to {_MOST}, as each is compiled"
    return None


LOWERING = Lowering(convolve, _unsupported)
