"""The training step that several questions time: one model's, or that of several side by side."""

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
from jcnn.layers import Conv2D, train_mode
from jcnn.layers.model import SplitModel, split_model
from jcnn.models import ZOO, build
from jcnn.train.metrics import zero_totals
from jcnn.train.step import Carry, init_state, training_step

Convolution = Literal["jcnn", "nnx.Conv"]
# What two forms of a step may differ by, relative. The loss is continuous in what rounding does.
# Gradients are not: where two cells of a max pooling are equal but for rounding, or a ReLU's input
# is zero but for rounding, the form decides which cell gets the gradient or whether it passes, and
# everything before it changes. Seen with 16 models of conv4: the 7 whose gradients differed
# between jcnn's convolution and nnx.Conv each had 1 to 4 such cells (1e-8 to 6e-7 from zero, or
# 2e-7 to 1e-5 of the maximum apart); the 5 without any agreed to 4e-6. One and the same compiled
# step, with parameters moved by one rounding, changed a norm by up to 3e-3, a gradient by up to
# 1.2e-2 of its norm and one number by up to 5e-2 of the largest in 192 trials, the loss by 2e-7 in
# 128 others. So no bound on single numbers holds; those on gradients are about twice what was
# seen, and a gradient that is 1 % too large is still wrong.
LOSS, NORM, DIFFERENCE = 1e-5, 5e-3, 3e-2
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
    parts: SplitModel
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
    """The numbers by which steps are compared: the loss, then each parameter's gradient.

    The gradients are Adam's running means, which after one step are the gradients to a factor.
    (The parameters tell less: Adam's first update has the same size for every gradient, so that a
    rounding error of one that should be zero becomes a full step.)
    """
    state, totals = carry
    return [np.asarray(totals.loss), *map(np.asarray, jax.tree.leaves(state.optimizer.mean))]


def step_error(answer: list[np.ndarray], reference: list[np.ndarray]) -> float:
    """How far a step is off another, in multiples of what it may be: right is 1 or less.

    Args:
        answer, reference: from `answer_of`; of several models, the arrays of all together.

    Returns:
        The largest of: the losses' relative difference over `LOSS`; of every gradient, the
        relative difference of its norm over `NORM`, and the norm of its difference over its norm,
        over `DIFFERENCE`. Infinite where a shape differs or a number is not finite.
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
