"""Models of jcnn to be written as Keras's files: every kind of node, with asymmetric arrays."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jcnn import layers, ops
from jcnn.models import build

Case = tuple[Callable[[], nnx.Module], tuple[int, int, int]]


def drawn(model: nnx.Module, seed: int = 1) -> nnx.Module:
    """The model with random parameters and statistics of usual sizes."""
    rng = np.random.default_rng(seed)
    for path, variable in nnx.to_flat_state(nnx.state(model, (nnx.Param, nnx.BatchStat))):
        array: Any = variable[...]
        width = max(1.0, float(np.sqrt(np.prod(array.shape[:-1]))))
        values = rng.normal(0, 1.6 / width, array.shape)
        if path[-1] == "var":
            values = np.abs(values) + 0.5
        elif path[-1] in ("scale", "gamma"):
            values = 1 + values / 4
        elif array.ndim == 1:
            values /= 5
        variable[...] = jnp.asarray(values, jnp.float32)
    return model


def settled(model: nnx.Module, shape: tuple[int, int, int]) -> nnx.Module:
    """The model with random parameters and the statistics of random images.

    Without them, the numbers of a deep network vanish, and its output is that of its last bias.
    """
    drawn(model)
    norms: list[Any] = [
        module for _, module in nnx.iter_modules(model) if isinstance(module, nnx.BatchNorm)
    ]
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    apply: Any = layers.train_mode(model)
    apply(np.random.default_rng(5).normal(0, 2, (4, *shape)).astype(np.float32))
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum
    return model


class Net(nnx.Module):
    """Layers by name, and a function that calls them.

    Args:
        call: the model's function of the model and the images.
        parts: the layers and parameters.
    """

    def __init__(self, call: Callable[[Any, jax.Array], Any], **parts: Any) -> None:
        self.call = call
        for name, part in parts.items():
            setattr(self, name, part)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Apply the function to `x (N, H, W, C)`."""
        y: jax.Array = self.call(self, x)
        return y


def chain() -> nnx.Module:
    """A classifier as in the lectures."""
    rngs = nnx.Rngs(0)
    return layers.Sequential(
        [
            layers.Conv2D(2, 4, (3, 2), activation=ops.relu, rngs=rngs),
            layers.MaxPooling2D(2),
            layers.Conv2D(4, 5, 3, padding="VALID", use_bias=False, rngs=rngs),
            layers.BatchNormalization(5, rngs=rngs),
            ops.relu,
            layers.Dropout(0.25, rngs=rngs),
            layers.Flatten(),
            layers.Dense(10, 6, activation=ops.tanh, rngs=rngs),
            layers.Dense(6, 4, rngs=rngs),
        ]
    )


def windows() -> nnx.Module:
    """Strides, dilations, even kernels, groups and paddings, together and alone."""
    rngs = nnx.Rngs(0)
    made = [
        layers.Conv2D(3, 6, (4, 2), stride=(2, 1), padding="SAME", rngs=rngs),
        layers.BatchNormalization(6, rngs=rngs),
        layers.Conv2D(6, 8, (2, 3), dilation=2, stride=(1, 2), padding=((2, 1), (0, 3)), rngs=rngs),
        layers.Conv2D(8, 8, 3, groups=4, padding=((1, 1), (1, 1)), stride=2, rngs=rngs),
        layers.DepthwiseConv2D(8, (2, 3), depth_multiplier=2, dilation=(2, 1), rngs=rngs),
        layers.DepthwiseConv2D(16, 3, stride=1, padding=((2, 0), (0, 1)), rngs=rngs),
        layers.SeparableConv2D(16, 6, 3, activation=ops.silu, rngs=rngs),
        layers.Flatten(),
        layers.Dense(120, 3, rngs=rngs),
    ]
    return layers.Sequential(made)


def _branches(self: Any, x: jax.Array) -> Any:
    a = ops.relu(self.norm(self.a(x)))
    b = self.b(x)
    gate = ops.hard_sigmoid(self.gate(ops.global_average_pool2d(a, keepdims=True)))
    y = jnp.concatenate([a * gate, a + b, ops.max_pool2d(b, 3, stride=1, padding="SAME")], -1)
    y = self.layer_norm(self.group_norm(y))
    tall = jnp.concatenate([y, ops.leaky_relu(y, 0.3)], 1)
    return self.head(ops.global_max_pool2d(ops.elu(tall, 0.7)))


