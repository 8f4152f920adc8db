"""Builds jcnn's model of a Keras file."""

from pathlib import Path

import jax
import numpy as np

from jcnn.data.preprocessing import Preprocessing
from jcnn.graph import INPUT, Graph, Node
from jcnn.interop.imported import (
    ASSUMED,
    Array,
    Imported,
    SavedOptimizer,
    Shape,
    shaped,
    without_softmax,
)
from jcnn.interop.keras_config import KerasLayer
from jcnn.interop.keras_file import KerasModel, keras_model
from jcnn.interop.keras_layers import FOR_TRAINING, Step, roles_of, steps_of
from jcnn.interop.keras_optimizer_read import Parameter, saved_optimizer
from jcnn.interop.torch_zip import shown


def read_keras(path: Path, *, input_shape: tuple[int, int, int] | None = None) -> Imported:
    """Read a Keras model.

    Args:
        path: a `.keras` or a whole-model `.h5` file.
        input_shape: `(H, W, C)`, for a file that does not say.

    Raises:
        ValueError: it is damaged, or has something that jcnn has not; the message names the layer.
    """
    try:
        return _imported(keras_model(path), input_shape)
    except ValueError as error:
        raise ValueError(f"{shown(path)}: {error}") from None
    except (LookupError, TypeError, AttributeError) as error:
        # The configuration may have any form.
        raise ValueError(f"{shown(path)}: its configuration is wrong: {error!r}") from None


def _imported(model: KerasModel, given: tuple[int, int, int] | None) -> Imported:
    shape = _input_shape(model, given)
    notes: list[str] = []
    scaling, layers = _split_scaling(model.layers)
    names = {INPUT: INPUT} | {layer.path: INPUT for layer in scaling}
    shapes: dict[str, Shape] = {INPUT: shape}
    nodes: list[Node] = []
    places: dict[tuple[str, str], str] = {}
    for layer in layers:
        inputs = [names[one] for one in layer.inputs]
        if layer.kind in FOR_TRAINING:
            notes.append(f"{layer.path}: a {layer.kind} acts in training alone, and is left out")
        try:
            arrays = model.arrays(layer)
            steps = steps_of(layer.kind, layer.config, [shapes[one] for one in inputs], arrays)
            for step in steps:
                node = _node(f"{layer.path}{step.suffix}", step, inputs, shapes)
                if any(node.name == other.name for other in nodes):
                    raise ValueError("two layers have this name")
                nodes.append(node)
                places |= _places(layer, arrays, node.name, step)
                shapes[node.name] = node.shape
                inputs = [node.name]
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            # Settings come from a file: any of them may be missing or of another type.
            reason = str(error) if isinstance(error, ValueError) else f"a wrong setting: {error!r}"
            raise ValueError(f"{layer.path}: {reason.splitlines()[0]}") from None
        names[layer.path] = inputs[0]
    kept, output, ends = without_softmax(nodes, names[model.output])
    preprocessing, said = _preprocessing(scaling, shape)
    optimizer, why = _optimizer(model, places)
    return Imported(
        Graph(shape, kept, output),
        preprocessing,
        (*notes, *ends, *said, *([why] if why else [])),
        optimizer=optimizer,
    )


def _places(
    layer: KerasLayer, arrays: dict[str, Array], node: str, step: Step
) -> dict[tuple[str, str], str]:
    """The place in the graph of each of the layer's arrays that a step has, by path and role."""
    return {
        (layer.path, old): f"{node}/{new}"
        for new, array in step.arrays.items()
        for old, given in arrays.items()
        if array is given
    }


def _optimizer(
    model: KerasModel, places: dict[tuple[str, str], str]
) -> tuple[SavedOptimizer | None, str]:
    """The optimizer of the file, and a note if jcnn cannot go on with it."""
    if model.optimizer is None:
        return None, ""
    by_path = {layer.path: layer for layer in model.layers}
    parameters = []
    for path, is_trained in model.trained.items():
        layer = by_path.get(path)
        if layer is None or not is_trained:
            continue
        names, arrays = model.names(layer), model.arrays(layer)
        for role in roles_of(layer.kind, layer.config):
            if not role.startswith("moving_"):
                place, name = places[path, role], names.get(role, "").split(":")[0]
                parameters.append(Parameter(place, name, arrays[role].shape))
    return saved_optimizer(model.optimizer, parameters)


def _node(name: str, step: Step, inputs: list[str], shapes: dict[str, Shape]) -> Node:
    arrays = {role: jax.device_put(array) for role, array in step.arrays.items()}
    node = Node(name, step.kind, step.settings, tuple(inputs), arrays, (0, 0, step.channels))
    return shaped(node, [shapes[one] for one in inputs])


def _input_shape(model: KerasModel, given: tuple[int, int, int] | None) -> tuple[int, int, int]:
    found = model.input_shape
    shape = given if found is None else tuple(found)
    if shape is None:
        raise ValueError("does not say the shape of its images: name it (H, W, C)")
    if len(shape) != 3:
        raise ValueError(f"takes {shape}; accepted: images (H, W, C)")
    if given is not None:
        fits = all(a in (None, b) for a, b in zip(shape, given, strict=True))
        if not fits:
            raise ValueError(f"takes images of {shape}, not {given}")
        shape = given
    if any(size is None for size in shape):
        raise ValueError(f"takes images of any size {shape}: name one, (H, W, C)")
    height, width, channels = (int(size or 0) for size in shape)
    return height, width, channels


# --- preprocessing --------------------------------------------------------------------------------


def _split_scaling(layers: list[KerasLayer]) -> tuple[list[KerasLayer], list[KerasLayer]]:
    """The first layers that scale images, and the rest."""
    found: list[KerasLayer] = []
    last, rest = INPUT, list(layers)
    while rest and rest[0].kind in ("Rescaling", *FOR_TRAINING) and rest[0].inputs == (last,):
        last = rest[0].path
        found.append(rest.pop(0))
    # Layers for training after the last scaling are told of in turn.
    while found and found[-1].kind != "Rescaling":
        rest.insert(0, found.pop())
    return found, rest


def _preprocessing(
    scaling: list[KerasLayer], shape: tuple[int, int, int]
) -> tuple[Preprocessing | None, list[str]]:
    """What the first layers do to images of 0..255, as `(x / 255 - mean) / deviation`."""
    rescaled = [layer for layer in scaling if layer.kind == "Rescaling"]
    if not rescaled:
        return None, [ASSUMED]
    factor, shift = np.ones(shape[2]), np.zeros(shape[2])
    for layer in rescaled:
        scale, offset = (np.asarray(layer.config[name], float) for name in ("scale", "offset"))
        factor, shift = factor * scale, shift * scale + offset
    deviation = 1 / (255 * factor)
    mean = -shift * deviation
    if np.allclose(mean, 0) and np.allclose(deviation, 1):
        return None, []
    channels = {1: "grey", 3: "rgb"}.get(shape[2])
    if channels is None:
        raise ValueError(f"scales images of {shape[2]} channels; accepted: 1 or 3")
    own = Preprocessing(
        shape[:2],
        "stretch",
        "grey" if channels == "grey" else "rgb",
        tuple(float(one) for one in mean),
        tuple(float(one) for one in deviation),
    )
    return own, []
