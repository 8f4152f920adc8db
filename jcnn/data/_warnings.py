"""Pillow's warnings while images are read, by however many threads.

`warnings.catch_warnings` belongs to the process, not to the thread: two threads that enter and
leave it in turn leave each other's filters behind. So the first reader enters, the last leaves.
"""

import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from PIL import Image

_lock = threading.Lock()
_filters = ExitStack()
_readers = 0


@contextmanager
def pillow_warnings() -> Iterator[None]:
    """An image over Pillow's limit of pixels is an error; warnings of odd metadata are silent."""
    global _readers
    with _lock:
        _readers += 1
        if _readers == 1:
            _filters.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
    try:
        yield
    finally:
        with _lock:
            _readers -= 1
            if _readers == 0:
                _filters.close()
