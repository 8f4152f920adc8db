"""Where jcnn keeps what it can make again: data sets, compiled programs, measurements."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/jcnn`, else `~/.cache/jcnn`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jcnn"
