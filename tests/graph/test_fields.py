"""Receptive fields of models with branches, against the pixels that change each unit."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jcnn import ops
from jcnn.graph import GraphModel, graph, receptive_fields
from jcnn.layers import (
    Conv2D,
    Conv2DTranspose,
    Dense,
    Flatten,
    GroupNormalization,
    MaxPooling2D,
    SqueezeExcitation,
    eval_mode,
)
from jcnn.models.mobilenet import InvertedResidual
from jcnn.models.squeezenet import Fire
from jcnn.models.zoo import trace
from tests.graph.models import Residual

Shape = tuple[int, int, int]


class Joined(nnx.Module):
    """A function of an image and of layers."""

    def __init__(
        self, function: Callable[[jax.Array, list[Any]], jax.Array], *layers: nnx.Module
    ) -> None:
        self.function = function
        self.layers = nnx.List(layers)

    def __call__(self, x: jax.Array) -> jax.Array:
        """The function of `x (N, H, W, C)`."""
        return self.function(x, list(self.layers))


def positive(model: nnx.Module) -> Any:
    """The model with all parameters 0.1, for which no ReLU6 is saturated."""
    state = nnx.state(model, nnx.Param)
    nnx.update(model, jax.tree.map(lambda a: jnp.full_like(a, 0.1), state))
    return eval_mode(model)


def conv(size: Any = 3, **how: Any) -> Conv2D:
    return Conv2D(1, 1, size, rngs=nnx.Rngs(0), **how)


def gated(x: jax.Array, layers: list[Any]) -> jax.Array:
    """A gate on feature maps, then a convolution."""
    first, gate, last = layers
    y: jax.Array = last(gate(first(x)))
    return y


def of_vectors(x: jax.Array, layers: list[Any]) -> jax.Array:
    """Two vectors of the whole image, as a gate for each position."""
    flatten, dense = layers
    y = jnp.concatenate([dense(flatten(x)), ops.global_max_pool2d(x)], -1)
    return x * y[:, None, None, :]


CASES: dict[str, tuple[Callable[[], nnx.Module], Shape]] = {
    "residual": (lambda: Residual(1, 1, 1, nnx.Rngs(0)), (7, 8, 1)),
    "residual, stride": (lambda: Residual(1, 1, 2, nnx.Rngs(0)), (9, 8, 1)),
    "fire": (lambda: Fire(1, 1, 1, kernel_init=nnx.initializers.ones, rngs=nnx.Rngs(0)), (6, 5, 1)),
    "inverted residual": (
        lambda: InvertedResidual(
            *(1, 1),
            stride=1,
            expansion=2,
            kernel_init=nnx.initializers.ones,
            rngs=nnx.Rngs(0),
        ),
        (6, 7, 1),
    ),
    "inverted residual, stride": (
        lambda: InvertedResidual(
            *(1, 2),
            stride=2,
            expansion=2,
            kernel_init=nnx.initializers.ones,
            rngs=nnx.Rngs(0),
        ),
        (8, 7, 1),
    ),
    "squeeze and excitation": (
        lambda: Joined(
            *(gated, conv(3, stride=2)),
            SqueezeExcitation(1, 1, scale_activation=ops.relu, rngs=nnx.Rngs(0)),
            conv(),
        ),
        (9, 8, 1),
    ),
    "branches of different shape": (
        lambda: Joined(
            lambda x, layers: jnp.concatenate([layers[0](x), layers[1](layers[2](x))], -1),
            *(conv((1, 5)), MaxPooling2D(3, stride=1, padding="SAME"), conv((3, 1))),
        ),
        (8, 9, 1),
    ),
    "shifted": (
        lambda: Joined(
            lambda x, layers: (
                ops.crop2d(layers[0](x), ((2, 0), (0, 0)))
                + ops.crop2d(x, ((0, 2), (0, 0)))
                + ops.zero_pad2d(x, ((0, 0), (1, 0)))[:, 1:-1, :-1]
            ),
            conv(),
        ),
        (8, 6, 1),
    ),
    "group normalisation": (
        lambda: Joined(lambda x, layers: layers[1](layers[0](x)), conv(), GroupNormalization(1, 1)),
        (5, 4, 1),
    ),
    "vectors": (
        lambda: Joined(of_vectors, Flatten(), Dense(20, 1, rngs=nnx.Rngs(0))),
        (5, 4, 1),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_exactly_these_pixels_change_a_unit(name: str) -> None:
    """Each pixel in turn is the brightest; parameters are positive, so changes do not cancel."""
    make, shape = CASES[name]
    model = positive(make())
    found = graph(model, shape)
    fields = receptive_fields(found)
    rows, columns, _ = shape
    base = 1 + np.random.default_rng(0).uniform(size=(1, *shape)).astype(np.float32)
    lit = base + 4 * np.eye(rows * columns, dtype=np.float32).reshape(-1, *shape)
    again: Any = eval_mode(GraphModel(found, rngs=nnx.Rngs(0)))
    run = jax.jit(again.values)
    values = run(jnp.concatenate([jnp.asarray(base), jnp.asarray(lit)]))
    for node in found.nodes:
        field = fields[node.name]
        assert field is not None
        if len(node.shape) != 3:
            continue
        y = np.asarray(values[node.name], np.float64).sum(-1)
        changed = (abs(y[1:] - y[0]) > 1e-6 * abs(y[0])).reshape(rows, columns, *node.shape[:2])
        for unit in np.ndindex(*node.shape[:2]):
            pixels = np.argwhere(changed[:, :, *unit])
            first = np.array(field.start) + np.multiply(unit, field.jump)
            last = np.minimum(first + field.size, shape[:2]) - 1
            first = np.maximum(first, 0)
            if (first <= last).all():
                assert (pixels.min(0) == first).all(), (node.name, unit)
                assert (pixels.max(0) == last).all(), (node.name, unit)
            else:
                assert not len(pixels), (node.name, unit)


def after(function: Callable[[jax.Array, list[Any]], jax.Array], *layers: nnx.Module) -> Any:
    found = graph(eval_mode(Joined(function, *layers)), (8, 8, 1))
    return receptive_fields(found)[found.output]


def test_units_without_a_common_field_have_none() -> None:
    up = Conv2DTranspose(1, 1, 2, stride=2, rngs=nnx.Rngs(0))
    assert after(lambda x, layers: layers[1](layers[0](x)), up, conv()) is None
    assert after(lambda x, layers: ops.upsample2d(ops.max_pool2d(x, 2), 2) + x) is None
    # Branches of different jumps: every second row beside every row.
    halves = conv(3, stride=2)
    assert after(lambda x, layers: layers[0](x) + x[:, :4, :4], halves) is None
    assert after(lambda x, layers: jnp.concatenate([x, layers[0](x)], 1), conv()) is None


def test_the_field_of_resnet18() -> None:
    """Its stem has 11 and jump 4; convolutions 3x3 add 2 * jump each, before their own stride."""
    found = []
    jax.eval_shape(lambda: found.append(graph(trace("resnet18"), (224, 224, 3))))
    last = next(node for node in found[0].nodes if node.kind == "global_average_pool")
    field = receptive_fields(found[0])[last.inputs[0]]
    side = 11 + 2 * (4 * 4 + 4 + 3 * 8 + 8 + 3 * 16 + 16 + 3 * 32)
    assert field is not None
    assert (side, field.size, field.jump) == (435, (435, 435), (32, 32))
