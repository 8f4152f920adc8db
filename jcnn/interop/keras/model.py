"""Builds jcnn's model of a Keras file, or lists what is in it."""

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jax

from jcnn.data.preprocessing import Preprocessing
from jcnn.graph import INPUT, Graph, Node
from jcnn.graph.shapes import shaped
from jcnn.interop.imported import (
    Array,
    Imported,
    Listing,
    Row,
    SavedOptimizer,
    Shape,
    dotted,
    not_finite,
    without_softmax,
)
from jcnn.interop.keras.about import About
from jcnn.interop.keras.activations import of_version
from jcnn.interop.keras.config import KerasLayer
from jcnn.interop.keras.file import KerasModel, keras_model, one_line
from jcnn.interop.keras.layers import (
    FOR_TRAINING,
    refusal,
    steps_of,
    trained_roles,
)
from jcnn.interop.keras.optimizer_read import Parameter, saved_optimizer
from jcnn.interop.keras.preprocessing import Front, front, input_shape, preprocessing
from jcnn.system.formats import shown

# Numbers of one map of one image: 4 GB.
_LARGEST = 2**30


def read_keras(
    path: Path,
    *,
    input_shape: tuple[int, int, int] | None = None,
    architecture: Path | None = None,
) -> Imported:
    """Read a Keras model.

    Args:
        path: a `.keras` or an `.h5` file.
        input_shape: `(H, W, C)`, for a file that does not say.
        architecture: the file of `model.to_json()`, for an `.h5` file of weights alone.

    Raises:
        ValueError: it is damaged, or has something that jcnn has not; the message names the layer.
    """
    with one_line(shown(path)):
        return imported_model(keras_model(path, architecture=architecture), input_shape)


def list_keras(
    path: Path,
    *,
    input_shape: tuple[int, int, int] | None = None,
    architecture: Path | None = None,
) -> Listing:
    """What is in a Keras file: every layer, and why jcnn would refuse it; no arrays are read.

    Args:
        path, input_shape, architecture: as for `read_keras`; without an input shape, those of
            the layers are unknown.

    Raises:
        ValueError: it is damaged, or no Sequential or Functional model.
    """
    with one_line(shown(path)):
        model = keras_model(path, architecture=architecture, numbers=False)
        return listing_of(model, input_shape)


@dataclass(frozen=True)
class _Built:
    """The graph so far.

    Attributes:
        nodes: each after its inputs.
        names: of the node with the output of each layer, by the layer's path.
        shapes: of the nodes' outputs.
        places: in the graph, of each of the file's arrays, by path of the layer and role.
    """

    names: dict[str, str]
    shapes: dict[str, Shape]
    nodes: list[Node] = field(default_factory=list)
    places: dict[tuple[str, str], str] = field(default_factory=dict)


def _add(layer: KerasLayer, model: KerasModel, built: _Built, *, is_left_out: bool) -> None:
    """Append the nodes of a layer, or none for one that is left out.

    Raises:
        ValueError: the layer is refused; the message is one line that names it.
    """
    try:
        inputs = [built.names[one] for one in layer.inputs]
        if is_left_out:
            built.names[layer.path] = inputs[0]
            return
        arrays = model.arrays(layer)
        shapes = [built.shapes[one] for one in inputs]
        given_inputs = inputs
        config = of_version(layer.config, model.version)
        for step in steps_of(layer.kind, config, shapes, arrays):
            name = f"{layer.path}{step.suffix}"
            if len(shapes) > 1 and step.reads is not None:
                inputs = [inputs[0], given_inputs[step.reads]]
            given: Any = step.arrays  # NumPy's, until all layers are known to be accepted
            shape = (0, 0, step.channels)
            node = Node(name, step.kind, step.settings, tuple(inputs), given, shape)
            node = shaped(node, [built.shapes[one] for one in inputs])
            if math.prod(node.shape) > _LARGEST:
                raise ValueError(f"gives {node.shape}, more than {_LARGEST:,} numbers an image")
            if any(node.name == other.name for other in built.nodes):
                raise ValueError("two layers have this name")
            built.nodes.append(node)
            built.shapes[name] = node.shape
            built.places.update(_places(layer, arrays, name, step.arrays))
            inputs = [name]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        # Settings come from a file: any of them may be missing or of another type.
        reason = str(error) if isinstance(error, ValueError) else f"a wrong setting: {error!r}"
        raise ValueError(f"{layer.path}: {reason.splitlines()[0]}") from None
    built.names[layer.path] = inputs[0]


def _places(
    layer: KerasLayer, arrays: dict[str, Array], node: str, made: dict[str, Array]
) -> dict[tuple[str, str], str]:
    """The place in the graph of each of a layer's arrays that a node has."""
    return {
        (layer.path, old): f"{node}/{new}"
        for new, array in made.items()
        for old, given in arrays.items()
        if array is given
    }


