"""Warning filters for reading images with Pillow in several threads.

`warnings.catch_warnings` changes the filters of the process, not of the thread: two threads that
enter and leave it in turn would restore each other's filters. So the first reader enters it and
the last one leaves it.
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
    """Raise an error for an image over Pillow's pixel limit; ignore warnings about metadata."""
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
