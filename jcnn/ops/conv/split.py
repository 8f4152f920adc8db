"""How the examples of a convolution are split over devices.

XLA partitions its own operations, but not a call of compiled code: all devices would gather all
images and compute the same. (`jax.experimental.custom_partitioning` would tell it how, but puts a
pointer into the program, so that no compiled program is found in the cache by the next process.)
So where it is known how the images are split, the primitive is lowered inside `jax.shard_map`: each
device runs the lowering on its own images, the table sees their number, and the gradient by the
kernel is summed over the devices. It is known

    from the type of the images, on a mesh with explicit axes;
    from the mesh in context, if its axes are automatic (`jcnn.mesh`).

In any other program for several devices, "auto" takes "lax", which XLA partitions. Inside a user's
own `jax.shard_map` the images are those of one device already.
"""

from collections.abc import Callable
from typing import Any

import jax
from jax import lax
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from jcnn.mesh import Split, split_in_context

Spec = tuple[Any, ...]


def split_of(images: jax.Array) -> Split | None:
    """How axis 1 of images `(M, N, H, W, C)` is split; None on one device, or if it is unknown."""
    typed = jax.typeof(images).sharding
    axes = _names(typed.spec[1]) if not typed.mesh.empty else ()
    if axes:
        return Split(typed.mesh, axes)
    return split_in_context()


def on_each_device(
    function: Callable[[jax.Array, jax.Array], jax.Array], split: Split, *, by_kernel: bool
) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """A convolution of split images, or its gradient by the kernel, summed over the devices.

    Args:
        function: of the images and the kernel of one device, or of its images and its part of the
            result's gradient.
        split: of the images.
        by_kernel: whether it is the gradient by the kernel.
    """
    images, whole = P(None, split.axes), P()

    def summed(a: jax.Array, b: jax.Array) -> jax.Array:
        y: jax.Array = lax.psum(function(a, b), split.axes)
        return y

    return jax.shard_map(
        summed if by_kernel else function,
        mesh=split.mesh,
        axis_names=set(split.axes),
        in_specs=(images, images if by_kernel else whole),
        out_specs=whole if by_kernel else images,
        check_vma=False,
    )


def result_sharding(a: Any, b: Any, *, by_kernel: bool) -> NamedSharding | None:
    """The sharding in the type of a result, on a mesh with explicit axes; None without such a mesh.

    Args:
        a, b: types of the operands.
        by_kernel: whether the result is the gradient by the kernel.

    Raises:
        ValueError: something else than the examples is split.
    """
    meshes = [one.sharding.mesh for one in (a, b) if not one.sharding.mesh.empty]
    if not meshes:
        return None
    first, second = (_spec(one) for one in (a, b))
    examples = first[1]
    alike = second[1] == examples if by_kernel else second[1] is None
    others = [*first[:1], *first[2:], *second[:1], *second[2:]]
    if not alike or any(name is not None for name in others):
        raise ValueError(
            f"conv2d: got operands with shardings {first[1:]} and {second[1:]}; accepted: the "
            "examples split and all else whole, such as P('data') with P(); others by jax.reshard"
        )
    return NamedSharding(meshes[0], P(None, None if by_kernel else examples, None, None, None))


def varying_alike(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The operands, marked inside `jax.shard_map` as varying over the same axes."""
    of_a, of_b = (jax.typeof(one).manual_axis_type.varying for one in (a, b))
    if of_a == of_b:
        return a, b
    together = of_a | of_b
    return _varying(a, together - of_a), _varying(b, together - of_b)


def _varying(x: jax.Array, axes: frozenset[str]) -> jax.Array:
    cast: jax.Array = lax.pcast(x, tuple(sorted(axes)), to="varying") if axes else x
    return cast


def _spec(one: Any) -> Spec:
    return (None,) * one.ndim if one.sharding.mesh.empty else tuple(one.sharding.spec)


def _names(entry: Any) -> tuple[str, ...]:
    """The axes in one entry of a `PartitionSpec`."""
    if entry is None or entry is P.UNCONSTRAINED:
        return ()
    return (entry,) if isinstance(entry, str) else tuple(entry)
