"""The gradient of a logit in the page's JavaScript against jax.grad of the model, in float64."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import pytest
from flax import nnx
from playwright.sync_api import Page

from jcnn.explore._network import Network, network
from jcnn.graph import INPUT, GraphModel
from jcnn.layers import eval_mode
from jcnn.models import build
from tests.explore.branches import MODELS as BRANCHES
from tests.explore.branches_made import described
from tests.explore.models import OfFlax, drawn, of_every_layer, shaken
from tests.explore.scripts import joined_files
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


@pytest.fixture(scope="module")
def kit(chromium: Any) -> Any:
    """A page with only the functions."""
    page = chromium.new_page()
    script = joined_files("backward.js").replace("</", "<\\/")
    ready = "Object.assign(globalThis, {gradientsOf, runFrom})"
    page.set_content(f"<body><script>{script}; {ready}</script>")
    yield page
    page.close()


_GRADIENTS = """([layers, image, index, unit, first]) => {
  layers = layers.map((layer) => ({ ...layer, arrays: Object.fromEntries(
    Object.entries(layer.arrays).map(([name, { data, shape }]) =>
      [name, { data: Float32Array.from(data), shape }])) }));
  const outputs = [Float64Array.from(image)];
  runFrom(layers, outputs, 0);
  const found = gradientsOf(layers, outputs, index, unit, first);
  return found.map((one) => one && Array.from(one));
}"""


def by_jax(found: Network, image: npt.NDArray[np.float32], unit: int) -> dict[str, Array]:
    """The derivatives of a logit by the picture and by every node's output, in float64."""
    with jax.enable_x64(True):
        model: Any = eval_mode(GraphModel(found.graph, rngs=nnx.Rngs(0)))
        graphdef, state = nnx.split(model)
        wide = jax.tree.map(_widened, state)

        def logit(x: jax.Array, added: dict[str, jax.Array]) -> jax.Array:
            model: Any = nnx.merge(graphdef, wide)
            values = {INPUT: x}
            for name, attribute, inputs in model.steps:
                y = getattr(model, attribute)(*(values[one] for one in inputs))
                values[name] = y + added[name]
            y = values[model.output][0, unit]
            return jnp.asarray(y)

        added = {node.name: jnp.zeros((1, *node.shape)) for node in found.graph.nodes}
        x, rest = jax.jit(jax.grad(logit, (0, 1)))(jnp.asarray(image, jnp.float64)[None], added)
        assert x.dtype == jnp.float64
        return {name: np.asarray(array[0]) for name, array in {INPUT: x, **rest}.items()}


def _widened(array: jax.Array) -> jax.Array:
    return array.astype(jnp.float64) if jnp.issubdtype(array.dtype, jnp.floating) else array


@pytest.mark.parametrize("name", MODELS)
def test_gradients_of_a_logit_are_those_of_jax(kit: Page, name: str) -> None:
    """By the picture and by every layer's output, relative to the largest of each."""
    make, shape = MODELS[name]
    found = network(make(), shape)
    image = (pictures(1, *shape)[0] / np.float32(255)).astype(np.float32)
    logits = found.layers[-1].inputs[0]
    unit = found.layers[-1].out_shape[0] - 1
    given = [described(found), image.ravel().tolist(), logits, unit]
    ours = kit.evaluate(_GRADIENTS, [*given, 0])
    wanted = by_jax(found, image, unit)
    assert len(ours) == logits + 1
    for mine, end in zip(ours, [INPUT, *found.ends], strict=False):
        if end is None:  # a pooling of whole maps before its flatten
            continue
        theirs = wanted[end].ravel()
        largest = np.abs(theirs).max()
        assert largest > 0
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-12 * largest, err_msg=end)
    # Only as far back as asked for, the same.
    part = kit.evaluate(_GRADIENTS, [*given, logits // 2])
    assert part[logits // 2 :] == ours[logits // 2 :]
    assert part[0] is None or logits < 4
