"""`save_model`: a trained model as a file for other programs."""

import importlib.util
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import export
from safetensors.numpy import save as safetensors_bytes

from jcnn.data.batches import normalise
from jcnn.data.preprocessing import Preprocessing, preprocessing_of
from jcnn.graph import graph
from jcnn.interop.imported import SavedOptimizer, not_finite
from jcnn.interop.keras.about import About, rescaling_of
from jcnn.interop.keras.optimizer_write import with_trainable, written_optimizer
from jcnn.interop.keras.save import (
    VERSION,
    WrittenModel,
    check_h5py,
    h5_bytes,
    keras_bytes,
    weights_bytes,
)
from jcnn.interop.keras.write import keras_layers
from jcnn.interop.loaded import variables_of
from jcnn.interop.onnx.file import write_onnx
from jcnn.interop.onnx.nodes import OPSET
from jcnn.interop.torch.names import torch_state
from jcnn.layers import eval_mode
from jcnn.layers.finite import named_arrays
from jcnn.suggest import did_you_mean
from jcnn.system.files import write_bytes, write_text

# Where a StableHLO program runs; each convolution is there once for each.
PLATFORMS = ("cpu", "cuda", "tpu")


@dataclass(frozen=True)
class _Saved:
    """A model with what a file says about it."""

    model: nnx.Module
    input_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    preprocessing: Preprocessing | None
    with_preprocessing: bool
    optimizer: SavedOptimizer | None

    @property
    def about(self) -> dict[str, Any]:
        """For JSON: the images, the classes, and what the numbers mean."""
        own = self.preprocessing
        return {
            "input_shape": list(self.input_shape),
            "class_names": list(self.class_names),
            "preprocessing": "x / 255" if own is None else own.to_json(),
        }

    @property
    def interface(self) -> dict[str, str]:
        """What a program takes and gives."""
        dtype = "uint8" if self.with_preprocessing else "float32"
        return {
            "input": f"(N, {', '.join(map(str, self.input_shape))}) {dtype}",
            "output": "probabilities" if self.with_preprocessing else "logits",
        }


def save_model(
    model: nnx.Module,
    path: str | Path,
    *,
    input_shape: tuple[int, int, int],
    class_names: Sequence[str],
    preprocessing: Preprocessing | None = None,
    with_preprocessing: bool = False,
    optimizer: SavedOptimizer | None = None,
) -> list[Path]:
    """Write a model in eval mode to a file; the ending of its name chooses the format.

    ".onnx" is for onnxruntime and other tools of deployment. ".stablehlo" is a program of JAX
    (`jax.export`) for CPU, CUDA and TPU; `jax.export.deserialize(bytes).call(images)` runs it
    without jcnn. Both take any number of images. ".safetensors" holds the parameters with PyTorch's
    names and axes, for a PyTorch model of the same layers, such as torchvision's for the networks
    of the zoo that have its names. ".keras" and ".h5" are whole models for Keras 3, ".weights.h5"
    holds the arrays of such a model.

    Args:
        model: any NNX module that `jcnn.graph.graph` accepts.
        path: the file; it is replaced if it exists.
        input_shape: `(H, W, C)` of the images.
        class_names: a name for each logit, in order.
        preprocessing: how the input is made of an image; None means the model's own, or `x / 255`.
        with_preprocessing: whether the program takes uint8 images and gives probabilities, rather
            than the model's input and logits; a Keras model takes images of 0 to 255 of any dtype.
        optimizer: of the training, for ".keras" and ".h5"; Keras's next update is then jcnn's.

    Returns:
        The files written: the model, and beside it a JSON file with classes, preprocessing, and
        notes on what differs or is not finite.

    Raises:
        ValueError: the format is unknown, cannot hold this model, or needs a package.
        OSError: the file cannot be written.
    """
    path = Path(path)
    write = next((one for ending, one in _FORMATS.items() if path.name.endswith(ending)), None)
    if write is None:
        guess = did_you_mean(path.suffix, _FORMATS)
        raise ValueError(
            f"path: got {path.name!r}; accepted: a name that ends in {', '.join(_FORMATS)}{guess}"
        )
    own = preprocessing if preprocessing is not None else preprocessing_of(model)
    names = tuple(class_names)
    if optimizer is not None:
        optimizer = optimizer.for_paths(path for path, _, _ in variables_of(model))
    saved = _Saved(eval_mode(model), input_shape, names, own, with_preprocessing, optimizer)
    about = write(saved, path)
    arrays = ((f"{layer}/{name}", array) for layer, name, array in named_arrays(saved.model))
    if wrong := not_finite(arrays):
        about["notes"] = [*about.get("notes", ()), wrong]
    beside = path.with_name(f"{path.name}.json")
    write_text(beside, json.dumps(about, indent=1, ensure_ascii=False) + "\n")
    return [path, beside]


