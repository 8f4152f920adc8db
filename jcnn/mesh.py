"""How the examples of a batch are split over devices, in functions that JAX traces.

A mesh with automatic axes that is in context (`jax.sharding.use_abstract_mesh`, `jax.set_mesh`)
splits them over its axes `BATCH_AXES`. XLA partitions most functions by itself. `by_examples` is
for those where it would gather all examples on each device, or compute all of them there.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import jax
from jax.sharding import AbstractMesh, AxisType
from jax.sharding import PartitionSpec as P

# The axes of a mesh that split the examples of a batch.
BATCH_AXES = ("data", "model")

T = TypeVar("T")


class Split(NamedTuple):
    """The axes of a mesh over which examples are split."""

    mesh: AbstractMesh
    axes: tuple[str, ...]

    @property
    def parts(self) -> int:
        """The number of parts."""
        return math.prod(self.mesh.shape[axis] for axis in self.axes)

    def divides(self, examples: Any) -> bool:
        """Whether each device gets as many examples as the others; a symbolic number is False."""
        return isinstance(examples, int) and examples % self.parts == 0


def split_in_context() -> Split | None:
    """How examples are split over the mesh in context; None without one."""
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty:
        return None
    types = dict(zip(mesh.axis_names, mesh.axis_types, strict=True))
    axes = tuple(name for name in BATCH_AXES if types.get(name) == AxisType.Auto)
    return Split(mesh, axes) if axes else None


def by_examples(function: Callable[..., T], *arrays: Any) -> T:
    """Call a function of each example, on each device for its own.

    Args:
        function: of arrays whose first axis is that of the examples, to such arrays.
        arrays: or trees of arrays.
    """
    split = split_in_context()
    if split is None or not split.divides(len(jax.tree.leaves(arrays)[0])):
        return function(*arrays)
    made: T = jax.shard_map(
        function,
        mesh=split.mesh,
        axis_names=set(split.axes),
        in_specs=P(split.axes),
        out_specs=P(split.axes),
        check_vma=False,
    )(*arrays)
    return made
