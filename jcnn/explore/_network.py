"""From a model to the chain of layers that the page shows, proved to be the model.

What is not recorded as a call of a module (a function between two modules, a sum with something
earlier) shows in numbers alone. So the model is run with random numbers in place of what each of
its modules gives: only a chain takes, at every module, a known function of the numbers put in the
place of the one before. And every module's layers must give what the module itself makes of them.
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
from jcnn.layers import Activation, LayerError, as_model, eval_mode
from jcnn.layers import Layer as AnyLayer
from jcnn.models.calls import Call, recorded_calls

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Network:
    """A model as a chain of layers.

    Attributes:
        model: it, in evaluation.
        input_shape: `(H, W, C)` of its pictures.
        layers: first to last, which is the softmax: a model gives logits, a page probabilities.
    """

    model: nnx.Module
    input_shape: tuple[int, int, int]
    layers: tuple[Layer, ...]

    def outputs(self, image: npt.NDArray[np.uint8]) -> list[Floats]:
        """What JAX gives for every layer, float32 without the batch axis, of `image (H, W, C)`.

        Where a layer ends a call of a module, that is the module's own output.
        """
        graphdef, state = nnx.split(self.model)

        def look(state: Any, image: jax.Array) -> list[jax.Array]:
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
            return [np.asarray(y, np.float32) for y in jit(look)(state, jnp.asarray(image))]


def network(model: nnx.Module | Sequence[AnyLayer], input_shape: tuple[int, int, int]) -> Network:
    """The chain of layers that a model is.

    Args:
        model: the zoo's, a list of layers, or any NNX module that calls jcnn's or Flax's layers
            one after the other, with nothing between them but functions that the page knows.
        input_shape: `(H, W, C)` of its pictures.

    Raises:
        ValueError: the model cannot take such pictures, or is no such chain; the message names
            the layer.
    """
    module = eval_mode(as_model(model))
    calls = _innermost_calls(module, input_shape)
    parts = [[] if isinstance(c.module, Activation) else layers_of(c) for c in calls]
    picture = typical_numbers((EXAMPLES, *input_shape), seed=0)
    given = [
        typical_numbers((EXAMPLES, *call.output.shape[1:]), seed=i + 1)
        for i, call in enumerate(calls)
    ]
    seen, result = _run_on(module, [c.name for c in calls], parts, picture, given)

    layers: list[Layer] = []
    name, value = "input", picture
    for call, part, put, found in zip(calls, parts, given, seen, strict=True):
        wrong = f"layer {call.name!r}: takes what does not follow from {name!r} alone"
        layers += between(name, value, found.input, wrong)
        if isinstance(call.module, Activation):
            wrong = f"layer {call.name!r}: is an unknown function"
            layers += between(call.name, found.input, found.output, wrong)
        elif not _equal(found.by_layers, found.output):
            raise ValueError(
                f"layer {call.name!r}: does not compute what a {type(call.module).__name__} of its "
                "settings does; accepted: a layer in float32 with its own __call__"
            )
        layers += part
        name, value = call.name, put
    layers += between(name, value, result, f"model: its result does not follow from {name!r} alone")
    layers = _ended_by_softmax(layers, result.shape[1:])
    return Network(module, input_shape, tuple(_with_names_of_their_own(layers)))


@dataclass(frozen=True)
class _Seen:
    """What a call took and gave, and what its layers give."""

    input: Floats
    output: Floats
    by_layers: Floats


def _innermost_calls(module: nnx.Module, input_shape: tuple[int, int, int]) -> list[Call]:
    """The calls of modules that call no others, with shapes instead of arrays."""
    example = jax.ShapeDtypeStruct((1, *input_shape), jnp.float32)
    try:
        with recorded_calls(module) as calls:
            result = jax.eval_shape(module, example)
    except LayerError as error:
        raise ValueError(f"model: cannot take pictures of {input_shape}: {error}") from error
    if not calls:
        raise ValueError("model: calls no layer; accepted: a list of layers, or a module with some")
    shape = tuple(result.shape[1:])
    if len(shape) != 1:
        raise ValueError(f"model: gives {shape} for a picture; accepted: (K,) logits")
    return [c for c in calls if not any(d.name.startswith(f"{c.name}/") for d in calls)]


def _run_on(
    module: nnx.Module,
    names: list[str],
    parts: list[list[Layer]],
    picture: Floats,
    given: list[Floats],
) -> tuple[list[_Seen], Floats]:
    """Run a model with `given` in place of what its calls give; what each saw, and the result."""
    graphdef, state = nnx.split(module)

    def look(state: Any, picture: jax.Array, given: list[jax.Array]) -> Any:
        module = nnx.merge(graphdef, state)
        instead = dict(zip(names, given, strict=True))
        with recorded_calls(module, lambda call: instead.get(call.name, call.output)) as calls:
            result = module(picture)
        called = {call.name: call for call in calls}
        seen = []
        for name, part in zip(names, parts, strict=True):
            y = called[name].input
            for layer in part:
                y = run(layer, y)
            seen.append((called[name].input, called[name].output, y))
        return seen, result

    with jax.default_matmul_precision("highest"):
        seen, result = jit(look)(state, picture, given)
    return [_Seen(*map(np.asarray, arrays)) for arrays in seen], np.asarray(result)


def _equal(found: Floats, expected: Floats) -> bool:
    """Up to the rounding of any algorithm: Winograd's is 1e-5 of the largest numbers."""
    if found.shape != expected.shape:
        return False
    return bool(np.abs(found - expected).max() <= 1e-4 * max(1.0, np.abs(expected).max()))


def _ended_by_softmax(layers: list[Layer], shape: tuple[int, ...]) -> list[Layer]:
    if layers and layers[-1].settings.get("function") == "softmax":  # the model's own
        return [*layers[:-1], dataclasses.replace(layers[-1], kind="softmax", settings={})]
    return [*layers, Layer("softmax", "softmax", {}, {}, shape, shape)]


def _with_names_of_their_own(layers: list[Layer]) -> list[Layer]:
    """Number the second layer of a name and those after it, as the second call of a module is."""
    counts: dict[str, int] = {}
    named = []
    for layer in layers:
        count = counts[layer.name] = counts.get(layer.name, 0) + 1
        name = layer.name if count == 1 else f"{layer.name}#{count}"
        named.append(dataclasses.replace(layer, name=name))
    return named
