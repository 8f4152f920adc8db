"""Functions that are recognised between layers, in each way in which they are written."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from jcnn.graph import graph
from jcnn.graph.patterns import FUNCTIONS
from jcnn.layers import Activation, Sequential


class Plain(nnx.Module):
    """A function as a model."""

    def __init__(self, function: Callable[[jax.Array], jax.Array]) -> None:
        self.function = function

    def __call__(self, x: jax.Array) -> jax.Array:
        """The function of `x`."""
        return self.function(x)


WAYS = [(name, way) for name, ways in FUNCTIONS.items() for way in ways]


@pytest.mark.parametrize(("name", "way"), WAYS, ids=[name for name, _ in WAYS])
def test_a_function_has_its_name(name: str, way: Callable[[jax.Array], jax.Array]) -> None:
    (node,) = graph(Plain(way), (3, 4, 2)).nodes
    assert (node.name, node.kind, node.settings) == (
        f"input {name}",
        "activation",
        {"function": name},
    )


@pytest.mark.parametrize(
    ("settings", "function"),
    [
        ({"function": "leaky_relu", "slope": 0.2}, lambda x: jax.nn.leaky_relu(x, 0.2)),
        ({"function": "leaky_relu", "slope": 3.0}, lambda x: jnp.where(x > 0, x, x * 3)),
        ({"function": "elu", "alpha": 0.7}, lambda x: jax.nn.elu(x, 0.7)),
        ({"function": "silu"}, lambda x: jax.nn.sigmoid(x) * x),
        ({"function": "relu"}, lambda x: jnp.maximum(0, x)),
        ({"function": "relu"}, jax.jit(lambda x: jnp.maximum(x, 0))),
    ],
)
def test_numbers_and_orders(
    settings: dict[str, object], function: Callable[[jax.Array], jax.Array]
) -> None:
    (node,) = graph(Sequential([Activation(function)]), (3, 4, 2)).nodes
    assert (node.name, node.settings) == ("activation", settings)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: jnp.clip(x, 0, 5),
        lambda x: jnp.where(x > 0, x, 0.5),
        lambda x: jax.nn.softmax(x, axis=1),
        lambda x: jax.nn.log_softmax(x),
    ],
)
def test_a_similar_function_is_not_taken_for_it(
    function: Callable[[jax.Array], jax.Array],
) -> None:
    with pytest.raises(ValueError, match=r"^model: .* is not a known function"):
        graph(Plain(function), (3, 4, 2))
