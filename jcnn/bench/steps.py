"""The training step that several questions time: one model's, or that of several side by side."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax

from jcnn.config import TrainConfig
from jcnn.layers import Conv2D, Parts, take_apart, training
from jcnn.metrics import zero_totals
from jcnn.models import ZOO, build
from jcnn.programs import Carry, first_state, training_step

Convolution = Literal["jcnn", "nnx.Conv"]
# `step(carry, images, labels, key, count)` to the next carry.
Step = Callable[[Carry, jax.Array, jax.Array, jax.Array, Any], Carry]


class NnxConv(nnx.Module):
    """Flax's own convolution with the parameters of one of ours."""

    def __init__(self, layer: Conv2D) -> None:
        rows, columns, channels, filters = layer.kernel.shape
        self.conv = nnx.Conv(
            channels, filters, (rows, columns), padding=str(layer.padding), rngs=nnx.Rngs(0)
        )
        self.conv.kernel[...] = layer.kernel[...]
        if layer.bias is not None and self.conv.bias is not None:
            self.conv.bias[...] = layer.bias[...]
        self.activation = layer.activation

    def __call__(self, x: jax.Array) -> jax.Array:
        """Convolve `x (N, H, W, C)`."""
        y = self.conv(x)
        return y if self.activation is None else self.activation(y)


class Training(NamedTuple):
    """A pure step, the states of some models before their first, and a batch.

    Attributes:
        step: dropout and the like follow from its key and count.
        carries: one for each model.
        images: `(B, H, W, C)` uint8.
        labels: `(B,)` int32.
        parts: of the first model.
        config: what the step is made by.
        classes: K.
    """

    step: Step
    carries: list[Carry]
    images: jax.Array
    labels: jax.Array
    parts: Parts
    config: TrainConfig
    classes: int


def training_of(
    name: str, batch: int, *, models: int = 1, convolution: Convolution = "jcnn"
) -> Training:
    """The step of a model of the zoo, by `fit`'s default settings, on random pictures.

    Args:
        name: of the zoo.
        batch: pictures.
        models: how many, each with parameters of its own.
        convolution: whose layers the model is built of; both have the same parameters.
    """
    entry = ZOO[name]
    config = TrainConfig(batch_size=batch)
    parts = []
    for seed in range(models):
        model = build(name, seed=seed)
        if convolution == "nnx.Conv":
            for layer_name in model.names:
                layer = getattr(model, layer_name)
                if isinstance(layer, Conv2D):
                    setattr(model, layer_name, NnxConv(layer))
        parts.append(take_apart(training(model)))
    made = training_step(
        parts[0].graphdef, parts[0].streams, config, steps=100, classes=entry.classes
    )

    def step(
        carry: Carry, images: jax.Array, labels: jax.Array, key: jax.Array, count: Any
    ) -> Carry:
        own = jax.random.fold_in(key, count)
        return made(carry, images, labels, own, count, jnp.float32(1e-3))

    rng = np.random.default_rng(0)
    return Training(
        step,
        [(first_state(part.params, part.rest, config), zero_totals()) for part in parts],
        jnp.asarray(rng.integers(0, 256, (batch, *entry.input_shape)).astype(np.uint8)),
        jnp.asarray(rng.integers(0, entry.classes, batch).astype(np.int32)),
        parts[0],
        config,
        entry.classes,
    )


def in_a_loop(step: Step) -> Callable[..., Carry]:
    """`loop(carry, images, labels, key, steps)`: that many steps inside one program.

    It is the while loop that `lax.scan` becomes, with a bound that is an argument, as in the
    epoch's program.
    """

    def loop(
        carry: Carry, images: jax.Array, labels: jax.Array, key: jax.Array, steps: jax.Array
    ) -> Carry:
        end: Carry = lax.fori_loop(
            0, steps, lambda i, carry: step(carry, images, labels, key, i), carry
        )
        return end

    return loop


def answer_of(carry: Carry) -> list[np.ndarray]:
    """The numbers by which steps are compared: the loss, and the optimizer's moments.

    After one step these are the gradients and their squares, to a factor. (The parameters tell
    less: Adam's first update has the same size for every gradient, so that a rounding error of
    one that should be zero becomes a full step.)
    """
    state, totals = carry
    leaves = jax.tree.leaves(state.optimizer)
    floats = [leaf for leaf in leaves if jnp.issubdtype(leaf.dtype, jnp.floating)]
    return [np.asarray(totals.loss), *(np.asarray(leaf) for leaf in floats)]
