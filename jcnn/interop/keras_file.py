"""Reads a Keras model: `.keras` of Keras 3, and whole-model `.h5` of Keras 2 and 3.

Nothing in a file is executed: layers are looked up in a table by their class, `Lambda` and unknown
classes are refused. Arrays are read one by one, each compared with the shape that its layer has.
"""

import json
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jcnn.interop.hdf5_file import Array, Tree, read_hdf5
from jcnn.interop.keras_config import KerasLayer, layers_of
from jcnn.interop.keras_layers import roles_of
from jcnn.layers.model import snake_case

# Bytes of all arrays.
LIMIT = 2**36
_CONFIG_LIMIT = 2**26
_WEIGHTS = "model.weights.h5"
# Where a file says what jcnn alone knows; Keras ignores it.
OWN = "jcnn"
# Where Keras 3, and tf.keras 2 before it, keep the layers of a model.
_INSIDE = ("layers", "_layer_checkpoint_dependencies")

Arrays = Callable[[KerasLayer], dict[str, Array]]


@dataclass(frozen=True)
class KerasModel:
    """A model of a file.

    Attributes:
        layers: each after its inputs.
        output: path of the last layer.
        input_shape: of one input; None if the file does not say.
        arrays: reads the weights of a layer, by role.
        version: of the Keras that wrote it, "" if unknown.
        about: what jcnn wrote of the model, decoded JSON of any form; None for other files.
    """

    layers: list[KerasLayer]
    output: str
    input_shape: tuple[int | None, ...] | None
    arrays: Arrays
    version: str
    about: Any = None


def keras_model(path: Path) -> KerasModel:
    """The model of a file.

    Raises:
        ValueError: it is damaged, of an unknown form, or refused; the message gives the reason.
    """
    return _of_zip(path) if zipfile.is_zipfile(path) else _of_hdf5(path)


# --- .keras ---------------------------------------------------------------------------------------


def _of_zip(path: Path) -> KerasModel:
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"is no valid zip archive: {error}") from None
    with archive, tempfile.TemporaryDirectory() as folder:
        names = set(archive.namelist())
        if not {"config.json", _WEIGHTS} <= names:
            raise ValueError(f"is no .keras file: it has no config.json or no {_WEIGHTS}")
        config = _json(_entry(archive, "config.json", _CONFIG_LIMIT))
        about = _json(_entry(archive, "metadata.json", 2**20)) if "metadata.json" in names else {}
        weights = Path(folder) / _WEIGHTS
        weights.write_bytes(_entry(archive, _WEIGHTS, LIMIT))
        tree = read_hdf5(weights, _INSIDE, LIMIT)
    layers, output, shape = layers_of(config)
    about = about if isinstance(about, dict) else {}
    arrays = _by_number(_groups(config, tree), tree)
    version = str(about.get("keras_version", ""))
    return KerasModel(layers, output, shape, arrays, version, about.get(OWN))


def _entry(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    info = archive.getinfo(name)
    if info.file_size > limit or info.file_size > 1100 * max(info.compress_size, 1):
        raise ValueError(f"{name} declares {info.file_size:,} bytes")
    try:
        with archive.open(info) as stream:
            content = stream.read(info.file_size + 1)
    except (OSError, EOFError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"{name} is damaged: {error}") from None
    if len(content) != info.file_size:
        raise ValueError(f"{name} is not of its declared size")
    return content


def _groups(config: Any, tree: Tree) -> dict[str, str]:
    """The place of each layer in Keras 3's file of weights, by the layer's path.

    A group's name is the class in snake case, with a number from the second on.
    """
    found: dict[str, str] = {}

    def visit(model: Any, group: str, prefix: str) -> None:
        layers = model["config"]["layers"] if isinstance(model.get("config"), dict) else []
        inside = next(
            (f"{group}/{one}" for one in _INSIDE if f"{group}/{one}" in tree.attributes), ""
        )
        counts: dict[str, int] = {}
        for layer in layers:
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


def _of_hdf5(path: Path) -> KerasModel:
    tree = read_hdf5(path, ("model_weights",), LIMIT)
    config = tree.attributes["/"].get("model_config")
    if not isinstance(config, str):
        raise ValueError(
            "has no model_config: it holds weights alone; save the whole model (model.save)"
        )
    layers, output, shape = layers_of(_json(config.encode()))
    version = str(tree.attributes["/"].get("keras_version", ""))
    own = tree.attributes["/"].get(OWN)
    about = _json(own.encode()) if isinstance(own, str) else None
    return KerasModel(layers, output, shape, _by_name(tree), version, about)


def _by_name(tree: Tree) -> Arrays:
    def arrays(layer: KerasLayer) -> dict[str, Array]:
        roles = roles_of(layer.kind, layer.config)
        outer, *_ = layer.path.split("/")
        own = layer.path.rsplit("/", 1)[-1]
        group = f"/model_weights/{outer}"
        found: dict[str, Array] = {}
        for name in tree.texts(group, "weight_names") if roles else []:
            parts = name.split("/")
            role = parts[-1].split(":")[0]
            if role not in roles or (outer != own and own not in parts[:-1]):
                continue
            array = tree.array(f"{group}/{name}")
            if array is None:
                raise ValueError(f"{role}: the file has no array {name!r}")
            if role in found:
                raise ValueError(f"{role}: two arrays have this role: {name!r} is one")
            found[role] = array
        missing = [role for role in roles if role not in found]
        if missing:
            raise ValueError(f"{missing[0]}: the file has no such array")
        return found

    return arrays


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("its configuration is no valid JSON") from None
