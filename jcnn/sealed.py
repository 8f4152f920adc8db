"""Folders whose damage is found: a seal among the files holds a SHA-256 of each, and of itself."""

import hashlib
import json
from pathlib import Path
from typing import Any

from jcnn.files import to_disk

_SEAL = "seal.json"


class DamagedError(ValueError):
    """A folder is not as it was sealed; the message says what is wrong, without the folder."""


def seal(folder: Path, content: dict[str, Any]) -> None:
    """Seal the files of a folder, and bring all of it to the disk.

    Args:
        folder: its files are complete.
        content: kept in the seal; JSON.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    checksums = {path.relative_to(folder).as_posix(): _checksum(path) for path in files}
    sealed = {"content": content, "files": checksums}
    text = json.dumps({"sha256": _digest(sealed), "sealed": sealed}, indent=1)
    (folder / _SEAL).write_text(text, encoding="utf-8")
    for path in (folder, *folder.rglob("*")):
        to_disk(path)


def unseal(folder: Path) -> dict[str, Any]:
    """The content of a folder's seal, once every file was read and found as it was sealed.

    Raises:
        DamagedError: a file is missing, unreadable or other than it was, or the seal is.
    """
    name = _SEAL
    try:
        text = json.loads((folder / _SEAL).read_text(encoding="utf-8"))
        sealed = text["sealed"]
        if _digest(sealed) != text["sha256"]:
            raise DamagedError(f"{name} does not match its checksum")
        for name, checksum in sealed["files"].items():
            if _checksum(folder / name) != checksum:
                raise DamagedError(f"{name} does not match its checksum")
    except OSError as error:
        raise DamagedError(f"{name}: {error.strerror}") from None
    except (KeyError, TypeError, UnicodeDecodeError, json.JSONDecodeError):
        raise DamagedError(f"{name} is no seal") from None
    content: dict[str, Any] = sealed["content"]
    return content


def _checksum(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _digest(sealed: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(sealed).encode()).hexdigest()
