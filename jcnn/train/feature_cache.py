"""Cache of the features of frozen layers on disk, so that another training does not compute them.

CACHE/features/KEY.safetensors    the features of one data set, with a checksum
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

from jcnn.data import Note
from jcnn.system import sealed
from jcnn.system.caches import cache_folder, check_private, make_private
from jcnn.train.events import Event

_KEEP = 20  # files; the oldest are removed

Floats = npt.NDArray[np.float32]


def key_of(program: str, arrays: Iterable[np.ndarray]) -> str:
    """A hash of a program's text and of all arrays that it is given."""
    total = hashlib.sha256(program.encode())
    for array in arrays:
        total.update(f"{array.dtype} {array.shape}".encode())
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()[:32]


def cached_features(
    key: str, make: Callable[[], Floats], notify: Callable[[Event], None]
) -> Floats:
    """The features cached under a key; if there are none, make and cache them.

    Args:
        key: from `key_of`.
        make: computes the features `(N, ...)`.
        notify: called with a note if a cached file is damaged. If the cache cannot be written,
            nothing is cached.
    """
    file = cache_folder() / "features" / f"{key}.safetensors"
    try:
        check_private(file)
        features: Floats = sealed.read(file)[0]["features"]
        file.touch()  # the last to be removed
        return features
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, sealed.DamagedError, KeyError):
        notify(Note(f"{file}: damaged; the features are computed again"))
    made = make()
    with contextlib.suppress(OSError):
        make_private(file.parent)
        sealed.write(file, {"features": made}, {})
        file.chmod(0o600)
        newest = sorted(file.parent.glob("*.safetensors"), key=lambda one: -one.stat().st_mtime)
        for old in newest[_KEEP:]:
            old.unlink()
    return made
