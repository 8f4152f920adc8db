"""Writing a small file so that a reader, or a crash, never meets half of it."""

import os
from pathlib import Path


def write_text(file: Path, text: str) -> None:
    """Write `text` to `file` in one piece: beside it first, to the disk, then renamed over it."""
    temporary = unfinished(file)
    try:
        temporary.unlink(missing_ok=True)
        temporary.write_text(text, encoding="utf-8")
        to_disk(temporary)
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def unfinished(file: Path) -> Path:
    """What `write_text` leaves beside `file` when it is killed; the next one replaces it."""
    return file.with_name(f".{file.name}.unfinished")


def to_disk(path: Path) -> None:
    """Bring a file's bytes, or a folder's list of names, from the system's memory to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
