"""The order of each epoch's examples, for a data set, a seed and settings."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jcnn.config import TrainConfig
from jcnn.data import Dataset
from jcnn.data.blocks import keep_blocks
from jcnn.train.feature_views import views_of
from jcnn.train.prefetch import Order
from jcnn.train.programs import order_program


def order_of(dataset: Dataset, config: TrainConfig, seeds: jax.Array) -> Order:
    """From an epoch's number to its rows `(N,)`, or `(M, N)` for a population of M.

    Args:
        dataset: the training examples; rows of one of its blocks stay near each other.
        config: the settings.
        seeds: keys from `seed_keys`, `()` or `(M,)`.
    """
    examples, blocks = len(dataset), dataset.blocks
    program: Any = order_program(
        examples,
        shuffle=config.shuffle,
        population=bool(seeds.ndim),
        views=views_of(dataset),
    )

    def order(epoch: int) -> jax.Array:
        rows: jax.Array = program(seeds, epoch)
        if blocks is None or not config.shuffle:
            return rows
        plain = np.asarray(rows)
        first = plain // examples * examples  # of the epoch's view
        return jnp.asarray(keep_blocks(plain - first, blocks) + first)

    return order