def _stablehlo(saved: _Saved, path: Path) -> dict[str, Any]:
    if importlib.util.find_spec("flatbuffers") is None:  # JAX does not declare it
        raise ValueError(f"path: {path.name} needs flatbuffers: pip install 'jcnn[stablehlo]'")
    graphdef, state = nnx.split(saved.model)

    def run(images: jax.Array) -> jax.Array:
        model: Any = nnx.merge(graphdef, state)
        x = images
        if saved.with_preprocessing:
            x = normalise(images)
            x = x if saved.preprocessing is None else saved.preprocessing.standardise(x)
        logits: jax.Array = model(x).astype(jnp.float32)
        return jax.nn.softmax(logits) if saved.with_preprocessing else logits

    (number,) = export.symbolic_shape("n")
    dtype = jnp.uint8 if saved.with_preprocessing else jnp.float32
    images = jax.ShapeDtypeStruct((number, *saved.input_shape), dtype)
    try:
        with _no_source_files():
            exported = export.export(jax.jit(run), platforms=PLATFORMS)(images)
    except TypeError as error:  # `len(x)` is a number, `x.shape[0]` may be a symbol
        raise ValueError(
            "model: cannot be traced for any number of images; accepted: x.shape[0] in place of "
            f"len(x) ({str(error).splitlines()[0]})"
        ) from error
    about = {
        **saved.about,
        **saved.interface,
        "format": "StableHLO by jax.export",
        "jax": jax.__version__,
        "platforms": list(PLATFORMS),
        "use": "jax.export.deserialize(bytearray(open(file, 'rb').read())).call(images)",
    }
    write_bytes(path, [bytes(exported.serialize())])
    return about


@contextmanager
def _no_source_files() -> Iterator[None]:
    """Programs name the files and lines that made each operation, with their private folders."""
    before = jax.config.values["jax_traceback_in_locations_limit"]
    jax.config.update("jax_traceback_in_locations_limit", 0)
    try:
        yield
    finally:
        jax.config.update("jax_traceback_in_locations_limit", before)


def _safetensors(saved: _Saved, path: Path) -> dict[str, Any]:
    if saved.with_preprocessing:
        raise ValueError(f"with_preprocessing: {path.name} holds parameters, not a program")
    found = graph(saved.model, saved.input_shape)
    for node in found.nodes:
        before = found.shape_of(node.inputs[0])
        if node.kind == "flatten" and max(before[:-1], default=1) > 1:
            raise ValueError(
                f"model: {node.name!r} flattens maps of {before}, which PyTorch does in another "
                "order; accepted: a global pooling before the dense layers"
            )
    # One text of metadata: safetensors writes several in a random order.
    write_bytes(path, [safetensors_bytes(torch_state(saved.model), {"format": "pt"})])
    return saved.about | {"format": "safetensors, with PyTorch's names and axes"}


def _onnx(saved: _Saved, path: Path) -> dict[str, Any]:
    write_onnx(
        graph(saved.model, saved.input_shape),
        path,
        class_names=saved.class_names,
        preprocessing=saved.preprocessing,
        with_preprocessing=saved.with_preprocessing,
    )
    return saved.about | {"format": f"ONNX, opset {OPSET}"} | saved.interface


def _keras(saved: _Saved, path: Path) -> dict[str, Any]:
    weights = path.name.endswith(".weights.h5")
    check_h5py(path.name)
    if saved.with_preprocessing and weights:
        raise ValueError(f"with_preprocessing: {path.name} holds parameters, not a model")
    shape = saved.input_shape
    rescaling = rescaling_of(saved.preprocessing, shape) if saved.with_preprocessing else None
    found = graph(saved.model, shape)
    classes = found.shape_of(found.output)[-1]
    if len(saved.class_names) != classes:
        raise ValueError(f"class_names: got {len(saved.class_names)} for {classes} classes")
    layers, notes = keras_layers(found, rescaling=rescaling, probabilities=saved.with_preprocessing)
    optimizer = None
    if saved.optimizer is not None and not weights:
        layers = with_trainable(layers, saved.optimizer)
        optimizer, told = written_optimizer(layers, saved.optimizer)
        notes += told
        if optimizer is not None and path.suffix == ".h5":
            notes.append(
                "optimizer: Keras 3.15 restores that of .keras files alone; the model of an .h5 "
                "file needs model.compile before it is trained"
            )
    own = About(saved.class_names, saved.preprocessing, saved.with_preprocessing).to_json()
    model = WrittenModel(layers, own, saved.with_preprocessing, optimizer)
    if weights:
        content = weights_bytes(model, alone=True)
    else:
        content = keras_bytes(model) if path.suffix == ".keras" else h5_bytes(model)
    write_bytes(path, [content])
    about = saved.about | {"format": f"Keras {VERSION}"}
    if not weights:
        about |= saved.interface
    if saved.with_preprocessing:
        about["input"] = f"(N, {', '.join(map(str, shape))}), 0 to 255"
    return about | ({"notes": notes} if notes else {})


_FORMATS: dict[str, Callable[[_Saved, Path], dict[str, Any]]] = {
    ".onnx": _onnx,
    ".stablehlo": _stablehlo,
    ".safetensors": _safetensors,
    ".keras": _keras,
    ".weights.h5": _keras,
    ".h5": _keras,
}
