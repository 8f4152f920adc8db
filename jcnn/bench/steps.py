"""The training step that several questions time, of one model or a population."""

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax

from jcnn.bench.record import relative_error
from jcnn.config import TrainConfig
from jcnn.layers import Conv2D, Sequential, train_mode
from jcnn.layers.model import SplitModel, split_model
from jcnn.models import ZOO, build
from jcnn.train.metrics import zero_totals
from jcnn.train.step import Carry, init_state, training_step

Convolution = Literal["jcnn", "nnx.Conv"]
# Largest relative differences between two compiled versions of a step. The loss is a continuous
# function of rounding errors. Gradients are not: if two cells of a max pooling are equal up to
# rounding, or a ReLU's input is zero up to rounding, rounding decides which cell gets the gradient
# or whether it passes, and all earlier gradients change. Seen with 16 models of conv4: the 7 whose
# gradients differed between jcnn's convolution and nnx.Conv each had 1 to 4 such cells (1e-8 to
# 6e-7 from zero, or 2e-7 to 1e-5 of the maximum apart); the 5 without any agreed to 4e-6. The same
# compiled step, with parameters moved by one rounding, changed a norm by up to 3e-3, a gradient by
# up to 1.2e-2 of its norm and one number by up to 5e-2 of the largest in 192 trials, the loss by
# 2e-7 in 128 others. So no bound on single numbers holds; the bounds on gradients are about twice
# the observed differences, and a gradient that is 1 % too large still fails.
LOSS, NORM, DIFFERENCE = 1e-5, 5e-3, 3e-2
# `step(carry, images, labels, key, count)` to the next carry.
Step = Callable[[Carry, jax.Array, jax.Array, jax.Array, Any], Carry]


class NnxConv(nnx.Module):
    """`flax.nnx.Conv` with the parameters of a `jcnn.layers.Conv2D`."""

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
    """A pure training step, initial states of the models, and a batch.

    Attributes:
        step: the step; its randomness depends on its key and count.
        carries: initial state of each model.
        images: `(B, H, W, C)` uint8.
        labels: `(B,)` int32.
        parts: the first model, split.
        config: settings of the step.
        classes: number of classes.
    """

    step: Step
    carries: list[Carry]
    images: jax.Array
    labels: jax.Array
    parts: SplitModel
    config: TrainConfig
    classes: int


def training_of(
    name: str, batch: int, *, models: int = 1, convolution: Convolution = "jcnn"
) -> Training:
    """The training step of a zoo model with `fit`'s default settings and random images.

    Args:
        name: name of the zoo model.
        batch: images per step.
        models: number of models, which differ in their parameters.
        convolution: implementation of the convolutions; both have the same parameters.
    """
    entry = ZOO[name]
    config = TrainConfig(batch_size=batch)
    parts = []
    for seed in range(models):
        model = build(name, seed=seed)
        if convolution == "nnx.Conv":
            assert isinstance(model, Sequential)
            for layer_name in model.names:
                layer = getattr(model, layer_name)
                if isinstance(layer, Conv2D):
                    setattr(model, layer_name, NnxConv(layer))
        parts.append(split_model(train_mode(model)))
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
        [(init_state(part.params, part.rest, config), zero_totals()) for part in parts],
        jnp.asarray(rng.integers(0, 256, (batch, *entry.input_shape)).astype(np.uint8)),
        jnp.asarray(rng.integers(0, entry.classes, batch).astype(np.int32)),
        parts[0],
        config,
        entry.classes,
    )


def in_a_loop(step: Step) -> Callable[..., Carry]:
    """`loop(carry, images, labels, key, steps)`: runs `steps` steps in one program.

    It is a while loop with a dynamic bound, as in the epoch program.
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
    """The arrays by which steps are compared: the loss, then each parameter's gradient.

    The gradients are Adam's first moments, which after one step are the gradients times a constant.
    (Parameters are less suitable: Adam's first update has the same size for every gradient, so a
    rounding error in place of zero becomes a full step.)
    """
    state, totals = carry
    return [np.asarray(totals.loss), *map(np.asarray, jax.tree.leaves(state.optimizer.mean))]


def step_error(answer: list[np.ndarray], reference: list[np.ndarray]) -> float:
    """The difference of two steps in multiples of the tolerance: at most 1 is correct.

    Args:
        answer, reference: from `answer_of`; arrays of a population are stacked.

    Returns:
        The largest of: the relative difference of the loss over `LOSS`; for every gradient, the
        relative difference of its norm over `NORM`, and the norm of the difference relative to its
        norm over `DIFFERENCE`. Infinite if a shape differs or a number is not finite.
    """
    if [np.shape(a) for a in answer] != [np.shape(r) for r in reference]:
        return math.inf
    loss, *gradients = answer
    expected, *true = reference
    errors = [relative_error(loss, expected) / LOSS]
    for ours, theirs in zip(gradients, true, strict=True):
        norm, own = float(np.linalg.norm(theirs)), float(np.linalg.norm(ours))
        off = relative_error(own, norm)
        errors += [off / NORM]
        if norm:
            errors += [float(np.linalg.norm(ours - theirs)) / norm / DIFFERENCE]
    return max(errors)
