"""Writes Keras's files: `.keras`, whole-model `.h5`, and `.weights.h5`, all without Keras."""

import importlib
import importlib.util
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jcnn.interop.keras.file import OWN
from jcnn.interop.keras.optimizer_write import WrittenOptimizer
from jcnn.interop.keras.written import INPUT_LAYER, Shape, WrittenLayer, is_chain, name_of, path_of
from jcnn.layers.model import snake_case

# The version of Keras whose files these are.
VERSION = "3.15.0"
# Bytes of a list of names in an attribute of HDF5.
_LARGEST_ATTRIBUTE = 60_000


@dataclass(frozen=True)
class WrittenModel:
    """A model to be written.

    Attributes:
        layers: in Keras's order, the input first.
        about: for JSON: what jcnn alone knows.
        probabilities: whether the output are probabilities rather than logits.
        optimizer: of its training, or None.
    """

    layers: Sequence[WrittenLayer]
    about: dict[str, Any]
    probabilities: bool
    optimizer: WrittenOptimizer | None


def keras_bytes(model: WrittenModel) -> memoryview:
    """The content of a `.keras` file."""
    about = {"keras_version": VERSION, OWN: model.about}
    config = _config(model, legacy=False) | {"compile_config": _compile_config(model)}
    entries: dict[str, bytes | memoryview] = {
        "metadata.json": _json(about).encode(),
        "config.json": _json(config).encode(),
        "model.weights.h5": weights_bytes(model),
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in entries.items():
            # Without the date of today, the same model is the same file.
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)
    return stream.getbuffer()


def h5_bytes(model: WrittenModel) -> memoryview:
    """The content of an `.h5` file with the whole model."""
    stream = io.BytesIO()
    with _h5py().File(stream, "w") as file:
        file.attrs["backend"], file.attrs["keras_version"] = "jax", VERSION
        file.attrs["model_config"] = _json(_config(model, legacy=True))
        file.attrs[OWN] = _json(model.about)
        top = file.create_group("model_weights")
        top.attrs["backend"], top.attrs["keras_version"] = "jax", VERSION
        _write_names(top, "layer_names", [layer.name for layer in model.layers])
        for layer in model.layers:
            group = top.create_group(layer.name)
            names = [path_of(model.layers, layer, one) for one in layer.weights]
            _write_names(group, "weight_names", names)
            for name, one in zip(names, layer.weights, strict=True):
                group.create_dataset(name, data=one.array)
        _write_names(top.create_group("top_level_model_weights"), "weight_names", [])
        training = _compile_config(model)
        if model.optimizer is not None and training is not None:
            optimizer = training.pop("optimizer")
            file.attrs["training_config"] = _json(training | {"optimizer_config": optimizer})
            group = file.create_group("optimizer_weights")
            _write_names(group, "weight_names", [name for name, _ in model.optimizer.arrays])
            for name, array in model.optimizer.arrays:
                group.create_dataset(name, data=array)
    return stream.getbuffer()


def weights_bytes(model: WrittenModel, *, alone: bool = False) -> memoryview:
    """The content of a `.weights.h5` file.

    Args:
        model: its arrays are written.
        alone: whether the file is all that is written: it then says what jcnn knows, and has no
            optimizer.
    """
    stream = io.BytesIO()
    with _h5py().File(stream, "w") as file:
        if alone:
            file.attrs[OWN] = _json(model.about)
        file.create_group("vars").attrs["name"] = name_of(model.layers)
        counts: dict[str, int] = {}
        for layer in model.layers:
            kind = snake_case(layer.kind)
            if is_chain(model.layers) and layer.name == INPUT_LAYER:
                continue
            number = counts.get(kind, 0)
            counts[kind] = number + 1
            group = file.create_group(f"layers/{kind}_{number}" if number else f"layers/{kind}")
            _write_vars(group, layer.name, [one.array for one in layer.weights])
        if model.optimizer is not None and not alone:
            arrays = [array for _, array in model.optimizer.arrays]
            _write_vars(file.create_group("optimizer"), model.optimizer.name, arrays)
    return stream.getbuffer()


