"""Files of other libraries, known by their first bytes; importing this does not load JAX."""

import zipfile
from pathlib import Path
from typing import Literal

Format = Literal["keras", "hdf5", "onnx", "torch", "torch before 1.6", "safetensors"]

# The formats of Keras's files.
KERAS: tuple[Format, ...] = ("keras", "hdf5")
# The wire type of each field of ONNX's ModelProto that may follow the version, by number.
_ONNX_FIELDS = {2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2}


def format_of(path: Path) -> Format | None:
    """The format of a file; None if it is of none of these.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as stream:
        head = stream.read(16)
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return "hdf5"
    if head.startswith(b"PK\x03\x04"):
        return "keras" if _has_config(path) else "torch"
    if head.startswith(b"\x80\x02"):  # a pickle of protocol 2
        return "torch before 1.6"
    if is_safetensors(head):  # asked before ONNX, whose first bytes a length may have
        return "safetensors"
    return "onnx" if is_onnx(head) else None


def is_safetensors(head: bytes) -> bool:
    """Whether a file begins with the length of a header, eight bytes, and a JSON object."""
    return len(head) >= 9 and int.from_bytes(head[:8], "little") < 2**40 and head[8:9] == b"{"


def is_onnx(head: bytes) -> bool:
    """Whether a file begins as ONNX does: the version of its format, then a field of a model."""
    if len(head) < 4 or head[0] != 8 or not 1 <= head[1] <= 64:
        return False
    number, kind = head[2] >> 3, head[2] & 7
    return kind == _ONNX_FIELDS.get(number)


def shown(path: Path) -> str:
    """The name of a file, for messages of one line."""
    name = str(path)
    return name if name.isprintable() else repr(name)


def check_file(path: Path, accepted: str) -> None:
    """Raise unless `path` is a regular file (opening a pipe would block forever)."""
    if not path.exists():
        raise FileNotFoundError(f"{shown(path)}: no such file")
    if not path.is_file():
        raise ValueError(f"{shown(path)}: not a file; accepted: {accepted}")


def _has_config(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return "config.json" in archive.namelist()
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):  # damaged
        return False