def branches() -> nnx.Module:
    """A sum, a product with a gate, and concatenations."""
    rngs = nnx.Rngs(0)
    return Net(
        _branches,
        a=layers.Conv2D(3, 4, 3, use_bias=False, rngs=rngs),
        b=layers.Conv2D(3, 4, 1, activation=ops.gelu, rngs=rngs),
        norm=layers.BatchNormalization(4, scale=False, rngs=rngs),
        gate=layers.Conv2D(4, 4, 1, rngs=rngs),
        group_norm=layers.GroupNormalization(12, 3),
        layer_norm=layers.LayerNormalization(12, epsilon=1e-6),
        head=layers.Dense(12, 5, rngs=rngs),
    )


def _poolings(self: Any, x: jax.Array) -> Any:
    one = ops.max_pool2d(x, 3, stride=2, padding=1)
    two = ops.avg_pool2d(x, (3, 4), stride=2, padding=((1, 1), (1, 2)))
    three = ops.max_pool2d(ops.relu(x), 3, stride=2, padding=((2, 0), (1, 1)))
    four = ops.avg_pool2d(x, 2, stride=2, padding="SAME")
    y = jnp.concatenate([one, two, three, four], -1)
    y = ops.upsample2d(y, (2, 1), interpolation="bilinear")
    y = ops.upsample2d(ops.crop2d(ops.zero_pad2d(y, ((1, 0), (2, 1))), ((2, 1), (0, 1))), 2)
    y = self.up(ops.mish(y))
    y = self.even(ops.selu(self.wide(y)))
    y = ops.softplus(self.dilated(y))
    y = ops.sigmoid(y - 1).reshape(y.shape[0], -1, 2)
    return self.head(y.reshape(y.shape[0], -1))


def poolings() -> nnx.Module:
    """Poolings of all paddings, changes of size, transposed convolutions."""
    rngs = nnx.Rngs(0)
    return Net(
        _poolings,
        up=layers.Conv2DTranspose(
            8, 3, 3, stride=2, padding="SAME", activation=ops.relu, rngs=rngs
        ),
        wide=layers.Conv2DTranspose(3, 2, (2, 3), stride=(3, 1), padding="VALID", rngs=rngs),
        even=layers.Conv2DTranspose(2, 2, (4, 3), stride=2, padding=((1, 1), (1, 0)), rngs=rngs),
        dilated=layers.Conv2DTranspose(2, 2, (2, 3), dilation=2, padding="SAME", rngs=rngs),
        head=layers.Dense(22800, 3, rngs=rngs),
    )


def _functions(self: Any, x: jax.Array) -> Any:
    y = jax.nn.gelu(self.first(x)) * self.gamma[...]
    y = jax.nn.hard_swish((y - 0.25) / 0.5) * 0.75 + jnp.asarray([0.5, -1.0, 0.25, 2.0])
    y = self.drop(ops.relu6(self.second(y) * 2))
    y = ops.leaky_relu(self.third(ops.tanh(y)))
    return self.head(ops.flatten(self.spatial(y)))


def functions() -> nnx.Module:
    """Functions between layers, constants, a trained factor of channels."""
    rngs = nnx.Rngs(0)
    return Net(
        _functions,
        first=layers.Conv2D(2, 4, 3, rngs=rngs),
        second=nnx.Linear(4, 6, rngs=rngs),
        third=layers.Conv2D(6, 6, 1, rngs=rngs),
        drop=layers.StochasticDepth(0.2, rngs=rngs),
        spatial=layers.SpatialDropout2D(0.1, rngs=rngs),
        head=layers.Dense(180, 3, rngs=rngs),
        gamma=nnx.Param(jnp.ones(4)),
    )


SMALL: dict[str, Case] = {
    "chain": (chain, (7, 8, 2)),
    "windows": (windows, (17, 19, 3)),
    "branches": (branches, (6, 7, 3)),
    "poolings": (poolings, (9, 10, 2)),
    "functions": (functions, (6, 5, 2)),
}
ZOO: dict[str, Case] = {
    name: (functools.partial(build, name, seed=3), (64, 64, 3))
    for name in ("resnet18", "mobilenet_v2")
}
