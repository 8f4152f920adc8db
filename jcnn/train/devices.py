"""The devices of a training or a prediction, and where its arrays are.

The programs are those of one device. JAX's partitioner splits them: the examples of a batch over
all axes of a mesh, the parameters nowhere, or large ones over its axis "model". So the arithmetic
is that of the whole batch, batch statistics and random numbers included, up to the order of sums.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jcnn.config import DeviceCount
from jcnn.mesh import BATCH_AXES

# Arrays with fewer numbers stay whole on each device.
LARGE = 2**18


def mesh_of(devices: DeviceCount, model_parallel: int = 1) -> Mesh | None:
    """The mesh of a number of devices; None for one device, which needs none.

    Args:
        devices: how many, or "all"; of all processes together.
        model_parallel: over how many of them large parameters are split.

    Raises:
        ValueError: there are fewer devices, or `model_parallel` does not divide their number.
    """
    found = jax.devices()
    count = len(found) if devices == "all" else devices
    if count > len(found):
        kind = found[0].platform
        simulate = f"; JAX_NUM_CPU_DEVICES={count} simulates them" if kind == "cpu" else ""
        raise ValueError(
            f"devices: got {count}; accepted: at most {len(found)}, what JAX finds here "
            f"({kind}){simulate}"
        )
    if count < len(found) and jax.process_count() > 1:
        raise ValueError(
            f"devices: got {count}; accepted: all, or {len(found)}, those of all "
            f"{jax.process_count()} processes"
        )
    if count % model_parallel:
        raise ValueError(
            f"model_parallel: got {model_parallel}; accepted: a divisor of {count}, the number of "
            "devices"
        )
    return None if count == 1 else make_mesh(found[:count], model_parallel)


def make_mesh(devices: list[jax.Device], model_parallel: int = 1) -> Mesh:
    """A mesh of these devices: axis "data", and axis "model" if parameters are split."""
    shape = (-1, model_parallel)[: 1 + (model_parallel > 1)]
    axes = BATCH_AXES[: len(shape)]
    return Mesh(np.array(devices).reshape(shape), axes, axis_types=(AxisType.Auto,) * len(axes))


def check_divides(mesh: Mesh | None, name: str, count: int, *, what: str = "") -> None:
    """Raise a ValueError that names an argument whose value the devices do not divide."""
    if mesh is None or count % mesh.size == 0:
        return
    below, above = count // mesh.size * mesh.size, -(-count // mesh.size) * mesh.size
    near = f"{below} or {above}" if below else f"{above}"
    raise ValueError(
        f"{name}: got {count}{what} on {mesh.size} devices; accepted: a multiple of {mesh.size}, "
        f"such as {near}"
    )


def in_context(mesh: Mesh | None) -> AbstractContextManager[Any]:
    """In a traced function: says that the examples of a batch are split over this mesh."""
    return nullcontext() if mesh is None else jax.sharding.use_abstract_mesh(mesh.abstract_mesh)


def batch_spec(mesh: Mesh) -> P:
    """Examples, the first axis of an array, split over all axes of a mesh."""
    return P(mesh.axis_names)


def split_examples(mesh: Mesh | None, x: jax.Array) -> jax.Array:
    """In a traced function: split the first axis over the devices, if they divide it.

    They may not divide the partial last batch of an epoch, of which each then computes all.
    """
    if mesh is None or len(x) % mesh.size:
        return x
    split: jax.Array = lax.with_sharding_constraint(x, NamedSharding(mesh, batch_spec(mesh)))
    return split


def parameter_spec(shape: tuple[int, ...], mesh: Mesh) -> P:
    """How an array of the model or its optimizer is split: a large one over axis "model".

    Its longest axis that this divides is split, as in fully sharded data parallelism (Zhao et al.,
    "PyTorch FSDP", 2023): a device has a part of each array, and gathers it where it is used.
    """
    parts = mesh.shape.get("model", 1)
    able = [axis for axis, size in enumerate(shape) if size % parts == 0]
    if parts == 1 or np.prod(shape) < LARGE or not able:
        return P()
    longest = max(able, key=lambda axis: (shape[axis], axis))
    return P(*(None,) * longest, "model")


def keep_parameters(mesh: Mesh | None, tree: Any) -> Any:
    """In a traced function: split arrays of the model and its optimizer by `parameter_spec`."""
    if mesh is None:
        return tree

    def keep(x: jax.Array) -> jax.Array:
        sharding = NamedSharding(mesh, parameter_spec(x.shape, mesh))
        kept: jax.Array = lax.with_sharding_constraint(x, sharding)
        return kept

    return jax.tree.map(keep, tree)


def place_parameters(mesh: Mesh | None, tree: Any) -> Any:
    """Copy arrays of the model and its optimizer to the devices, split by `parameter_spec`."""
    if mesh is None:
        return tree

    def put(x: Any) -> jax.Array:
        return place(np.array(x), NamedSharding(mesh, parameter_spec(x.shape, mesh)))

    return jax.tree.map(put, tree)


def place_whole(mesh: Mesh | None, tree: Any) -> Any:
    """Copy arrays to each device."""
    if mesh is None:
        return jax.device_put(tree)
    return jax.tree.map(lambda x: place(np.asarray(x), NamedSharding(mesh, P())), tree)


def place_members(mesh: Mesh | None, tree: Any) -> Any:
    """Copy the arrays of a population to the devices, the first axis split."""
    if mesh is None:
        return tree
    return jax.tree.map(lambda x: place(np.array(x), NamedSharding(mesh, P("data"))), tree)


def place(x: np.ndarray, sharding: NamedSharding) -> jax.Array:
    """Copy an array, which all processes have, to the devices of this process."""
    return jax.make_array_from_callback(x.shape, sharding, lambda index: x[index])


def place_batches(
    mesh: Mesh, read: Callable[[np.ndarray], np.ndarray], rows: np.ndarray
) -> jax.Array:
    """Read batches of examples, each process those of its own devices.

    Args:
        mesh: splits the examples of a batch.
        read: gives the examples of rows `(n,)`.
        rows: `(S, B)`, of S batches.

    Returns:
        `(S, B, ...)`.
    """
    example = read(rows[0, :0])
    shape = (*rows.shape, *example.shape[1:])

    def part(index: tuple[slice, ...] | None) -> np.ndarray:
        assert index is not None
        own = rows[index[0], index[1]]
        return read(own.reshape(-1)).reshape(*own.shape, *example.shape[1:])

    sharding = NamedSharding(mesh, P(None, mesh.axis_names))
    return jax.make_array_from_callback(shape, sharding, part)


def on_one_device(tree: Any) -> Any:
    """Arrays on any devices as whole arrays on the first one of this process."""
    return jax.tree.map(lambda x: x.addressable_data(0), gathered(tree))


def gathered(tree: Any) -> Any:
    """Arrays on any devices, whole on each of them; called in all processes."""

    def gather(x: Any) -> Any:
        if not isinstance(x, jax.Array) or x.is_fully_replicated:
            return x
        assert isinstance(x.sharding, NamedSharding)
        return jax.jit(_same, out_shardings=NamedSharding(x.sharding.mesh, P()))(x)

    return jax.tree.map(gather, tree)


def copied(tree: Any) -> Any:
    """Copies of arrays, where they are."""
    return _copied(tree)


@jax.jit
def _copied(tree: Any) -> Any:
    return jax.tree.map(jnp.copy, tree)


def _same(x: jax.Array) -> jax.Array:
    return x