def check_h5py(name: str) -> None:
    """Check that h5py is installed, for the file `name`."""
    if importlib.util.find_spec("h5py") is None:
        raise ValueError(f"path: {name} needs h5py: pip install 'jcnn[keras]'")


def _h5py() -> Any:
    return importlib.import_module("h5py")  # it has no types


def _write_vars(group: Any, name: str, arrays: Sequence[Any]) -> None:
    variables = group.create_group("vars")
    variables.attrs["name"] = name
    for number, array in enumerate(arrays):
        variables.create_dataset(str(number), data=array)


def _write_names(group: Any, name: str, names: Sequence[str]) -> None:
    """A list of texts as an attribute, or several where HDF5 does not allow one of that size."""
    texts = [one.encode() for one in names]
    longest = max(map(len, texts), default=1)
    most = max(_LARGEST_ATTRIBUTE // longest, 1)
    parts = [texts[start : start + most] for start in range(0, len(texts), most)] or [[]]
    for number, part in enumerate(parts):
        group.attrs[name if len(parts) == 1 else f"{name}{number}"] = np.array(part, f"S{longest}")


# --- configurations -------------------------------------------------------------------------------


def _config(model: WrittenModel, *, legacy: bool) -> dict[str, Any]:
    """The configuration; `legacy` as for `.h5`, where classes have no modules."""
    shapes = {layer.name: layer.shape for layer in model.layers}
    layers = []
    for layer in model.layers:
        entry: dict[str, Any] = {"class_name": layer.kind, "config": dict(layer.config)}
        if not legacy:
            entry |= {"module": "keras.layers", "registered_name": None}
        if not is_chain(model.layers):
            inbound = [_call([_tensor(name, shapes[name]) for name in layer.inputs])]
            entry |= {"name": layer.name, "inbound_nodes": inbound if layer.inputs else []}
        layers.append(entry)
    batch = [None, *model.layers[0].shape]
    config: dict[str, Any] = {"name": name_of(model.layers), "trainable": True, "layers": layers}
    if is_chain(model.layers):
        config["build_input_shape"] = batch
        kind, module, registered = "Sequential", "keras", None
    else:
        config["input_layers"] = [model.layers[0].name, 0, 0]
        config["output_layers"] = [model.layers[-1].name, 0, 0]
        kind, module, registered = "Functional", "keras.src.models.functional", "Functional"
    made = {"class_name": kind, "config": config}
    if legacy:
        return made
    return made | {
        "module": module,
        "registered_name": registered,
        "build_config": {"input_shape": batch},
    }


def _tensor(name: str, shape: Shape) -> dict[str, Any]:
    config = {"shape": [None, *shape], "dtype": "float32", "keras_history": [name, 0, 0]}
    return {"class_name": "__keras_tensor__", "config": config}


def _call(tensors: list[dict[str, Any]]) -> dict[str, Any]:
    """How a layer is called: with a tensor, or a list of several."""
    return {"args": tensors if len(tensors) == 1 else [tensors], "kwargs": {}}


def _compile_config(model: WrittenModel) -> dict[str, Any] | None:
    """The settings of the training: the loss is jcnn's."""
    if model.optimizer is None:
        return None

    def object_of(module: str, kind: str, config: dict[str, Any]) -> dict[str, Any]:
        named = {"class_name": kind, "config": config}
        return {"module": f"keras.{module}", **named, "registered_name": None}

    loss = {"name": "sparse_categorical_crossentropy", "reduction": "sum_over_batch_size"}
    return {
        "optimizer": object_of("optimizers", model.optimizer.kind, model.optimizer.config),
        "loss": object_of(
            "losses",
            "SparseCategoricalCrossentropy",
            loss | {"from_logits": not model.probabilities},
        ),
        "loss_weights": None,
        "metrics": ["accuracy"],
        "weighted_metrics": None,
        "run_eagerly": False,
        "steps_per_execution": 1,
        "jit_compile": "auto",
    }


def _json(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False)
