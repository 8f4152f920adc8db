"""Small data and models for the tests of training, with every kind of layer and state."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jcnn import ops
from jcnn.data import Dataset
from jcnn.layers import (
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    MaxPooling2D,
    Sequential,
)


def dataset(n: int = 50, seed: int = 0, classes: int = 3) -> Dataset:
    """Noise images `(n, 6, 5, 2)`, brighter in one corner for each class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n).astype(np.int32)
    images = rng.integers(0, 120, (n, 6, 5, 2)).astype(np.uint8)
    for i, label in enumerate(labels):
        images[i, label * 2 : label * 2 + 2, label : label + 2] += 120
    return Dataset(images, labels, tuple(f"class {k}" for k in range(classes)))


def model(seed: int = 0, classes: int = 3) -> Sequential:
    """Convolution, batch normalisation, pooling, two dropouts and dense, for `dataset()`."""
    rngs = nnx.Rngs(seed)
    return Sequential(
        [
            Conv2D(2, 4, activation=ops.relu, rngs=rngs),
            BatchNormalization(4, rngs=rngs),
            MaxPooling2D(),
            Dropout(0.25, rngs=rngs),
            Flatten(),
            Dropout(0.25, rngs=rngs),
            Dense(24, classes, rngs=rngs),
        ]
    )


class PlainNet(nnx.Module):
    """A user-defined module of Flax layers."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.conv = nnx.Conv(2, 4, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(4, momentum=0.9, rngs=rngs)
        self.dropout = nnx.Dropout(0.2, rngs=rngs)
        self.head = nnx.Linear(120, 3, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits of `x (N, 6, 5, 2)`."""
        x = nnx.relu(self.norm(self.conv(x)))
        return self.head(self.dropout(x).reshape(len(x), -1))


class Seen(nnx.Variable[jax.Array]):
    """How often each example was in a training batch."""


class Counter(nnx.Module):
    """A model that counts the one-hot images it is trained on; its logits are 0."""

    def __init__(self, examples: int) -> None:
        self.seen = Seen(jnp.zeros(examples))
        self.calls = Seen(jnp.zeros(()))
        self.deterministic = False
        self.scale = nnx.Param(jnp.ones(()))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Count `x (N, 1, examples, 1)`."""
        if not self.deterministic:
            self.seen[...] += x.sum((0, 1, 3))
            self.calls[...] += 1
        return self.scale * jnp.zeros((len(x), 2))


def arrays(model: nnx.Module) -> dict[str, Any]:
    """Every array of a model by path, without random streams."""
    state = nnx.state(model, nnx.Not(nnx.RngState))
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}


def assert_same_bits(a: nnx.Module, b: nnx.Module) -> None:
    """Compare two models bit for bit."""
    left, right = arrays(a), arrays(b)
    assert left.keys() == right.keys()
    for name, array in left.items():
        np.testing.assert_array_equal(array, right[name], err_msg=name)
