"""Layers of several inputs, which join branches: `Add()([x, y])`."""

import itertools
import operator
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from flax import nnx


class Add(nnx.Module):
    """Sum of arrays, as at the end of a residual block."""

    def __call__(self, inputs: Sequence[jax.Array]) -> jax.Array:
        """Add the arrays of a list or tuple.

        Args:
            inputs: of one dtype and the same shape; an axis other than the first may be 1, and is
                repeated, as a gate `(N, 1, 1, C)` for `(N, H, W, C)`.

        Raises:
            ValueError: a shape or dtype differs from the first array's.
        """
        return _merged(inputs, operator.add)


class Multiply(nnx.Module):
    """Product of arrays, as of feature maps and a gate."""

    def __call__(self, inputs: Sequence[jax.Array]) -> jax.Array:
        """Multiply the arrays of a list or tuple.

        Args:
            inputs: as for `Add`.

        Raises:
            ValueError: a shape or dtype differs from the first array's.
        """
        return _merged(inputs, operator.mul)


class Concatenate(nnx.Module):
    """Arrays one behind the other along an axis, by default the channels.

    Args:
        axis: of the concatenation; a negative one counts from the last.

    Raises:
        ValueError: `axis` is not an integer.
    """

    def __init__(self, axis: int = -1) -> None:
        try:
            self.axis = operator.index(axis)
        except TypeError:
            raise ValueError(f"axis: got {axis!r}; accepted: an int") from None

    def __call__(self, inputs: Sequence[jax.Array]) -> jax.Array:
        """Concatenate the arrays of a list or tuple.

        Args:
            inputs: of one dtype; their shapes differ in `axis` alone.

        Raises:
            ValueError: a shape or dtype does not fit the first array's, or it has no such axis.
        """
        first = _check_inputs(inputs)[0].shape
        if not -len(first) <= self.axis < len(first):
            raise ValueError(f"axis: got {self.axis} for inputs[0] of shape {first}")
        axis = self.axis % len(first)
        for position, array in enumerate(inputs):
            shape = array.shape
            if (*shape[:axis], *shape[axis + 1 :]) != (*first[:axis], *first[axis + 1 :]):
                raise _unequal(inputs, 0, position, f"equal sizes of all axes but axis {axis}")
        return jnp.concatenate(inputs, axis)


def _merged(
    inputs: Sequence[jax.Array], join: Callable[[jax.Array, jax.Array], jax.Array]
) -> jax.Array:
    """Join arrays in at least 32 bits, and round once to their dtype."""
    first = _check_inputs(inputs)[0]
    if not jnp.issubdtype(first.dtype, jnp.floating):
        raise ValueError(
            f"inputs: got dtype {first.dtype}; expected float16, bfloat16, float32 or float64"
        )
    for earlier, later in itertools.combinations(range(len(inputs)), 2):
        shapes = zip(inputs[earlier].shape, inputs[later].shape, strict=True)
        for axis, (one, other) in enumerate(shapes):
            if one != other and (axis == 0 or 1 not in (one, other)):
                accepted = "equal sizes, or 1 in an axis other than the first"
                raise _unequal(inputs, earlier, later, accepted)
    wide = jnp.promote_types(first.dtype, jnp.float32)
    total = first.astype(wide)
    for array in inputs[1:]:
        total = join(total, array.astype(wide))
    return total.astype(first.dtype)


def _check_inputs(inputs: Sequence[jax.Array]) -> Sequence[jax.Array]:
    if not isinstance(inputs, list | tuple):
        got = f"one array of shape {inputs.shape}" if hasattr(inputs, "shape") else repr(inputs)
        raise ValueError(f"inputs: got {got}; expected a list or tuple of arrays")
    if not inputs:
        raise ValueError("inputs: got none; expected a list or tuple of arrays")
    first = inputs[0]
    for position, array in enumerate(inputs):
        if array.dtype != first.dtype:
            raise ValueError(
                f"inputs[{position}]: got dtype {array.dtype} for inputs[0] of dtype {first.dtype}"
            )
        if array.ndim != first.ndim:
            raise _unequal(inputs, 0, position, "as many axes")
    return inputs


def _unequal(inputs: Sequence[jax.Array], earlier: int, later: int, accepted: str) -> ValueError:
    return ValueError(
        f"inputs[{later}]: got shape {inputs[later].shape} for inputs[{earlier}] of shape "
        f"{inputs[earlier].shape}; accepted: {accepted}"
    )
