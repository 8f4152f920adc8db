"""Writes files atomically: a reader, or a crash, never leaves or sees half of one."""

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO


def write_text(file: Path, text: str, *, mode: int = 0o666) -> None:
    """Write `text` to `file` atomically, as `write_bytes` does."""
    write_bytes(file, [text.encode()], mode=mode)


def write_bytes(file: Path, pieces: Iterable[bytes | memoryview], *, mode: int = 0o666) -> None:
    """Write `pieces` to `file` atomically: to a temporary file, to disk, then renamed.

    Several processes and threads may write the same file: the last one to finish wins.

    Args:
        file: replaced if it exists.
        pieces: the content, in order; if their iterator raises, `file` is unchanged.
        mode: permissions of the file, subject to the umask.

    Raises:
        OSError: `file` cannot be written; the message names it.
    """
    remove_unfinished(file.parent, file.name)
    with _errors_name(file), _temporary_file(file, mode) as (stream, temporary):
        try:
            for piece in pieces:
                stream.write(piece)
            stream.flush()
            os.fsync(stream.fileno())
            temporary.replace(file)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(file.parent)


def unfinished(file: Path) -> Path:
    """A unique temporary name for `file`, in the same folder."""
    return file.with_name(f".{file.name}.{secrets.token_hex(8)}.unfinished")


def unfinished_in(folder: Path, name: str = "") -> list[Path]:
    """The temporary files in a folder, of the file `name` or of all files."""
    found = (path for path in folder.glob(".*.unfinished") if path.name.startswith(f".{name}"))
    return sorted(found)


def remove_unfinished(folder: Path, name: str = "") -> None:
    """Remove temporary files of killed writers; a running writer holds a lock on its file."""
    for path in unfinished_in(folder, name):
        with contextlib.suppress(OSError), path.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


@contextlib.contextmanager
def _temporary_file(file: Path, mode: int) -> Iterator[tuple[BinaryIO, Path]]:
    """A temporary file for `file`, open for writing and locked, and its path."""
    while True:
        temporary = unfinished(file)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as stream:
            with contextlib.suppress(OSError):  # some network file systems have no locks
                fcntl.flock(stream, fcntl.LOCK_EX)
            if not temporary.exists():  # removed between creation and lock
                continue
            yield stream, temporary
            return


@contextlib.contextmanager
def _errors_name(file: Path) -> Iterator[None]:
    """Make an OSError name `file` instead of the temporary file or nothing."""
    temporary = ".unfinished"
    try:
        yield
    except OSError as error:
        if error.errno is None or not str(error.filename or temporary).endswith(temporary):
            raise
        raise type(error)(error.errno, error.strerror, str(file)) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
