"""Logits of images that several devices share, in eval mode."""

from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jcnn.compile import jit
from jcnn.data.batches import normalise
from jcnn.data.streamed import Images
from jcnn.train.devices import in_context, place_batches, split_examples
from jcnn.train.features import call
from jcnn.train.processes import together


def split_logits(
    graphdef: Any,
    states: tuple[Any, Any, Any],
    images: Images,
    batch_size: int,
    mesh: Mesh,
    *,
    chunk: int,
    mirror: bool = False,
) -> jax.Array:
    """The logits of images, each device computing its share of each batch.

    Args:
        graphdef, states: from `split_model(eval_mode(model))`; the states are on the mesh.
        images: `(N, H, W, C)` uint8, in host memory or streamed.
        batch_size: number of images in a batch; the next multiple of the devices is taken.
        mesh: of the devices.
        chunk: number of images that are on the devices at a time.
        mirror: mirror the images.

    Returns:
        `(N, K)`, whole on each device.
    """
    program = _program(graphdef, mesh)
    size = -(-min(batch_size, len(images)) // mesh.size) * mesh.size
    per_call = max(1, chunk // size) * size
    found = []

    def read(rows: np.ndarray) -> np.ndarray:
        taken = np.asarray(images[rows])
        return taken[:, :, ::-1] if mirror else taken

    for first in range(0, len(images), per_call):
        last = min(first + per_call, len(images))
        # The last batch is filled with repetitions of the last image, whose logits are dropped.
        rows = np.arange(first, first + -(-(last - first) // size) * size)
        batches = np.minimum(rows, last - 1).reshape(-1, size)
        placed = together(partial(place_batches, mesh, read, batches))
        found.append(program(*states, placed)[: last - first])
    return jnp.concatenate(found) if len(found) > 1 else found[0]


@lru_cache(maxsize=16)
def _program(graphdef: Any, mesh: Mesh) -> Any:
    """`logits(params, streams, rest, images (S, B, H, W, C))` to `(S * B, K)`."""

    def logits(params: Any, streams: Any, rest: Any, images: jax.Array) -> jax.Array:
        with in_context(mesh):
            model = nnx.merge(graphdef, params, streams, rest, copy=True)

            def one_batch(batch: jax.Array) -> jax.Array:
                x = normalise(batch) if batch.dtype == jnp.uint8 else batch
                y: jax.Array = call(model, split_examples(mesh, x))
                return y

            y = lax.map(one_batch, images)
            y = y.reshape(-1, *y.shape[2:])
            whole: jax.Array = lax.with_sharding_constraint(y, NamedSharding(mesh, P()))
            return whole

    return jit(logits)