def imported_model(model: KerasModel, given: tuple[int, int, int] | None) -> Imported:
    """The model of a file that has been read; `given` is the shape of its images, if it is.

    Raises:
        ValueError: it has something that jcnn has not; the message names the layer.
    """
    about = About.from_json(model.about)
    is_prepared = about is not None and not about.with_preprocessing
    first = Front((), None) if is_prepared else front(model)
    shape = input_shape(model, first, given)
    built = _Built({INPUT: INPUT}, {INPUT: shape})
    for layer in model.layers:
        _add(layer, model, built, is_left_out=layer.path in first.paths)
    notes = [
        f"{layer.path}: a {layer.kind} acts in training alone, and is left out"
        for layer in model.layers
        if layer.kind in FOR_TRAINING
    ]
    nodes = [replace(node, arrays=jax.device_put(dict(node.arrays))) for node in built.nodes]
    kept, output, ends = without_softmax(nodes, built.names[model.output])
    own, said = preprocessing(model, first, shape)
    if about is not None:
        if is_prepared or about.agrees(own):
            own, said = about.preprocessing, []
        _check_about(about, own, shape, built.shapes[output])
    frozen = _frozen(model, built)
    optimizer, why = _optimizer(model, built.places)
    if optimizer is not None and frozen and len(frozen) < len(_with_parameters(model, built)):
        modules = tuple(map(dotted, frozen))
        optimizer = replace(optimizer, settings={**optimizer.settings, "freeze": modules})
    wrong = not_finite(
        (f"{node.name}/{role}", array) for node in nodes for role, array in node.arrays.items()
    )
    told = [*model.notes, *notes, *ends, *said, wrong, _of_frozen(model, built), why]
    return Imported(
        Graph(shape, kept, output),
        own,
        tuple(note for note in told if note),
        class_names=None if about is None else about.class_names,
        optimizer=optimizer,
        frozen=frozen,
    )


def _check_about(about: About, own: Preprocessing | None, shape: Shape, output: Shape) -> None:
    """Check what jcnn wrote of a model against the model, which somebody may have changed."""
    if own is not None and own.image_shape != shape:
        raise ValueError(f"takes {shape}; its preprocessing gives {own.image_shape}")
    if len(about.class_names) != output[-1]:
        raise ValueError(f"has {len(about.class_names)} class names for {output[-1]} classes")


# --- what is trained ------------------------------------------------------------------------------


def _with_parameters(model: KerasModel, built: _Built) -> dict[str, bool]:
    """Whether each node with parameters was trained."""
    return {
        place.rpartition("/")[0]: model.trained.get(path, True)
        for (path, _), place in built.places.items()
    }


def _frozen(model: KerasModel, built: _Built) -> tuple[str, ...]:
    return tuple(name for name, trained in _with_parameters(model, built).items() if not trained)


def _of_frozen(model: KerasModel, built: _Built) -> str:
    """A note on the layers that were not trained, or ""."""
    frozen, every = _frozen(model, built), list(_with_parameters(model, built))
    if not frozen:
        return ""
    if len(frozen) == len(every):
        return "all layers were frozen in Keras"
    if len(frozen) > 1 and list(frozen) == every[:-1]:
        return (
            f"all layers but {dotted(every[-1])} were frozen in Keras: --freeze backbone "
            "leaves them as they are"
        )
    if len(frozen) > 4 and list(frozen) == every[: len(frozen)]:
        first = dotted(every[len(frozen)])
        return (
            f"all layers before {first} were frozen in Keras: --freeze backbone --unfreeze-from "
            f"{first} leaves them as they are"
        )
    names = list(map(dotted, frozen))  # of the modules
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return (
        f"{', '.join(names[:4])}{more} were frozen in Keras: --freeze with their names leaves "
        "them as they are"
    )


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
        for role in trained_roles(layer.kind, layer.config):
            place, name = places[path, role], names.get(role, "").split(":")[0]
            parameters.append(Parameter(place, name, arrays[role].shape))
    return saved_optimizer(model.optimizer, parameters)


# --- what is in a file ----------------------------------------------------------------------------


def listing_of(model: KerasModel, given: tuple[int, int, int] | None) -> Listing:
    """What is in a file that has been read; `given` is the shape of its images, if it is."""
    first = front(model)
    shape, unknown = None, ""
    try:
        shape = input_shape(model, first, given)
    except ValueError as error:
        unknown = str(error)
    built = _Built({}, {})
    if shape is not None:
        built.names[INPUT], built.shapes[INPUT] = INPUT, shape
    rows = []
    for layer in model.layers:
        is_first = layer.path in first.paths
        refused = refusal(layer.kind, layer.config)
        if not refused and all(one in built.names for one in layer.inputs):
            try:
                _add(layer, model, built, is_left_out=is_first)
            except ValueError as error:
                refused = str(error).removeprefix(f"{layer.path}: ")
        name = built.names.get(layer.path)
        size = None if name is None else built.shapes[name]
        rows.append(Row(layer.path, layer.kind, size, model.count(layer), refused))
    told = [*model.notes, unknown, _of_frozen(model, built)]
    version = f"Keras {model.version}".strip()
    return Listing(
        f"{version}, {model.suffix}",
        shape or model.input_shape,
        tuple(rows),
        tuple(note for note in told if note),
    )
