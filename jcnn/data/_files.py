"""Opens data files; every error is one line that names the file."""

import gzip
import stat
import unicodedata
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, cast

from jcnn.data.errors import DataError

_CHUNK = 2**20


def show(value: object) -> str:
    """A file name or a reason as one line; quoted and escaped if it is not printable."""
    text = str(value)
    return text if text.isprintable() else repr(text)


def is_plain_text(name: str) -> bool:
    """Whether a name can be encoded and printed on one line, as class names must be."""
    return not any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in name)


def check_file(path: Path) -> None:
    """Raise unless `path` is a regular file (opening a pipe would block forever)."""
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
    """Open a file, through gzip if its name ends in ".gz"; a failed read raises DataError.

    Gzip verifies its checksum at the end of the stream, so read until `read` returns nothing.
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
    """Read up to `limit` bytes in chunks: `read(limit)` would allocate them all at once."""
    data = bytearray()
    while len(data) < limit:
        chunk = stream.read(min(_CHUNK, limit - len(data)))
        if not chunk:
            break
        data += chunk
    return data
