"""Writing a file so that a reader, or a crash, never meets half of it."""

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO


def write_text(file: Path, text: str, *, mode: int = 0o666) -> None:
    """Write `text` to `file` in one piece, as `write_bytes` does."""
    write_bytes(file, [text.encode()], mode=mode)


def write_bytes(file: Path, pieces: Iterable[bytes | memoryview], *, mode: int = 0o666) -> None:
    """Write `pieces` to `file` as one: beside it first, to the disk, then renamed over it.

    Several processes and threads may write the same file: the last one to finish wins.

    Args:
        file: replaced where it exists.
        pieces: of the content, in order; what their iterator raises leaves `file` as it was.
        mode: permissions of the file, less what the process's umask takes.

    Raises:
        OSError: it cannot be written; the message names `file`.
    """
    remove_unfinished(file.parent, file.name)
    with _naming(file), _begun(file, mode) as (stream, temporary):
        try:
            for piece in pieces:
                stream.write(piece)
            stream.flush()
            os.fsync(stream.fileno())
            temporary.replace(file)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _names_to_disk(file.parent)


def unfinished(file: Path) -> Path:
    """A new name beside `file`, under which nobody else writes it."""
    return file.with_name(f".{file.name}.{secrets.token_hex(8)}.unfinished")


def unfinished_in(folder: Path, name: str = "") -> list[Path]:
    """What writers of the file `name` in a folder, or of any, have not finished or left behind."""
    found = (path for path in folder.glob(".*.unfinished") if path.name.startswith(f".{name}"))
    return sorted(found)


def remove_unfinished(folder: Path, name: str = "") -> None:
    """Remove what writers that were killed have left; those still writing hold a lock on it."""
    for path in unfinished_in(folder, name):
        with contextlib.suppress(OSError), path.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


@contextlib.contextmanager
def _begun(file: Path, mode: int) -> Iterator[tuple[BinaryIO, Path]]:
    """A new file beside `file`, open for writing and locked, and its path."""
    while True:
        temporary = unfinished(file)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as stream:
            with contextlib.suppress(OSError):  # some network file systems have no locks
                fcntl.flock(stream, fcntl.LOCK_EX)
            if not temporary.exists():  # removed between its making and its lock
                continue
            yield stream, temporary
            return


@contextlib.contextmanager
def _naming(file: Path) -> Iterator[None]:
    """Let the system's errors name the file: they name what lies beside it, or nothing."""
    temporary = ".unfinished"
    try:
        yield
    except OSError as error:
        if error.errno is None or not str(error.filename or temporary).endswith(temporary):
            raise
        raise type(error)(error.errno, error.strerror, str(file)) from error


def _names_to_disk(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
