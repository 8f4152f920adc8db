"""Arrays in one file: the safetensors format, which many programs read, with a checksum inside.

The file is the length of its header (8 bytes, little-endian), the header (JSON: the dtype, shape
and place of each array, and texts), and the arrays' bytes. One of the texts is the SHA-256 of all
the rest, so that damage is found.

Reference: https://huggingface.co/docs/safetensors (format).
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from jcnn.files import write_bytes

Arrays = Mapping[str, np.ndarray]

_DTYPES = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "U16": "uint16",
    "I16": "int16",
    "F16": "float16",
    "BF16": "bfloat16",
    "U32": "uint32",
    "I32": "int32",
    "F32": "float32",
    "U64": "uint64",
    "I64": "int64",
    "F64": "float64",
}
_CODES = {dtype: code for code, dtype in _DTYPES.items()}


class DamagedError(ValueError):
    """A file is not as it was written; the message says how, without the file's name."""


def write(file: Path, arrays: Arrays, texts: Mapping[str, str]) -> None:
    """Write arrays and texts to a file, which appears whole or not at all.

    Args:
        file: replaced where it exists.
        arrays: by name; booleans, integers and floats of up to 64 bits, and bfloat16.
        texts: by name; kept beside the arrays.

    Raises:
        ValueError: an array is of another dtype.
        OSError: the file cannot be written; what was there before is there still.
    """
    # As the format's own writer has it: the widest first, so that each is aligned.
    names = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))
    header: dict[str, Any] = {}
    end = 0
    for name in names:
        array = arrays[name]
        if str(array.dtype) not in _CODES:
            raise ValueError(f"{name}: got {array.dtype}; accepted: {', '.join(_CODES)}")
        start, end = end, end + array.nbytes
        code = _CODES[str(array.dtype)]
        header[name] = {"dtype": code, "shape": array.shape, "data_offsets": [start, end]}
    pieces = [np.ascontiguousarray(arrays[name]).reshape(-1).view(np.uint8).data for name in names]
    header["__metadata__"] = {**texts, "sha256": _checksum(header, texts, pieces)}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    write_bytes(file, [len(text).to_bytes(8, "little"), text, *pieces])


def read(file: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays and texts that `write` wrote, once all of them were found unchanged.

    Raises:
        DamagedError: they are changed, or the file is not one of `write`'s.
        OSError: the file cannot be read.
    """
    data = memoryview(file.read_bytes())
    size = int.from_bytes(data[:8], "little")
    rest = data[8 + size :]
    try:
        header = json.loads(bytes(data[8 : 8 + size]))
        texts = header.pop("__metadata__")
        checksum = texts.pop("sha256")
        intact = _checksum(header, texts, [rest]) == checksum
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        raise DamagedError("its header cannot be read") from None
    if not intact:
        raise DamagedError("it does not match its checksum")
    return {name: _array(rest, **entry) for name, entry in header.items()}, texts


def _array(
    data: memoryview, dtype: str, shape: list[int], data_offsets: tuple[int, int]
) -> np.ndarray:
    start, end = data_offsets
    return np.frombuffer(data[start:end], jnp.dtype(_DTYPES[dtype])).reshape(shape)


def _checksum(header: Mapping[str, Any], texts: Mapping[str, str], pieces: list[memoryview]) -> str:
    total = hashlib.sha256(json.dumps([header, texts]).encode())
    for piece in pieces:
        total.update(piece)
    return total.hexdigest()
