"""`list_file`: what is in a file of a model or of weights, read without its arrays."""

import math
from pathlib import Path

from jcnn.interop.imported import Listing, Row
from jcnn.interop.keras.model import list_keras
from jcnn.interop.keras.weights import is_keras
from jcnn.interop.onnx.decode import is_onnx
from jcnn.interop.onnx.read import list_onnx
from jcnn.interop.safetensors_file import is_safetensors, safetensors_shapes
from jcnn.interop.torch.legacy import read_torch_legacy
from jcnn.interop.torch.zip import check_file, shown, torch_shapes

_ACCEPTED = "a file of Keras, ONNX, PyTorch or safetensors"


def list_file(path: Path) -> Listing:
    """What is in a file: its layers with their shapes, or its arrays.

    Raises:
        ValueError: the file is damaged, or of an unknown format.
        FileNotFoundError: there is no such file.
    """
    check_file(path, _ACCEPTED)
    with path.open("rb") as stream:
        head = stream.read(16)
    if is_onnx(head):
        return list_onnx(path)
    if is_keras(path):
        return list_keras(path)
    if head.startswith(b"PK\x03\x04"):
        return _of_arrays("PyTorch", torch_shapes(path))
    if head.startswith(b"\x80\x02"):  # a pickle of protocol 2
        arrays = read_torch_legacy(path)
        shapes = {name: (array.shape, str(array.dtype)) for name, array in arrays.items()}
        return _of_arrays("PyTorch, before 1.6", shapes)
    if is_safetensors(head[:9]):
        return _of_arrays("safetensors", safetensors_shapes(path))
    raise ValueError(f"path: {shown(path)} is of an unknown format; accepted: {_ACCEPTED}")


def _of_arrays(kind: str, shapes: dict[str, tuple[tuple[int, ...], str]]) -> Listing:
    rows = tuple(
        Row(name, dtype, shape, math.prod(shape)) for name, (shape, dtype) in shapes.items()
    )
    return Listing(kind, None, rows, ("these are weights alone: jcnn train --weights FILE",))
