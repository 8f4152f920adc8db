"""One array out of a NumPy archive (npz): a zip file whose members are npy files.

All that such a file says of itself may be a lie, so nothing is believed: no more is read, and no
more memory is taken, than a header and the bytes behind it both account for. Python objects
(pickles) are refused unread.

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
from typing import IO, Any, Literal

import numpy as np
import numpy.typing as npt

from jcnn.data._files import check_file, read_at_most, show
from jcnn.data.dataset import DataError

_MAGIC = b"\x93NUMPY"
_MAX_BYTES = 4 * 2**30
_MAX_HEADER = 1024  # characters; those of plain arrays have about 118
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    OSError,
    EOFError,
    RuntimeError,  # encrypted, or (as NotImplementedError) of a kind unknown to zipfile
    ValueError,  # the name of a member is no text, or a place in the file is below 0
)
# Other compressions may give any amount of data for one byte, all at once.
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@contextmanager
def open_npz(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive; whatever is wrong with it inside is a DataError that names the file."""
    check_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except DataError:
        raise
    except _DAMAGE as error:
        raise DataError(f"{show(path)}: no NumPy archive, or damaged ({show(error)})") from error


def read_member(archive: zipfile.ZipFile, name: str) -> npt.NDArray[Any]:
    """Read the array `name` of an archive.

    Raises:
        ValueError: it is no array of numbers or text, or is empty, too large, cut or too long;
            the message is the reason alone.
    """
    info = archive.getinfo(f"{name}.npy")
    if info.compress_type not in _COMPRESSIONS:
        raise ValueError(f"compressed as zip's type {info.compress_type}; expected 0 or 8")
    with archive.open(info) as stream:
        dtype, shape, order = _read_header(stream)
        size = math.prod(shape) * dtype.itemsize
        what = f"{' x '.join(map(str, shape)) or 'one number'} of {dtype}"
        if size == 0:
            raise ValueError(f"empty (its header says {what})")
        if size > _MAX_BYTES:
            raise ValueError(
                f"its header says {size} bytes of data ({what}); expected at most {_MAX_BYTES}"
            )
        data = read_at_most(stream, size + 1)
    if len(data) != size:
        got = "more" if len(data) > size else f"only {len(data)}"
        raise ValueError(f"{got} bytes of data; its header says {size} ({what})")
    return np.ndarray(shape, dtype, data, order=order)


def _read_header(
    stream: IO[bytes],
) -> tuple[np.dtype[Any], tuple[int, ...], Literal["C", "F"]]:
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
    # What nonsense in a literal, and in the name of a dtype, raises.
    except (ValueError, TypeError, SyntaxError, KeyError, RecursionError, MemoryError) as error:
        raise ValueError(
            f"its header is {text.strip()[:200]!r}; expected descr, shape and order"
        ) from error
    if dtype.hasobject:
        raise ValueError("Python objects (pickled), which are never read; expected numbers")
    return dtype, shape, "F" if fortran else "C"
