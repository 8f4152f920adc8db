"""A folder of images with one folder for each class.

Decoded images are cached under a hash of the names and contents of all files, so that a changed
folder is noticed.
"""

import hashlib
import os
import time
from pathlib import Path
from typing import IO

from jcnn.data._files import check_file, show
from jcnn.data.dataset import Dataset
from jcnn.data.json_cache import read_cached, write_cached
from jcnn.data.parallel import in_parallel
from jcnn.data.pictures import Pictures, read_pictures
from jcnn.data.request import Request
from jcnn.data.sources.class_folders import Listing, list_images
from jcnn.system.caches import cache_folder

# A file that changed within so many seconds before it was hashed might change again within the
# resolution of its times.
_SETTLED = 2.0


def read_folder(request: Request) -> tuple[Dataset, Dataset]:
    """Read the images of the folder `request.argument`, as `list_images` finds them.

    Returns:
        The training set and the test set: the folders `train` and `test` if there are such, in the
        order of their names; otherwise a fixed, shuffled split. A folder `val` becomes the
        training set's `validation`; without one, `split_validation` takes a share of every class.

    Raises:
        FileNotFoundError: there is no such folder.
        DataError: it is not a folder of class folders, or an image cannot be read.
        ValueError: the images differ in size and `request.image_shape` is None.
    """
    return read_pictures(folder_pictures(request), request)


def folder_pictures(request: Request) -> Pictures:
    """The images of the folder `request.argument`, not decoded."""
    listing = list_images(Path(request.argument))

    def opened(n: int) -> IO[bytes]:
        path = Path(listing.path(n))
        check_file(path)
        return path.open("rb")

    return Pictures(
        kind="folder",
        where=request.argument,
        names=listing.names,
        labels=listing.labels,
        class_names=listing.class_names,
        sizes=listing.sizes,
        open=opened,
        place=listing.path,
        state=lambda: _state(listing, request)[0],
        content=lambda: _content(listing, request),
        bad=listing.bad,
        notes=listing.notes,
    )


def _content(listing: Listing, request: Request) -> str:
    """A hash of the names and contents of all files.

    It is cached under the files' state, so that a later start opens none of them.
    """
    state, newest = _state(listing, request)
    file = cache_folder() / "folders" / f"{state}.json"
    known = read_cached(file, request.notify)
    if isinstance(known, str):
        return known
    began = time.time()

    def digest(n: int) -> bytes:
        try:
            return _sha256(listing.path(n))
        except OSError:  # decoding reports the reason
            return b""

    what = f"checking {show(request.argument)}"
    digests = in_parallel(digest, len(listing.names), what, request.notify)
    bad = [(listing.inside(path), reason) for path, reason in listing.bad]
    key = hashlib.sha256(repr((bad, listing.class_names, listing.sizes)).encode())
    for n, content in enumerate(digests):
        name = os.fsencode(listing.names[n])
        key.update(b"%d %s %d %s" % (len(name), name, len(content), content))
    if newest < began - _SETTLED:
        write_cached(file, key.hexdigest())
    return key.hexdigest()


def _state(listing: Listing, request: Request) -> tuple[str, float]:
    """A hash of the names, sizes, times and inodes of all files; and the newest time."""

    def look(n: int) -> tuple[bytes, float]:
        try:
            found = Path(listing.path(n)).stat()
        except OSError as error:
            return repr(error.errno).encode(), 0.0
        times = (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev)
        return b"%d %d %d %d %d" % times, max(found.st_ctime, found.st_mtime)

    what = f"checking {show(request.argument)}"
    seen = in_parallel(look, len(listing.names), what, request.notify)
    where = os.path.realpath(listing.folder)
    bad = [(listing.inside(path), reason) for path, reason in listing.bad]
    key = hashlib.sha256(repr((where, listing.class_names, listing.sizes, bad)).encode())
    for n, (state, _) in enumerate(seen):
        name = os.fsencode(listing.names[n])
        key.update(b"%d %s %s " % (len(name), name, state))
    return key.hexdigest()[:32], max((newest for _, newest in seen), default=0.0)


def _sha256(path: str) -> bytes:
    # System calls: `open` would take longer than reading a small file.
    file = os.open(path, os.O_RDONLY)
    try:
        content = hashlib.sha256()
        while chunk := os.read(file, 2**20):
            content.update(chunk)
        return content.digest()
    finally:
        os.close(file)
