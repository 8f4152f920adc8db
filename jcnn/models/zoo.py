"""The table of models, and the functions that build them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from flax import nnx

from jcnn.compile import run_once
from jcnn.layers import Dropout, Initializer, LayerError, Sequential, glorot_uniform
from jcnn.models.efficientnet import efficientnet_lite0, efficientnet_lite1, efficientnet_lite2
from jcnn.models.lectures import (
    conv1,
    conv2,
    conv2pool,
    conv4,
    creatures,
    mlp,
    mlp_dropout,
    mnist_cnn,
    tiny_vgg,
)
from jcnn.suggest import did_you_mean


@dataclass(frozen=True)
class Entry:
    """A model of the zoo, with the default input shape and classes of its lecture."""

    build: Callable[..., nnx.Module]
    input_shape: tuple[int, int, int]
    classes: int
    source: str
    layers: str


ZOO: dict[str, Entry] = {
    "mlp": Entry(mlp, (28, 28, 1), 10, "lecture D", "dense 128, dense"),
    "mlp_dropout": Entry(mlp_dropout, (28, 28, 1), 10, "lecture D", "dense 128, dropout, dense"),
    "conv1": Entry(conv1, (28, 28, 1), 10, "lecture D", "conv 32, dropout, dense"),
    "conv2": Entry(conv2, (28, 28, 1), 10, "lecture D", "conv 32, conv 64, dropout, dense"),
    "conv2pool": Entry(
        conv2pool, (28, 28, 1), 10, "lecture D", "conv 32, conv 64, pool, dropout, dense"
    ),
    "conv4": Entry(
        conv4, (28, 28, 1), 10, "lecture D", "(conv, conv, pool, dropout) x 2, dropout, dense"
    ),
    "mnist_cnn": Entry(
        mnist_cnn,
        (28, 28, 1),
        10,
        "lecture C",
        "conv 32, conv 64, pool, dropout, dense 128, dropout, dense",
    ),
    "creatures": Entry(
        creatures, (100, 100, 3), 6, "lecture E", "(conv, conv, pool) x 2, dense 512, dense"
    ),
    "tiny_vgg": Entry(
        tiny_vgg, (64, 64, 3), 10, "CNN Explainer", "(conv 10, conv 10, pool) x 2, dense"
    ),
    # Networks with depthwise convolutions.
    "efficientnet_lite0": Entry(
        efficientnet_lite0, (224, 224, 3), 1000, "Liu 2020", "conv 32, 16 blocks, conv 1280, dense"
    ),
    "efficientnet_lite1": Entry(
        efficientnet_lite1, (240, 240, 3), 1000, "Liu 2020", "conv 32, 20 blocks, conv 1280, dense"
    ),
    "efficientnet_lite2": Entry(
        efficientnet_lite2, (260, 260, 3), 1000, "Liu 2020", "conv 32, 21 blocks, conv 1280, dense"
    ),
}


def build(
    name: str,
    input_shape: tuple[int, int, int] | None = None,
    classes: int | None = None,
    *,
    seed: int = 0,
    kernel_init: Initializer = glorot_uniform,
    dropout: float | None = None,
) -> Sequential:
    """Build a model of the zoo, with newly initialised parameters.

    Args:
        name: a name in `ZOO`.
        input_shape: `(H, W, C)` of the images; None means that of the model's lecture.
        classes: number of logits; None means that of the model's lecture.
        seed: seed of the parameters.
        kernel_init: as for `jcnn.layers.Conv2D`.
        dropout: rate of every dropout layer; None means each layer's own.

    Returns:
        A `Sequential` from `(N, H, W, C)` float32 in 0..1 to `(N, classes)` logits.

    Raises:
        ValueError: the name is unknown, or the images are too small for the model.
    """
    zoo_entry(name)

    def draw(seed: jax.Array) -> Any:
        key = jax.random.key(seed)
        return nnx.split(trace(name, input_shape, classes, seed=key, kernel_init=kernel_init))

    model: Sequential = nnx.merge(*run_once(draw, np.int64(seed)))
    if dropout is not None:
        for layer in model:
            if isinstance(layer, Dropout):
                layer.rate = dropout
    return model


def trace(
    name: str,
    input_shape: tuple[int, int, int] | None = None,
    classes: int | None = None,
    *,
    seed: int | jax.Array = 0,
    kernel_init: Initializer = glorot_uniform,
) -> Sequential:
    """`build` without compiling: for use inside `jax.eval_shape`, `jit` or `vmap`."""
    entry = zoo_entry(name)
    shape = entry.input_shape if input_shape is None else input_shape
    key = jax.random.key(seed) if isinstance(seed, int) else seed
    try:
        return entry.build(
            shape,
            entry.classes if classes is None else classes,
            kernel_init=kernel_init,
            rngs=nnx.Rngs(key),
        )
    except LayerError as error:
        raise ValueError(f"model: {name!r} cannot take images of shape {shape}: {error}") from error


def zoo_entry(name: str) -> Entry:
    """The entry of the table with this name.

    Raises:
        ValueError: the name is unknown.
    """
    if name not in ZOO:
        guess = did_you_mean(name, ZOO)
        raise ValueError(f"model: got {name!r}; accepted: {', '.join(ZOO)}{guess}")
    return ZOO[name]
