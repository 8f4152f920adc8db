"""Models that are chains, with every kind of layer, and parameters that are nowhere zero or one."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jcnn import ops
from jcnn.compile import run_once
from jcnn.layers import (
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    Layer,
    MaxPooling2D,
    SeparableConv2D,
    Sequential,
)


def shaken(model: nnx.Module) -> Any:
    """The model with every bias, scale, mean and variance changed from its initial value."""
    random = np.random.default_rng(1)

    def moved(array: jax.Array) -> jax.Array:
        return jnp.asarray(np.asarray(array) + random.uniform(0.1, 0.5, array.shape), array.dtype)

    nnx.update(model, jax.tree.map(moved, nnx.state(model, nnx.Any(nnx.Param, nnx.BatchStat))))
    return model


def drawn(make: Callable[[], nnx.Module]) -> Any:
    """Initialise a model in one compiled program; op by op, it would take seconds."""
    return shaken(nnx.merge(*run_once(lambda: nnx.split(make()))))


def of_every_layer() -> Any:
    """Every layer of jcnn that a page can show, for pictures of 12x11x3; 4 logits."""
    rngs = nnx.Rngs(3)
    leaky = partial(ops.leaky_relu, slope=0.3)
    layers: list[Layer] = [
        Conv2D(3, 4, (2, 3), stride=(1, 2), padding=((1, 0), (2, 1)), activation=leaky, rngs=rngs),
        BatchNormalization(4, rngs=rngs),
        ops.gelu,
        DepthwiseConv2D(4, (3, 2), depth_multiplier=2, dilation=(2, 1), rngs=rngs),
        AveragePooling2D(3, stride=2, padding="SAME"),
        SeparableConv2D(8, 6, (1, 3), depth_multiplier=2, activation=ops.tanh, rngs=rngs),
        Conv2D(6, 4, 3, groups=2, use_bias=False, rngs=rngs),
        MaxPooling2D((2, 1), stride=(1, 2), padding=((1, 0), (0, 0))),
        Flatten(),
        Dropout(0.25, rngs=rngs),
        Dense(48, 5, activation=jax.nn.silu, rngs=rngs),
        Dense(5, 4, use_bias=False, rngs=rngs),
    ]
    return Sequential(layers)


class OfFlax(nnx.Module):
    """A user-defined module of Flax layers, for pictures of 16x14x1; 3 logits."""

    def __init__(self) -> None:
        rngs = nnx.Rngs(5)
        self.conv1 = nnx.Conv(1, 4, (3, 4), strides=2, padding=((1, 2), (0, 3)), rngs=rngs)
        self.norm = nnx.BatchNorm(4, use_scale=False, rngs=rngs)
        self.conv2 = nnx.Conv(
            4, 6, (3, 3), kernel_dilation=(2, 1), feature_group_count=2, rngs=rngs
        )
        self.every_pixel = nnx.Linear(6, 5, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.hidden = nnx.Linear(10, 7, use_bias=False, rngs=rngs)
        self.head = nnx.Linear(7, 3, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits of `x (N, 16, 14, 1)`."""
        x = nnx.avg_pool(nnx.relu(self.norm(self.conv1(x))), (2, 2), strides=(2, 2))
        x = self.every_pixel(jax.nn.softplus(self.conv2(x)))
        x = self.dropout(jax.nn.elu(nnx.max_pool(x, (3, 3), strides=(1, 1))))
        return self.head(jnp.tanh(self.hidden(x.reshape(len(x), -1))))
