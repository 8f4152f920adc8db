"""Programs for the logits of models: a model is traced once for each structure and image shape."""

import weakref
from collections.abc import Hashable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from jcnn.layers import LayerError, eval_mode, recorded_calls
from jcnn.layers.model import split_model
from jcnn.train import snapshot
from jcnn.train.programs import logits_program


class Prepared(NamedTuple):
    """What tracing a model structure for one image shape gave.

    Attributes:
        program: from `logits_program`.
        output_shape: for one image.
    """

    program: Any
    output_shape: tuple[int, ...]


# By the structure and mode of a model, the shapes of its arrays and of an image, so that a model
# is traced again only if one of these has changed. The oldest entry is dropped first.
_PREPARED: dict[Hashable, Prepared] = {}
_MOST_PREPARED = 64


class _Known(NamedTuple):
    """A model that was split before.

    Attributes:
        model: so that another model with the same id is not taken for it.
        snapshot: of its structure.
        prepared: by image shape and batch size.
    """

    model: "weakref.ref[nnx.Module]"
    snapshot: snapshot.Snapshot
    prepared: dict[tuple[tuple[int, ...], int], Prepared]


# By the id of the model. An entry is dropped with its model.
_KNOWN: dict[int, _Known] = {}
_MOST_KNOWN = 8


def prepare(
    model: nnx.Module, image_shape: tuple[int, ...], batch_size: int = 64
) -> tuple[Prepared, Any]:
    """The program of a model in eval mode, and the model's current states.

    Raises:
        ValueError: the model does not accept images of this shape.
    """
    known = _KNOWN.get(id(model))
    if known is not None and known.model() is model:
        found = known.prepared.get((image_shape, batch_size))
        states = known.snapshot.states(model) if found else None
        if found is not None and states is not None:
            return found, states
    parts = split_model(model)
    arrays = tuple((x.shape, x.dtype) for x in jax.tree.leaves((parts.params, parts.rest)))
    key = (parts.graphdef, arrays, image_shape, batch_size)
    found = _PREPARED.get(key)
    if found is None:
        module = eval_mode(model)
        program = logits_program(split_model(module).graphdef, batch_size)
        found = Prepared(program, _output_shape(module, image_shape))
        while len(_PREPARED) >= _MOST_PREPARED:
            _PREPARED.pop(next(iter(_PREPARED)), None)
        _PREPARED[key] = found
    states = (parts.params, parts.streams, parts.rest)
    _remember(model, states, (image_shape, batch_size), found)
    return found, states


def _remember(
    model: nnx.Module, states: Any, key: tuple[tuple[int, ...], int], found: Prepared
) -> None:
    known = _KNOWN.get(id(model))
    if known is not None and known.model() is model and known.snapshot.states(model) is not None:
        if len(known.prepared) >= _MOST_PREPARED:
            known.prepared.clear()
        known.prepared[key] = found
        return
    taken = snapshot.take(model, states)
    if taken is None:
        _KNOWN.pop(id(model), None)
        return
    number = id(model)
    forget = weakref.ref(model, lambda _: _KNOWN.pop(number, None))
    while len(_KNOWN) >= _MOST_KNOWN:
        _KNOWN.pop(next(iter(_KNOWN)), None)
    _KNOWN[number] = _Known(forget, taken, {key: found})


def _output_shape(module: nnx.Module, image_shape: tuple[int, ...]) -> tuple[int, ...]:
    example = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    try:
        with recorded_calls(module):
            found = jax.eval_shape(module, example)
    except LayerError as error:
        raise ValueError(f"model: cannot take images of {image_shape}: {error}") from error
    if not isinstance(found, jax.ShapeDtypeStruct):
        raise ValueError(
            f"model: gives an object of type {type(found).__name__}; expected an array of logits"
        )
    return tuple(found.shape[1:])
