"""Small facts on data, kept as JSON with a checksum, so that the next start need not find them.

A file that is not what was written counts as none, and that is said.
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
    """What `write_cached` has written; None where there is no such file, or it is damaged."""
    try:
        check_private(file)
        kept = json.loads(file.read_text(encoding="utf-8"))
        if kept["crc32"] == _checksum(kept["content"]):
            return kept["content"]
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    notify(Note(f"{show(file)}: damaged; it is made again"))
    return None


def write_cached(file: Path, content: Any) -> None:
    """Write what JSON can hold, in one piece; where that fails, the next start does without."""
    with contextlib.suppress(OSError):
        make_private(file.parent)
        text = json.dumps({"crc32": _checksum(content), "content": content}) + "\n"
        write_text(file, text, mode=PRIVATE)


def _checksum(content: Any) -> int:
    return zlib.crc32(json.dumps(content).encode())
