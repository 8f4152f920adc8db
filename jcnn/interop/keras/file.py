"""Reads a Keras model: `.keras` of Keras 3, and whole-model `.h5` of Keras 2 and 3.

Nothing in a file is executed: layers are looked up in a table by their class, `Lambda` and unknown
classes are refused. Arrays are read one by one, each compared with the shape that its layer has.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jcnn.interop.keras.config import KerasLayer, layers_of, listed, trained_layers
from jcnn.interop.keras.layers import roles_of
from jcnn.interop.keras.names import own_places, weight_places
from jcnn.interop.keras.optimizer_read import Stored
from jcnn.layers.model import snake_case
from jcnn.system.formats import check_file
from jcnn.system.hdf5 import Array, Tree
from jcnn.system.keras_file import LAYERS, OPTIMIZER, read_stored

_CONFIG_LIMIT = 2**26
# Where a file says what jcnn alone knows; Keras ignores it.
OWN = "jcnn"

Arrays = Callable[[KerasLayer], dict[str, Array]]
Names = Callable[[KerasLayer], dict[str, str]]


@dataclass(frozen=True)
class KerasModel:
    """A model of a file.

    Attributes:
        layers: each after its inputs.
        output: path of the last layer.
        input_shape: of one input; None if the file does not say.
        arrays: reads the weights of a layer, by role.
        version: of the Keras that wrote it, "" if unknown.
        trained: whether each layer is trained, in Keras's order of the model's variables.
        names: the names of a layer's weights in the file, by role; none if it has no names.
        optimizer: of the file's training; None if it has none.
        count: number of numbers in the arrays of a layer, of any class.
        suffix: of such files.
        notes: what is worth telling, a line each.
        about: what jcnn wrote of the model, decoded JSON of any form; None for other files.
    """

    layers: list[KerasLayer]
    output: str
    input_shape: tuple[int | None, ...] | None
    arrays: Arrays
    version: str
    trained: Mapping[str, bool]
    names: Names
    optimizer: Stored | None
    count: Callable[[KerasLayer], int]
    suffix: str
    notes: tuple[str, ...] = ()
    about: Any = None


def keras_model(
    path: Path, *, architecture: Path | None = None, numbers: bool = True
) -> KerasModel:
    """The model of a file.

    Args:
        path: of the file.
        architecture: what `model.to_json()` gives, in a file, for an `.h5` file of weights alone.
        numbers: False reads the shapes of arrays alone.

    Raises:
        ValueError: it is damaged, of an unknown form, or refused; the message gives the reason.
    """
    return model_of(read_stored(path, numbers=numbers), architecture)


def model_of(tree: Tree, architecture: Path | None = None) -> KerasModel:
    """The model of what is in a file; arguments and errors as of `keras_model`."""
    if not tree.files:
        return _of_hdf5(tree, architecture)
    if architecture is not None:
        raise ValueError("has an architecture of its own; architecture: accepted: None")
    return _of_archive(tree)


@contextmanager
def one_line(place: str) -> Iterator[None]:
    """Any error of a reader becomes one line that begins with a place, such as the file's name."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None
    except RecursionError:
        raise ValueError(f"{place}: its configuration is nested too deeply") from None
    except (LookupError, TypeError, AttributeError, ArithmeticError) as error:
        # The configuration may have any form.
        raise ValueError(f"{place}: its configuration is wrong: {error!r}") from None


# --- .keras ---------------------------------------------------------------------------------------


def _of_archive(tree: Tree) -> KerasModel:
    config = _json(tree.files["config.json"])
    about = _json(tree.files.get("metadata.json", b"{}"))
    about = about if isinstance(about, dict) else {}
    model = numbered_model(config, tree, str(about.get("keras_version", "")), ".keras")
    return replace(model, about=about.get(OWN))


def numbered_model(config: Any, tree: Tree, version: str, suffix: str) -> KerasModel:
    """The model whose arrays are numbered by the class of the layer, as Keras 3 writes them."""
    layers, output, shape = layers_of(config)
    groups = _groups(config, tree)
    return KerasModel(
        layers,
        output,
        shape,
        arrays=_by_number(groups, tree),
        version=version,
        trained=trained_layers(config),
        names=lambda layer: {},
        optimizer=_numbered_optimizer(config, tree, version),
        count=lambda layer: _size(tree, f"{groups.get(layer.path)}/"),
        suffix=suffix,
    )


def _size(tree: Tree, prefix: str) -> int:
    return sum(tree.size(name) for name in tree.arrays if name.startswith(prefix))


def _numbered_optimizer(config: Any, tree: Tree, version: str) -> Stored | None:
    compiled = config.get("compile_config")
    given = compiled.get("optimizer") if isinstance(compiled, dict) else None
    if not given:
        return None
    arrays: list[tuple[str, Array]] = []
    while (array := tree.array(f"/{OPTIMIZER}/vars/{len(arrays)}")) is not None:
        arrays.append((str(len(arrays)), array))
    return Stored(given, arrays, version)


