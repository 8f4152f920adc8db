"""Writing a small file so that a reader, or a crash, never meets half of it."""

import os
import tempfile
from pathlib import Path


def write_text(file: Path, text: str) -> None:
    """Write `text` to `file` in one piece: beside it first, to the disk, then renamed over it."""
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o644)  # mkstemp's 0600 would shut out the colleagues who read the run
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
