"""Convert a model, by its graph, to the layers that the page shows."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from flax import nnx

from jcnn.compile import jit
from jcnn.data.batches import normalise
from jcnn.data.preprocessing import Preprocessing, preprocessing_of
from jcnn.explore._half import half_graph
from jcnn.explore._layer import (
    STANDARDISE,
    Floats,
    Layer,
    after,
    layers_of,
    softmax,
    standardise,
)
from jcnn.graph import INPUT, Graph, GraphModel, graph
from jcnn.layers import Layer as AnyLayer
from jcnn.layers import eval_mode

_BATCH = 100  # images


@dataclass(frozen=True)
class Network:
    """A model as layers of a page.

    Attributes:
        graph: of the model.
        input_shape: `(H, W, C)` of one image.
        layers: each after those that it reads; the last is a softmax, because the page shows
            probabilities.
        ends: for each layer, the name of the node whose output it gives; None for none.
        preprocessing: of the model. A mean and deviation are the first layer.
    """

    graph: Graph
    input_shape: tuple[int, int, int]
    layers: tuple[Layer, ...]
    ends: tuple[str | None, ...]
    preprocessing: Preprocessing | None

    @cached_property
    def _values(self) -> Callable[[jax.Array], dict[str, jax.Array]]:
        """The compiled program that gives every node's output for images, by name."""
        graphdef, state = nnx.split(eval_mode(GraphModel(self.graph, rngs=nnx.Rngs(0))))
        return partial(_program(graphdef, self.preprocessing), state)

    def outputs(self, image: npt.NDArray[np.uint8]) -> list[Floats]:
        """The output of every layer for `image (H, W, C)`, float32 without the batch axis."""
        with jax.default_matmul_precision("highest"):
            values = self._values(jnp.asarray(image[None]))
        found: list[Floats] = []
        for layer, name in zip(self.layers, self.ends, strict=True):
            if name is None and layer.kind in ("flatten", "softmax"):
                found.append(after(layer, found[layer.inputs[0] - 1]))
            else:  # a pooling of whole maps, before its flatten, has the same numbers
                node = values[name or layer.name]
                found.append(np.asarray(node[0], np.float32).reshape(layer.out_shape))
        return found

    def logits(self, images: npt.NDArray[np.uint8]) -> Floats:
        """The model's output `(N, K)` for `images (N, H, W, C)`, computed in batches."""
        size = min(_BATCH, len(images))
        rows = []
        for start in range(0, len(images), size):
            first = min(start, len(images) - size)  # all batches have the same size
            values = self._values(jnp.asarray(images[first : first + size]))
            rows.append(np.asarray(values[self.graph.output], np.float32)[start - first :])
        return np.concatenate(rows)


# Models of one structure, such as those of a training's epochs, share a program.
@lru_cache(maxsize=4)
def _program(graphdef: Any, preprocessing: Preprocessing | None) -> Any:
    def forward(state: Any, images: jax.Array) -> dict[str, jax.Array]:
        module: Any = nnx.merge(graphdef, state)
        x = normalise(images)
        x = x if preprocessing is None else preprocessing.standardise(x)
        values: dict[str, jax.Array] = module.values(x)
        return values | {STANDARDISE: x}

    return jit(forward)


def network(
    model: nnx.Module | Sequence[AnyLayer], input_shape: tuple[int, int, int], *, half: bool = False
) -> Network:
    """Convert a model to the layers of a page.

    Args:
        model: a model of the zoo, a list of layers, or any NNX module whose graph
            (`jcnn.graph.graph`) has only kinds that the page shows.
        input_shape: `(H, W, C)` of one image.
        half: round its parameters to float16. A preprocessing keeps its numbers.

    Raises:
        ValueError: the model does not accept such images, the page cannot show it, or a parameter
            is beyond float16's range; the message names the layer.
    """
    found = graph(model, input_shape)
    if half:
        found = half_graph(found)
    shape = found.shape_of(found.output)
    if len(shape) != 1:
        raise ValueError(f"model: its output for an image is {shape}; accepted: (K,) logits")
    own = preprocessing_of(model)
    layers = [] if own is None else standardise(own, input_shape)
    ends: list[str | None] = [STANDARDISE for _ in layers]
    places = {INPUT: len(layers)}
    for node in found.nodes:
        shapes = [found.shape_of(name) for name in node.inputs]
        parts = layers_of(node, shapes, [places[name] for name in node.inputs], len(layers))
        layers += parts
        ends += [None] * (len(parts) - 1) + [node.name]
        places[node.name] = len(layers)
    if layers[-1].settings.get("function") == "softmax":  # the model's own
        layers[-1] = dataclasses.replace(layers[-1], kind="softmax", settings={})
    else:
        layers.append(softmax(shape, places[found.output]))
        ends.append(None)
    return Network(found, input_shape, tuple(layers), tuple(ends), own)
