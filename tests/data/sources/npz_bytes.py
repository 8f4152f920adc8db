"""NumPy archives written from the definition of the format, valid or not."""

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from jcnn.data import DataError, load

RANDOM = np.random.default_rng(2)
Arrays = dict[str, npt.NDArray[Any]]


def divided() -> Arrays:
    return {
        "x_train": RANDOM.integers(0, 256, (6, 3, 2), np.uint8),
        "y_train": np.array([4, 0, 1, 2, 3, 0], np.uint8),
        "x_test": RANDOM.integers(0, 256, (4, 3, 2), np.uint8),
        "y_test": np.array([1, 1, 3, 0], np.uint8),
    }


def whole() -> Arrays:
    return {
        "images": RANDOM.integers(0, 256, (20, 3, 2), np.uint8),
        "labels": np.arange(20) % 2,
    }


def npy(header: bytes | str, data: bytes = b"", version: bytes = b"\1\0") -> bytes:
    """Write one member from the definition of the format, valid or not."""
    text = header.encode() if isinstance(header, str) else header
    size = struct.pack("<H" if version[0] == 1 else "<I", len(text))
    return b"\x93NUMPY" + version + size + text + data


def says(shape: str, descr: str = "|u1", fortran: object = False) -> str:
    return f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}"


def write(
    path: Path, arrays: Arrays, compression: int = zipfile.ZIP_DEFLATED, **members: bytes
) -> Path:
    """Write an archive of arrays, with some members as given bytes."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name in {**arrays, **members}:
            stream = io.BytesIO()
            if name not in members:
                np.save(stream, arrays[name])
            archive.writestr(f"{name}.npy", members.get(name) or stream.getvalue())
    return path


def refused(path: Path) -> str:
    """Load a file that must raise a one-line DataError; return the reason after the file name."""
    with pytest.raises(DataError) as caught:
        load(f"npz:{path}")
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.isprintable()
    assert len(message) < 1000
    return message.removeprefix(f"{path}: ")
