"""Arrays and texts in one safetensors file with a checksum.

The safetensors package validates the structure of a file, but does not notice changed bytes. So
one of the texts is the SHA-256 of all other content.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save

from jcnn.system.files import write_bytes

# The name of a dtype by its code in a safetensors file.
DTYPES = {
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
_LONGEST_HEADER = 100_000_000  # the limit of the safetensors package

_CODES = {dtype: code for code, dtype in DTYPES.items()}

# An array's name, the code of its dtype, its shape and its bytes.
_Part = tuple[str, str, list[int], bytes | memoryview]


class DamagedError(ValueError):
    """A file is not as it was written; the message gives the reason, without the file name."""


def write(file: Path, arrays: Mapping[str, np.ndarray], texts: Mapping[str, str]) -> None:
    """Write arrays and texts to a file atomically.

    Args:
        file: an existing file is replaced.
        arrays: by name; booleans, integers and floats of up to 64 bits, and bfloat16.
        texts: by name.

    Raises:
        ValueError: an array has another dtype.
        OSError: the file cannot be written; an existing file is unchanged.
    """
    for name, array in arrays.items():
        if str(array.dtype) not in _CODES:
            raise ValueError(f"{name}: got {array.dtype}; accepted: {', '.join(_CODES)}")
    # The package writes the memory of an array as it is, so it must be contiguous.
    rows = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    parts = [
        (name, _CODES[str(row.dtype)], list(row.shape), row.reshape(-1).view(np.uint8).data)
        for name, row in rows.items()
    ]
    checksum = _checksum(parts, texts)
    write_bytes(file, [save(rows, {**texts, "sha256": checksum})])


def read(file: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read the arrays and texts of a file that `write` wrote, and verify its checksum.

    Raises:
        DamagedError: the file was changed, or was not written by `write`.
        OSError: the file cannot be read.
    """
    # `safe_open` would map the file into memory, and a bad sector would then kill the process.
    data = file.read_bytes()
    try:
        parts = [(name, x["dtype"], x["shape"], x["data"]) for name, x in deserialize(data)]
        # `deserialize` has validated the header, but does not return the texts.
        texts = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
        checksum = texts.pop("sha256")
    except (SafetensorError, AttributeError, KeyError, ValueError):
        raise DamagedError("its header cannot be read") from None
    if _checksum(parts, texts) != checksum:
        raise DamagedError("it does not match its checksum")
    arrays = {
        name: np.frombuffer(numbers, jnp.dtype(DTYPES[code])).reshape(shape)
        for name, code, shape, numbers in parts
    }
    return arrays, texts


def read_texts(file: Path) -> dict[str, str]:
    """Read only the texts of a file, without verifying the checksum.

    Raises:
        DamagedError: the header cannot be read.
        OSError: the file cannot be read.
    """
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = stream.read(min(length, _LONGEST_HEADER))
    try:
        texts = json.loads(header)["__metadata__"]
        return {str(name): str(text) for name, text in texts.items()}
    except (AttributeError, KeyError, TypeError, ValueError):
        raise DamagedError("its header cannot be read") from None


def _checksum(parts: Iterable[_Part], texts: Mapping[str, str]) -> str:
    """The SHA-256 of the texts and of each array's name, dtype, shape and bytes, by name."""
    total = hashlib.sha256(json.dumps(texts, sort_keys=True).encode())
    for name, code, shape, numbers in sorted(parts, key=lambda part: part[0]):
        total.update(json.dumps([name, code, shape]).encode())
        total.update(numbers)
    return total.hexdigest()
