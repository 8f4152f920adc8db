"""Convert a model to the chain of layers that the page shows, and verify the conversion.

Operations outside modules (a function between two modules, a residual sum) are not recorded as
calls. So the model is run with the output of every module replaced by random numbers. In a chain,
the input of each module must be a known function of the numbers that replaced the output before
it. The layers of every module must also reproduce its own output.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from flax import nnx

from jcnn.compile import jit
from jcnn.data.batches import normalise
from jcnn.explore._between import between
from jcnn.explore._functions import EXAMPLES, typical_numbers
from jcnn.explore._kinds import layers_of
from jcnn.explore._layer import Layer, run
from jcnn.layers import Activation, Call, LayerError, as_model, eval_mode, recorded_calls
from jcnn.layers import Layer as AnyLayer

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Network:
    """A model as a chain of layers.

    Attributes:
        model: the model in eval mode.
        input_shape: `(H, W, C)` of one image.
        layers: in order; the last is a softmax, because the page shows probabilities.
    """

    model: nnx.Module
    input_shape: tuple[int, int, int]
    layers: tuple[Layer, ...]

    def outputs(self, image: npt.NDArray[np.uint8]) -> list[Floats]:
        """The output of every layer for `image (H, W, C)`, float32 without the batch axis.

        For a layer that ends a call of a module, it is the output of the module itself.
        """
        graphdef, state = nnx.split(self.model)

        def forward(state: Any, image: jax.Array) -> list[jax.Array]:
            module = nnx.merge(graphdef, state)
            x = normalise(image[None])
            with recorded_calls(module) as calls:
                module(x)
            recorded = {call.name: call.output for call in calls}
            found = []
            for layer in self.layers:
                x = run(layer, x) if layer.call is None else recorded[layer.call]
                found.append(x[0])
            return found

        with jax.default_matmul_precision("highest"):
            return [np.asarray(y, np.float32) for y in jit(forward)(state, jnp.asarray(image))]


def network(model: nnx.Module | Sequence[AnyLayer], input_shape: tuple[int, int, int]) -> Network:
    """Convert a model to a chain of layers.

    Args:
        model: a model of the zoo, a list of layers, or any NNX module that calls layers of jcnn
            or Flax in sequence, with only supported functions between them.
        input_shape: `(H, W, C)` of one image.

    Raises:
        ValueError: the model does not accept such images, or is not such a chain; the message
            names the layer.
    """
    module = eval_mode(as_model(model))
    calls = _innermost_calls(module, input_shape)
    parts = [[] if isinstance(c.module, Activation) else layers_of(c) for c in calls]
    image = typical_numbers((EXAMPLES, *input_shape), seed=0)
    given = [
        typical_numbers((EXAMPLES, *call.output.shape[1:]), seed=i + 1)
        for i, call in enumerate(calls)
    ]
    seen, result = _run_on(module, [c.name for c in calls], parts, image, given)

    layers: list[Layer] = []
    name, value = "input", image
    for call, part, put, found in zip(calls, parts, given, seen, strict=True):
        wrong = f"layer {call.name!r}: its input does not follow from {name!r} alone"
        layers += between(name, value, found.input, wrong)
        if isinstance(call.module, Activation):
            wrong = f"layer {call.name!r}: is an unsupported function"
            layers += between(call.name, found.input, found.output, wrong)
        elif not _equal(found.by_layers, found.output):
            raise ValueError(
                f"layer {call.name!r}: does not compute what a {type(call.module).__name__} with "
                "these settings does; accepted: a float32 layer with an unchanged __call__"
            )
        layers += part
        name, value = call.name, put
    layers += between(name, value, result, f"model: its result does not follow from {name!r} alone")
    layers = _ending_in_softmax(layers, result.shape[1:])
    return Network(module, input_shape, tuple(_with_unique_names(layers)))


@dataclass(frozen=True)
class _Seen:
    """The input and output of a call, and the output of its layers."""

    input: Floats
    output: Floats
    by_layers: Floats


def _innermost_calls(module: nnx.Module, input_shape: tuple[int, int, int]) -> list[Call]:
    """The calls of modules that call no others, with shapes in place of arrays."""
    example = jax.ShapeDtypeStruct((1, *input_shape), jnp.float32)
    try:
        with recorded_calls(module) as calls:
            result = jax.eval_shape(module, example)
    except LayerError as error:
        raise ValueError(f"model: cannot take images of {input_shape}: {error}") from error
    if not calls:
        raise ValueError("model: calls no layer; accepted: a list of layers, or a module with some")
    shape = tuple(result.shape[1:])
    if len(shape) != 1:
        raise ValueError(f"model: its output for an image is {shape}; accepted: (K,) logits")
    return [c for c in calls if not any(d.name.startswith(f"{c.name}/") for d in calls)]


def _run_on(
    module: nnx.Module,
    names: list[str],
    parts: list[list[Layer]],
    image: Floats,
    given: list[Floats],
) -> tuple[list[_Seen], Floats]:
    """Run a model with the outputs of its calls replaced by `given`; all calls, and the result."""
    graphdef, state = nnx.split(module)

    def forward(state: Any, image: jax.Array, given: list[jax.Array]) -> Any:
        module = nnx.merge(graphdef, state)
        instead = dict(zip(names, given, strict=True))
        with recorded_calls(module, lambda call: instead.get(call.name, call.output)) as calls:
            result = module(image)
        called = {call.name: call for call in calls}
        seen = []
        for name, part in zip(names, parts, strict=True):
            y = called[name].input
            for layer in part:
                y = run(layer, y)
            seen.append((called[name].input, called[name].output, y))
        return seen, result

    with jax.default_matmul_precision("highest"):
        seen, result = jit(forward)(state, image, given)
    return [_Seen(*map(np.asarray, arrays)) for arrays in seen], np.asarray(result)


def _equal(found: Floats, expected: Floats) -> bool:
    """Whether arrays agree up to rounding; Winograd's error is 1e-5 of the largest numbers."""
    if found.shape != expected.shape:
        return False
    return bool(np.abs(found - expected).max() <= 1e-4 * max(1.0, np.abs(expected).max()))


def _ending_in_softmax(layers: list[Layer], shape: tuple[int, ...]) -> list[Layer]:
    if layers and layers[-1].settings.get("function") == "softmax":  # the model's own
        return [*layers[:-1], dataclasses.replace(layers[-1], kind="softmax", settings={})]
    return [*layers, Layer("softmax", "softmax", {}, {}, shape, shape)]


def _with_unique_names(layers: list[Layer]) -> list[Layer]:
    """Append "#2", "#3", ... to repeated names, as for repeated calls of a module."""
    counts: dict[str, int] = {}
    named = []
    for layer in layers:
        count = counts[layer.name] = counts.get(layer.name, 0) + 1
        name = layer.name if count == 1 else f"{layer.name}#{count}"
        named.append(dataclasses.replace(layer, name=name))
    return named
