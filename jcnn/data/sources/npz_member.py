"""Reads one array of a NumPy archive (npz): a zip file of npy files.

The file is not trusted: no more is read or allocated than both the header and the data account
for. Headers can be read alone, so that mismatches are found before any array is allocated. Python
objects (pickles) are never read.

Reference: numpy.lib.format, "A simple format for saving numpy arrays to disk".
"""

import ast
import math
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from jcnn.data._files import check_file, read_at_most, show
from jcnn.data.errors import DataError

_MAGIC = b"\x93NUMPY"
_MAX_BYTES = 4 * 2**30
_MAX_HEADER = 1024  # characters; the header of a plain array has about 118
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    OSError,
    EOFError,
    RuntimeError,  # encrypted, or (as NotImplementedError) of a type unknown to zipfile
    ValueError,  # a member's name is not text, or an offset is negative
)
# Other compressions may expand one byte to any amount of data at once.
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@contextmanager
def open_npz(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive; every error while it is read becomes a DataError that names the file."""
    check_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except DataError:
        raise
    except _DAMAGE as error:
        raise DataError(f"{show(path)}: no NumPy archive, or damaged ({show(error)})") from error


class Header(NamedTuple):
    """The header of a member: the dtype, shape and memory order of its array."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    order: Literal["C", "F"]

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)


def read_header(archive: zipfile.ZipFile, name: str) -> Header:
    """Read the header of the array `name` of an archive.

    Raises:
        ValueError: it is not an array of numbers or text, is empty or too large, or its size in
            the archive differs; the message gives only the reason.
    """
    info = archive.getinfo(f"{name}.npy")
    with _opened(archive, name) as stream:
        header = _read_header(stream)
        size, what = _size(header)
        if size == 0:
            raise ValueError(f"empty (its header says {what})")
        if size > _MAX_BYTES:
            raise ValueError(
                f"its header says {size} bytes of data ({what}); expected at most {_MAX_BYTES}"
            )
        _check_size(info.file_size - stream.tell(), size, what)
    return header


def read_member(archive: zipfile.ZipFile, name: str) -> npt.NDArray[Any]:
    """Read the array `name` of an archive.

    Raises:
        ValueError: as in `read_header`, or the data are too short or too long; the message gives
            only the reason.
    """
    header = read_header(archive, name)
    size, what = _size(header)
    with _opened(archive, name) as stream:
        _read_header(stream)
        data = read_at_most(stream, size + 1)
    _check_size(len(data), size, what)
    return np.ndarray(header.shape, header.dtype, data, order=header.order)


def _opened(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    info = archive.getinfo(f"{name}.npy")
    if info.compress_type not in _COMPRESSIONS:
        raise ValueError(f"compressed as zip's type {info.compress_type}; expected 0 or 8")
    return archive.open(info)


def _size(header: Header) -> tuple[int, str]:
    """The size of an array in bytes, and its description."""
    what = f"{' x '.join(map(str, header.shape)) or 'one number'} of {header.dtype}"
    return math.prod(header.shape) * header.dtype.itemsize, what


def _check_size(found: int, size: int, what: str) -> None:
    if found != size:
        got = "more" if found > size else f"only {found}"
        raise ValueError(f"{got} bytes of data; its header says {size} ({what})")


def _read_header(stream: IO[bytes]) -> Header:
    magic = stream.read(8)
    if magic not in (_MAGIC + b"\1\0", _MAGIC + b"\2\0"):
        raise ValueError(f"no array of NumPy's format 1 or 2 (starts with {magic!r})")
    length = int.from_bytes(stream.read(2 if magic[6] == 1 else 4), "little")
    if length > _MAX_HEADER:
        raise ValueError(f"its header has {length} characters; expected at most {_MAX_HEADER}")
    text = stream.read(length).decode("latin1")
    try:
        header = ast.literal_eval(text.strip())
        dtype, shape, fortran = (header[key] for key in ("descr", "shape", "fortran_order"))
        if not (isinstance(dtype, str) and isinstance(shape, tuple) and isinstance(fortran, bool)):
            raise TypeError
        if not all(type(size) is int and size >= 0 for size in shape):
            raise TypeError
        dtype = np.dtype(dtype)
    # Raised for an invalid literal or dtype.
    except (ValueError, TypeError, SyntaxError, KeyError, RecursionError, MemoryError) as error:
        raise ValueError(
            f"its header is {text.strip()[:200]!r}; expected descr, shape and order"
        ) from error
    if dtype.hasobject:
        raise ValueError("Python objects (pickled), which are never read; expected numbers")
    return Header(dtype, shape, "F" if fortran else "C")
