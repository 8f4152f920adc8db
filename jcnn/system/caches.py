"""The cache folder, and the check that no other user could have written to it.

CACHE/data              decoded data sets
CACHE/tfds              indexes of prepared data sets
CACHE/folders           hashes of folders of images, by the state of their files
CACHE/shards            indexes of tar files
CACHE/shapes            the one size of all images of a streamed source
CACHE/bad_images        images that cannot be read, of streamed folders
CACHE/features          features of frozen layers
CACHE/native            the compiled library of `jcnn.ops`
CACHE/xla               compiled programs
CACHE/conv_table.json   measurements of this machine

Compiled code is executed, and tables and data determine the results. So files that another user
could have written are not read.
"""

import errno
import os
import stat
import tempfile
from pathlib import Path

PRIVATE = 0o600  # permissions of the cache's files


class CacheWarning(UserWarning):
    """Something is not cached, or is rebuilt; the results are not affected."""


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/jcnn`, else `~/.cache/jcnn`.

    If there is no writable home folder, `jcnn-UID` in the folder for temporary files.
    """
    named = os.environ.get("XDG_CACHE_HOME")
    if named:
        return Path(named) / "jcnn"
    try:
        folder = Path.home() / ".cache" / "jcnn"
    except RuntimeError:  # no HOME, and no entry for the user in the password database
        folder = None
    if folder is None or not _can_exist(folder):
        return Path(tempfile.gettempdir()) / f"jcnn-{os.getuid()}"
    return folder


def make_private(folder: Path) -> None:
    """Create a folder of the cache for this user alone, unless it exists.

    Raises:
        OSError: it cannot be created, or another user could write to it or to the cache folder.
    """
    if folder != cache_folder():
        cache_folder().mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    check_private(folder)


def check_private(path: Path) -> None:
    """Raise if a user other than this one and the administrator could have written a path.

    Args:
        path: a file or folder of the cache; its parents up to `cache_folder()` are checked too.

    Raises:
        PermissionError: another user owns one of them or may write to it; the message names it.
        OSError: one is missing or cannot be inspected.
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
    """Whether a folder exists or could be created."""
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return there == folder or os.access(there, os.W_OK | os.X_OK)
