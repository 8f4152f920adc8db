"""`list_file`: what is in a file of a model or of weights, read without its arrays."""

import math
from pathlib import Path

from jcnn.interop.imported import Listing, Row
from jcnn.interop.keras.model import list_keras
from jcnn.interop.onnx.read import list_onnx
from jcnn.interop.safetensors_file import safetensors_shapes
from jcnn.interop.torch.legacy import read_torch_legacy
from jcnn.interop.torch.zip import torch_shapes
from jcnn.system.formats import check_file, format_of, shown

_ACCEPTED = "a file of Keras, ONNX, PyTorch or safetensors"


def list_file(path: Path) -> Listing:
    """What is in a file: its layers with their shapes, or its arrays.

    Raises:
        ValueError: the file is damaged, or of an unknown format.
        FileNotFoundError: there is no such file.
    """
    check_file(path, _ACCEPTED)
    match format_of(path):
        case "onnx":
            return list_onnx(path)
        case "keras" | "hdf5":
            return list_keras(path)
        case "torch":
            return _of_arrays("PyTorch", torch_shapes(path))
        case "torch before 1.6":
            arrays = read_torch_legacy(path)
            shapes = {name: (array.shape, str(array.dtype)) for name, array in arrays.items()}
            return _of_arrays("PyTorch, before 1.6", shapes)
        case "safetensors":
            return _of_arrays("safetensors", safetensors_shapes(path))
    raise ValueError(f"path: {shown(path)} is of an unknown format; accepted: {_ACCEPTED}")


def _of_arrays(kind: str, shapes: dict[str, tuple[tuple[int, ...], str]]) -> Listing:
    rows = tuple(
        Row(name, dtype, shape, math.prod(shape)) for name, (shape, dtype) in shapes.items()
    )
    return Listing(kind, None, rows, ("these are weights alone: jcnn train --weights FILE",))
