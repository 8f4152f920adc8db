"""Writing a file so that a reader, or a crash, never meets half of it."""

import os
from collections.abc import Iterable
from pathlib import Path


def write_text(file: Path, text: str) -> None:
    """Write `text` to `file` in one piece."""
    write_bytes(file, [text.encode()])


def write_bytes(file: Path, pieces: Iterable[bytes | memoryview]) -> None:
    """Write `pieces` to `file` as one: beside it first, to the disk, then renamed over it."""
    temporary = unfinished(file)
    try:
        temporary.unlink(missing_ok=True)
        with temporary.open("xb") as stream:
            for piece in pieces:
                stream.write(piece)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(file)
        _names_to_disk(file.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def unfinished(file: Path) -> Path:
    """What a write that was killed leaves beside `file`; the next one replaces it."""
    return file.with_name(f".{file.name}.unfinished")


def _names_to_disk(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