def _groups(config: Any, tree: Tree) -> dict[str, str]:
    """The place of each layer in Keras 3's file of weights, by the layer's path.

    A group's name is the class in snake case, with a number from the second on.
    """
    found: dict[str, str] = {}

    def visit(model: Any, group: str, prefix: str) -> None:
        inside = next(
            (f"{group}/{one}" for one in LAYERS if f"{group}/{one}" in tree.attributes), ""
        )
        counts: dict[str, int] = {}
        for layer in listed(model):
            kind = snake_case(str(layer.get("class_name")))
            number = counts.get(kind, 0)
            counts[kind] = number + 1
            place = f"{inside}/{kind}_{number}" if number else f"{inside}/{kind}"
            own = layer.get("config")
            path = f"{prefix}{own.get('name') if isinstance(own, dict) else None}"
            if isinstance(own, dict) and "layers" in own:
                visit(layer, place, f"{path}/")
            else:
                found[path] = place

    visit(config, "", "")
    return found


def _by_number(groups: dict[str, str], tree: Tree) -> Arrays:
    def arrays(layer: KerasLayer) -> dict[str, Array]:
        found: dict[str, Array] = {}
        for number, role in enumerate(roles_of(layer.kind, layer.config)):
            array = tree.array(f"{groups.get(layer.path)}/vars/{number}")
            if array is None:
                raise ValueError(f"{role}: the file has no such array")
            found[role] = array
        return found

    return arrays


# --- .h5 ------------------------------------------------------------------------------------------


def _of_hdf5(tree: Tree, architecture: Path | None) -> KerasModel:
    text = tree.attributes["/"].get("model_config")
    if isinstance(text, str):
        if architecture is not None:
            raise ValueError("has an architecture of its own; architecture: accepted: None")
        config, root = _json(text), "/model_weights"
    elif architecture is None:
        raise ValueError(
            "has no model_config: it holds weights alone; save the whole model (model.save), or "
            "give its architecture, too (model.to_json())"
        )
    else:
        config, root = _architecture(architecture), ""
        if is_numbered(tree):
            return numbered_model(config, tree, str(config.get("keras_version", "")), ".weights.h5")
    layers, output, shape = layers_of(config)
    version = str(tree.attributes["/"].get("keras_version", ""))
    own = tree.attributes["/"].get(OWN)
    trained = trained_layers(config)
    places, notes = weight_places(layers, trained, tree, root)
    return KerasModel(
        layers,
        output,
        shape,
        arrays=_by_name(tree, places),
        version=version,
        trained=trained,
        names=lambda layer: {
            role: name.removeprefix(f"{root}/").partition("/")[2]
            for role, name in places.get(layer.path, {}).items()
        },
        optimizer=_named_optimizer(tree, version),
        count=lambda layer: sum(map(tree.size, own_places(layer, tree, root))),
        suffix=".h5",
        notes=notes,
        about=_json(own) if isinstance(own, str) else None,
    )


def _architecture(path: Path) -> Any:
    check_file(path, "what model.to_json() gives")
    if path.stat().st_size > _CONFIG_LIMIT:
        raise ValueError(f"architecture: {path.name} has {path.stat().st_size:,} bytes")
    config = _json(path.read_bytes())
    if not isinstance(config, dict):
        raise ValueError(f"architecture: {path.name}: accepted: what model.to_json() gives")
    return config


def is_numbered(tree: Tree) -> bool:
    """Whether a file of weights is of the form of Keras 3, with arrays numbered by class."""
    return any(f"/{one}" in tree.attributes for one in LAYERS)


def _named_optimizer(tree: Tree, version: str) -> Stored | None:
    about = tree.attributes["/"].get("training_config")
    content = _json(about) if isinstance(about, str) else None
    given = content.get("optimizer_config") if isinstance(content, dict) else None
    if not given:
        return None
    arrays = []
    for name in tree.texts("/optimizer_weights", "weight_names"):
        array = tree.array(f"/optimizer_weights/{name}")
        if array is None:
            raise ValueError(f"the optimizer's {name!r}: the file has no such array")
        arrays.append((name, array))
    return Stored(given, arrays, version)


def _by_name(tree: Tree, places: Mapping[str, Mapping[str, str]]) -> Arrays:
    def arrays(layer: KerasLayer) -> dict[str, Array]:
        found: dict[str, Array] = {}
        for role, place in places.get(layer.path, {}).items():
            array = tree.array(place)
            if array is None:
                raise ValueError(f"{role}: the file has no array {place!r}")
            found[role] = array
        missing = [role for role in roles_of(layer.kind, layer.config) if role not in found]
        if missing:
            raise ValueError(f"{missing[0]}: the file has no such array")
        return found

    return arrays


def _json(content: str | bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("its configuration is no valid JSON") from None
