"""Where jcnn keeps what it can make again, and whether what lies there can be trusted.

CACHE/data      data sets that were read once
CACHE/tfds      what must be known of prepared data sets
CACHE/native    the compiled library of `jcnn.ops`
CACHE/xla       compiled programs
CACHE/conv_table.json    measurements of this machine

Compiled code is executed, and tables and data decide what is computed. So what another user could
have written is not read.
"""

import errno
import os
import stat
import tempfile
from pathlib import Path

PRIVATE = 0o600  # permissions of the cache's files


class CacheWarning(UserWarning):
    """Something is not kept, or is made anew; everything works nevertheless."""


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/jcnn`, else `~/.cache/jcnn`.

    Where there is no home folder, or none that can be written, `jcnn-UID` in the folder of
    temporary files.
    """
    named = os.environ.get("XDG_CACHE_HOME")
    if named:
        return Path(named) / "jcnn"
    try:
        folder = Path.home() / ".cache" / "jcnn"
    except RuntimeError:  # no HOME, and a user whom the system does not know
        folder = None
    if folder is None or not _can_exist(folder):
        return Path(tempfile.gettempdir()) / f"jcnn-{os.getuid()}"
    return folder


def make_private(folder: Path) -> None:
    """Make a folder of the cache where it is missing, for this user alone.

    Raises:
        OSError: it cannot be made, or another user could write into it or into the cache folder.
    """
    if folder != cache_folder():
        cache_folder().mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    check_private(folder)


def check_private(path: Path) -> None:
    """Refuse what another user than this one, or the administrator, could have written.

    Args:
        path: a file or folder of the cache; the folders between it and `cache_folder()` count too.

    Raises:
        PermissionError: another user owns or may write one of them; it is named.
        OSError: one is missing or cannot be looked at.
    """
    cache = cache_folder()
    inside = [path, *path.parents] if path.is_relative_to(cache) else [path]
    for place in inside:
        state = place.stat()
        if state.st_uid not in (0, os.geteuid()):
            reason = f"belongs to another user (uid {state.st_uid}); remove it"
        elif state.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            mode = stat.S_IMODE(state.st_mode)
            reason = f"other users may write it (mode {mode:o}); remove it, or chmod go-w"
        else:
            if place == cache:
                return
            continue
        raise PermissionError(errno.EPERM, reason, str(place))


def _can_exist(folder: Path) -> bool:
    """Whether a folder is there or could be made."""
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return there == folder or os.access(there, os.W_OK | os.X_OK)
