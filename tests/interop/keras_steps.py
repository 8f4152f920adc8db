"""A model of jcnn in the middle of a training, and one update later."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jcnn import ops
from jcnn.config import TrainConfig
from jcnn.interop.imported import SavedOptimizer
from jcnn.layers import train_mode
from jcnn.runs.optimizer_file import slots_of
from jcnn.train.optimizers import optimizer


class Training:
    """A training with one batch.

    Args:
        model: in train mode; it is changed by every update.
        config: of the optimizer.
        x, labels: the batch, `(N, H, W, C)` float32 and `(N,)` ints.
        frozen: paths of parameters that are not trained begin so.
    """

    def __init__(
        self,
        model: nnx.Module,
        config: TrainConfig,
        x: np.ndarray,
        labels: np.ndarray,
        frozen: str = "none",
    ) -> None:
        self.model, self.config, self.x, self.labels = train_mode(model), config, x, labels
        self.wanted: Any = nnx.All(
            nnx.Param, lambda path, _: not "/".join(map(str, path)).startswith(frozen)
        )
        self.optimizer = optimizer(config)
        self.state = self.optimizer.init(nnx.state(self.model, self.wanted))
        self.updates = 0

    def update(self) -> None:
        """Make one update of the parameters and the statistics."""

        def loss(model: Any) -> jax.Array:
            return ops.cross_entropy(model(self.x), jnp.asarray(self.labels)).mean()

        gradients = nnx.grad(loss, argnums=nnx.DiffState(0, self.wanted))(self.model)
        params = nnx.state(self.model, self.wanted)
        rate = jnp.float32(self.config.learning_rate)
        changes, self.state = self.optimizer.update(
            gradients, self.state, params, learning_rate=rate
        )
        nnx.update(self.model, jax.tree.map(jnp.add, params, changes))
        self.updates += 1

    def saved(self) -> SavedOptimizer:
        """The optimizer as it is now."""
        leaves = jax.tree_util.tree_leaves_with_path(self.state)
        arrays = {
            "optimizer." + jax.tree_util.keystr(keys, simple=True, separator="."): np.asarray(leaf)
            for keys, leaf in leaves
        }
        config = self.config
        settings = {
            name: getattr(config, name)
            for name in (
                *("optimizer", "learning_rate", "weight_decay", "weight_decay_mask"),
                *("clip_value", "clip_norm", "global_clip_norm", "accumulate_steps"),
            )
        }
        return SavedOptimizer(settings, self.updates, slots_of(arrays))

    def arrays(self) -> dict[str, np.ndarray]:
        """The model's parameters and statistics by path."""
        state = nnx.to_flat_state(nnx.state(self.model, (nnx.Param, nnx.BatchStat)))
        return {"/".join(map(str, path)): np.asarray(one[...]) for path, one in state}
