"""Gradients of a page's model by JAX in float64, and the models that the tests take them of."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from flax import nnx

from jcnn.explore._network import Network, network
from jcnn.graph import INPUT, GraphModel
from jcnn.layers import eval_mode
from jcnn.models import build
from tests.explore.branches import MODELS as BRANCHES
from tests.explore.models import OfFlax, drawn, of_every_layer, shaken
from tests.explore.test_page import pictures

Array = npt.NDArray[np.float64]


def _of_flax() -> Any:
    model = drawn(OfFlax)
    model.hidden.kernel[...] = model.hidden.kernel[...] * 0.01  # else its tanh is saturated
    return model


MODELS: dict[str, tuple[Callable[[], Any], tuple[int, int, int]]] = {
    "conv2pool": (lambda: shaken(build("conv2pool", (13, 12, 1), 5)), (13, 12, 1)),
    "every layer of jcnn": (lambda: drawn(of_every_layer), (12, 11, 3)),
    "a module of Flax": (_of_flax, (16, 14, 1)),
    **{name: (partial(drawn, make), shape) for name, (make, shape) in BRANCHES.items()},
}


@cache
def found_of(name: str) -> Network:
    """The layers of a model."""
    make, shape = MODELS[name]
    return network(make(), shape)


def image_of(name: str) -> npt.NDArray[np.float32]:
    """A picture for it, 0 to 1."""
    scaled = pictures(1, *MODELS[name][1])[0] / np.float32(255)
    return np.asarray(scaled, np.float32)


def by_jax(name: str, unit: int) -> dict[str, Array]:
    """The derivatives of a logit by that picture and by every node's output, in float64."""
    found_of(name)  # outside of x64, where its arrays would be wider
    with jax.enable_x64(True):
        image = jnp.asarray(image_of(name), jnp.float64)[None]
        x, rest = _program(name)(image, unit)
        assert x.dtype == jnp.float64
        return {node: np.asarray(array[0]) for node, array in {INPUT: x, **rest}.items()}


@cache
def _program(name: str) -> Callable[[jax.Array, int], tuple[jax.Array, dict[str, jax.Array]]]:
    graph = found_of(name).graph
    graphdef, state = nnx.split(eval_mode(GraphModel(graph, rngs=nnx.Rngs(0))))
    wide = jax.tree.map(_widened, state)

    def logit(x: jax.Array, added: dict[str, jax.Array], unit: jax.Array) -> jax.Array:
        model: Any = nnx.merge(graphdef, wide)
        values = {INPUT: x}
        for node, attribute, inputs in model.steps:
            y = getattr(model, attribute)(*(values[one] for one in inputs))
            values[node] = y + added[node]
        return jnp.asarray(values[model.output][0, unit])

    added = {node.name: jnp.zeros((1, *node.shape)) for node in graph.nodes}
    gradient = jax.jit(jax.grad(logit, (0, 1)))
    return lambda x, unit: gradient(x, added, jnp.asarray(unit))


def _widened(array: jax.Array) -> jax.Array:
    return array.astype(jnp.float64) if jnp.issubdtype(array.dtype, jnp.floating) else array
