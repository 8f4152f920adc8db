"""A graph turned back into a module: the same numbers, bit for bit, and trainable."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jcnn.graph import GraphModel, graph
from jcnn.layers import eval_mode, train_mode
from jcnn.models import build, count_params
from tests.explore.models import OfFlax, drawn, of_every_layer
from tests.graph.models import Branches, Rare, RareOfFlax, ResNet

MODELS: dict[str, tuple[Callable[[], Any], tuple[int, int, int]]] = {
    "conv4": (lambda: build("conv4"), (28, 28, 1)),
    "every layer": (lambda: drawn(of_every_layer), (12, 11, 3)),
    "layers of Flax": (lambda: drawn(OfFlax), (16, 14, 1)),
    "residual": (lambda: drawn(ResNet), (10, 9, 3)),
    "branches": (lambda: drawn(Branches), (10, 9, 3)),
    "rare layers": (lambda: drawn(Rare), (8, 8, 3)),
    "rare layers of Flax": (lambda: drawn(RareOfFlax), (5, 6, 3)),
}


def outputs(model: nnx.Module, x: jax.Array) -> np.ndarray:
    graphdef, state = nnx.split(model)
    run = jax.jit(lambda state, x: nnx.merge(graphdef, state)(x))
    return np.asarray(run(state, x))


@pytest.mark.parametrize("name", MODELS)
def test_the_same_numbers_bit_for_bit(name: str) -> None:
    make, shape = MODELS[name]
    model = make()
    found = graph(model, shape)
    again = GraphModel(found, rngs=nnx.Rngs(0))
    x = jnp.asarray(np.random.default_rng(3).normal(size=(3, *shape)), jnp.float32)
    np.testing.assert_array_equal(outputs(eval_mode(model), x), outputs(eval_mode(again), x))
    assert count_params(again) == count_params(model)
    # The graph of the graph has the same nodes; only their names are those of attributes.
    twice = graph(again, shape)
    assert [(n.kind, dict(n.settings), n.shape) for n in twice.nodes] == [
        (n.kind, dict(n.settings), n.shape) for n in found.nodes
    ]


def test_it_has_the_same_gradients_and_moves_its_statistics() -> None:
    model = drawn(ResNet)
    again: Any = GraphModel(graph(model, (10, 9, 3)), rngs=nnx.Rngs(0))
    x = jnp.asarray(np.random.default_rng(4).normal(size=(4, 10, 9, 3)), jnp.float32)

    def loss(model: Any, x: jax.Array) -> jax.Array:
        return jnp.mean(model(x) ** 2)

    step = nnx.jit(nnx.grad(loss))
    for one in (model, again):
        one.dropout.rate = 0.0  # its masks would differ
    mine, theirs = step(train_mode(model), x), step(train_mode(again), x)
    np.testing.assert_allclose(
        mine["blocks"][1]["conv1"]["kernel"][...],
        theirs["blocks.1.conv1"]["kernel"][...],
        rtol=1e-5,
        atol=1e-7,
    )
    moved = getattr(again, "blocks.1.norm1").mean[...]
    np.testing.assert_allclose(moved, model.blocks[1].norm1.mean[...], rtol=1e-6)
