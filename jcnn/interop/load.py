"""`load_model`: a model of another library's file, known by its content."""

from dataclasses import dataclass, replace
from pathlib import Path

import jax
import numpy as np
from flax import nnx

from jcnn.data.preprocessing import Preprocessing, set_preprocessing
from jcnn.graph import GraphModel
from jcnn.interop.imported import SavedOptimizer, dotted
from jcnn.interop.keras.model import read_keras
from jcnn.interop.onnx.read import read_onnx
from jcnn.system.formats import KERAS, check_file, format_of, shown

_ACCEPTED = "a Keras model (.keras, or .h5), or an ONNX model"


@dataclass(frozen=True)
class Meta:
    """What a file says of its model.

    Attributes:
        input_shape: `(H, W, C)` of the images.
        classes: number of logits.
        preprocessing: how the model's input is made of an image; None means `x / 255`.
        notes: what was left out or assumed, a line each.
        class_names: a name for each logit; None if the file has none.
        optimizer: of the file's training, for `fit(optimizer_state=...)`; None if it has none.
        frozen: layers with parameters that were not trained, for `TrainConfig(freeze=...)`.
    """

    input_shape: tuple[int, int, int]
    classes: int
    preprocessing: Preprocessing | None
    notes: tuple[str, ...]
    class_names: tuple[str, ...] | None = None
    optimizer: SavedOptimizer | None = None
    frozen: tuple[str, ...] = ()


def load_model(
    path: str | Path,
    *,
    input_shape: tuple[int, int, int] | None = None,
    architecture: str | Path | None = None,
) -> tuple[nnx.Module, Meta]:
    """Read a model; nothing in a file is executed or unpickled.

    Its layers are jcnn's, so it can be trained, explored and saved as a run (`jcnn.runs.save`). A
    softmax at the end is left out: the model gives logits.

    Args:
        path: a `.keras` file, or an `.h5` file with the whole model, of Keras 2 or 3; or an ONNX
            file.
        input_shape: `(H, W, C)`, where the model takes images of any size.
        architecture: the file of Keras's `model.to_json()`, for an `.h5` file of weights alone.

    Raises:
        ValueError: the file is damaged, of an unknown format, or has something that jcnn has not;
            the message names the layer and the reason.
        FileNotFoundError: there is no such file.
    """
    path = Path(path)
    check_file(path, _ACCEPTED)
    kind = format_of(path)
    if kind == "onnx":
        if architecture is not None:
            raise ValueError(
                f"architecture: got one for {shown(path)}, which is ONNX; accepted: None"
            )
        found = read_onnx(path, input_shape=input_shape)
    elif kind in KERAS:
        other = None if architecture is None else Path(architecture)
        found = read_keras(path, input_shape=input_shape, architecture=other)
    else:
        raise ValueError(f"path: {shown(path)} is of an unknown format; accepted: {_ACCEPTED}")
    shape = found.graph.shape_of(found.graph.output)
    if len(shape) != 1:
        raise ValueError(f"path: {shown(path)}: gives {shape}; accepted: one logit for each class")
    # The key of seed 0; to make one of a seed, JAX compiles a program first.
    key = jax.random.wrap_key_data(jax.device_put(np.zeros(2, np.uint32)), impl="threefry2x32")
    model = GraphModel(found.graph, rngs=nnx.Rngs(key))
    if found.preprocessing is not None:
        set_preprocessing(model, found.preprocessing)
    height, width, channels = found.graph.input_shape
    meta = Meta(
        input_shape=(height, width, channels),
        classes=shape[0],
        preprocessing=found.preprocessing,
        notes=found.notes,
        class_names=found.class_names,
        optimizer=_of_model(found.optimizer, model),
        frozen=tuple(map(dotted, found.frozen)),
    )
    return model, meta


def _of_model(found: SavedOptimizer | None, model: GraphModel) -> SavedOptimizer | None:
    """The optimizer with paths of the model's parameters, for those of the graph's nodes."""
    if found is None:
        return None
    attributes = {node: attribute for node, attribute, _ in model.steps}

    def path(name: str) -> str:
        node, _, role = name.rpartition("/")
        return f"{attributes[node]}/{role}"

    slots = {
        role: {path(name) if name else name: array for name, array in arrays.items()}
        for role, arrays in found.slots.items()
    }
    return replace(found, slots=slots)
