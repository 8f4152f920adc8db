"""Opening data files: whatever goes wrong is one line that names the file."""

import gzip
import stat
import unicodedata
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, cast

from jcnn.data.dataset import DataError

_CHUNK = 2**20


def show(value: object) -> str:
    """Write a file name or a reason on one line: as it is, or quoted and escaped."""
    text = str(value)
    return text if text.isprintable() else repr(text)


def is_plain_text(name: str) -> bool:
    """Whether a name can be encoded and printed on one line: the names of classes must be."""
    return not any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in name)


def check_file(path: Path) -> None:
    """Refuse what is missing, or is not a regular file (opening a pipe would wait for ever)."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise FileNotFoundError(f"{show(path)}: no such file") from None
    except OSError as error:
        raise DataError(f"{show(path)}: {error.strerror}") from None
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a device or pipe"
        raise DataError(f"{show(path)}: {kind}; expected a file")


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """Open a file, through gzip where its name ends in ".gz"; a failed read is a DataError.

    Gzip's checksum is compared when the reader reaches the end, so read until nothing comes.
    """
    check_file(path)
    try:
        if path.suffix == ".gz":
            with gzip.open(path, "rb") as stream:
                yield cast(BinaryIO, stream)
        else:
            with path.open("rb") as stream:
                yield stream
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{show(path)}: cannot be read ({show(error)})") from error


def read_at_most(stream: IO[bytes], limit: int) -> bytearray:
    """Read up to `limit` bytes in chunks: `read(limit)` would take memory for them beforehand."""
    data = bytearray()
    while len(data) < limit:
        chunk = stream.read(min(_CHUNK, limit - len(data)))
        if not chunk:
            break
        data += chunk
    return data
