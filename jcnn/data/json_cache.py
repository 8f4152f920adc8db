"""Cache of small JSON files with a checksum, for facts that are slow to find.

A damaged file is treated as missing, with a note.
"""

import contextlib
import json
import zlib
from pathlib import Path
from typing import Any

from jcnn.data._files import show
from jcnn.data.events import Note, Notify
from jcnn.system.caches import PRIVATE, check_private, make_private
from jcnn.system.files import write_text


def read_cached(file: Path, notify: Notify) -> Any:
    """The content that `write_cached` wrote; None if the file is missing or damaged."""
    try:
        check_private(file)
        cached = json.loads(file.read_text(encoding="utf-8"))
        if cached["crc32"] == _checksum(cached["content"]):
            return cached["content"]
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    notify(Note(f"{show(file)}: damaged; it is made again"))
    return None


def write_cached(file: Path, content: Any) -> None:
    """Write JSON content atomically; if that fails, nothing is cached and no error is raised."""
    with contextlib.suppress(OSError):
        make_private(file.parent)
        text = json.dumps({"crc32": _checksum(content), "content": content}) + "\n"
        write_text(file, text, mode=PRIVATE)


def _checksum(content: Any) -> int:
    return zlib.crc32(json.dumps(content).encode())
