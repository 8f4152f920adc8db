"""What a Keras file holds, as it is stored; importing this does not load JAX."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jcnn.system.formats import KERAS, format_of
from jcnn.system.hdf5 import Reading, Tree

# Where Keras 3, and tf.keras 2 before it, keep the layers of a model.
LAYERS = ("layers", "_layer_checkpoint_dependencies")
OPTIMIZER = "optimizer"
# Bytes of all arrays.
_LIMIT = 2**36
# The files of `read_ahead`.
_ahead: dict[Path, Reading] = {}


def read_stored(path: Path, *, numbers: bool = True) -> Tree:
    """Read a Keras file: `.keras`, which has texts, or HDF5 with a model or weights alone.

    Args:
        path: the file.
        numbers: False may read the shapes of arrays alone.

    Raises:
        ValueError: it is damaged or refused, or h5py is not installed.
    """
    if path in _ahead:
        return _ahead[path].tree()
    with _reading(path, numbers=numbers) as reading:
        return reading.tree()


@contextmanager
def read_ahead(path: Path | None) -> Iterator[None]:
    """Read a file in a process from now on, once for all of `read_stored` in this context.

    The process works while JAX is imported here. None, and a file that is not Keras's, do nothing.
    """
    if path is None or path in _ahead or not path.is_file() or format_of(path) not in KERAS:
        yield
        return
    with _reading(path) as _ahead[path]:
        try:
            yield
        finally:
            del _ahead[path]


def _reading(path: Path, *, numbers: bool = True) -> Reading:
    is_archive = zipfile.is_zipfile(path)
    prefixes = (*LAYERS, OPTIMIZER) if is_archive else ()
    return Reading(path, prefixes, _LIMIT, numbers=numbers, archive=is_archive)
