"""A folder of images with one folder for each class.

Images that fit in memory are decoded once and cached under a hash of the names and contents of all
files, so that a changed folder is noticed. Others are streamed: decoded on access. Both give the
same images in the same order. If bad images are to be skipped, streamed ones are all decoded once
beforehand, since only decoding finds the bad ones.
"""

import hashlib
import math
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from jcnn.data._files import show
from jcnn.data.cache import Splits, cached
from jcnn.data.dataset import DataError, Dataset, split_off_test
from jcnn.data.events import Note
from jcnn.data.image_files import read_image, read_image_shape
from jcnn.data.json_cache import read_cached, write_cached
from jcnn.data.memory import memory_budget
from jcnn.data.parallel import in_parallel
from jcnn.data.request import Request
from jcnn.data.resizing import resizing
from jcnn.data.sources.class_folders import Listing, list_images
from jcnn.data.streamed import StreamedImages
from jcnn.system.caches import cache_folder

# Increase it when `read_image` gives other pixels, `list_images` another order, or more is cached.
_FORMAT = 3

_LOOKED_AT = 200  # images, for the line on what resizing does

Shape = tuple[int, int, int]
Bad = dict[int, str]  # from the number of an image to the reason why it cannot be read


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
    listing, shape = list_images(Path(request.argument)), request.image_shape
    for note in listing.notes:
        request.notify(Note(note))
    if listing.bad and request.on_bad_image == "error":
        path, reason = listing.bad[0]
        raise DataError(f"{show(path)}: {reason}")
    train, test = _read(listing, request)
    if shape is not None:
        words = resizing(_some_shapes(listing), shape, request.resize)
        if words:
            request.notify(Note(words))
    return train, test


def _read(listing: Listing, request: Request) -> tuple[Dataset, Dataset]:
    """The images as they are cached, or streamed if they do not fit in memory."""
    shape = request.image_shape
    if not _fits(listing, shape or _largest_shape(listing, request)):
        shape = shape or _common_shape(listing, request)
        if not _fits(listing, shape):
            bad = _undecodable(listing, request, shape) if request.on_bad_image == "skip" else {}
            return _streamed(listing, request, shape, bad)
    return cached(
        "folder", _key(listing, request), lambda: _decoded(listing, request), request.notify
    )


def _some_shapes(listing: Listing) -> Iterator[Shape]:
    """The shapes of up to `_LOOKED_AT` images, evenly chosen, from the headers of their files."""
    for path in listing.paths[:: -(-len(listing.paths) // _LOOKED_AT)]:
        with suppress(DataError, FileNotFoundError):
            yield read_image_shape(path)


def _fits(listing: Listing, shape: Shape) -> bool:
    return len(listing.paths) * math.prod(shape) <= memory_budget()


def _streamed(
    listing: Listing, request: Request, shape: Shape, bad: Bad
) -> tuple[Dataset, Dataset]:
    def read(n: int) -> npt.NDArray[np.uint8]:
        return read_image(listing.paths[n], shape, request.resize)

    train, test, notes = _parts(listing, request, StreamedImages(read, _all(listing), shape), bad)
    count, by = len(listing.paths), " x ".join(map(str, shape))
    size, budget = (f"{n / 2**30:.3g} GiB" for n in (count * math.prod(shape), memory_budget()))
    why = (
        f"{count} images of {by} take {size}, more than the {budget} of memory for them: "
        f"streamed from disk"
    )
    for note in (*notes, why):
        request.notify(Note(note))
    return train, test


def _decoded(listing: Listing, request: Request) -> Splits:
    """The splits, with all images decoded into one array, which they index without a copy."""
    shape = request.image_shape or _common_shape(listing, request)
    images = np.empty((len(listing.paths), *shape), np.uint8)

    def decode(n: int) -> None:
        images[n] = read_image(listing.paths[n], shape, request.resize)

    bad = _bad_among(decode, listing, request, "decoding")
    return _parts(listing, request, StreamedImages(images.__getitem__, _all(listing), shape), bad)


def _parts(listing: Listing, request: Request, images: StreamedImages, bad: Bad) -> Splits:
    """The splits without the bad images, and a note for each bad image."""
    names, labels = listing.class_names, np.array(listing.labels, np.int32)
    folder = show(request.argument)

    def part(numbers: Iterable[int]) -> Dataset:
        good = np.array([n for n in numbers if n not in bad], np.intp)
        for label in np.setdiff1d(np.arange(len(names)), labels[good]):
            raise DataError(f"{folder}: no image of class {names[label]!r} can be read")
        files = tuple(show(listing.inside(listing.paths[n])) for n in good)
        return Dataset(images.select(good), labels[good], names, stratify=True, names=files)

    count = len(listing.paths)
    train_size, validation_size, test_size = listing.sizes or (count, 0, 0)
    tested = train_size + validation_size  # where the test set starts
    train = part(range(train_size))
    test = part(range(tested, count)) if test_size else None
    if test is None:
        train, test = split_off_test(train, folder)
    if validation_size:
        train = replace(train, validation=part(range(train_size, tested)))
    skipped = listing.bad + [(listing.paths[n], reason) for n, reason in sorted(bad.items())]
    notes = [f"skipped {show(listing.inside(path))}: {reason}" for path, reason in skipped]
    return Splits(train, test, notes)


def _all(listing: Listing) -> npt.NDArray[np.intp]:
    return np.arange(len(listing.paths))


def _largest_shape(listing: Listing, request: Request) -> Shape:
    """An upper bound of the images' shape if all have one shape: that of the first, in colour."""
    for path in listing.paths:
        try:
            height, width, _ = read_image_shape(path)
        except (DataError, FileNotFoundError):
            if request.on_bad_image == "error":
                raise
        else:
            return height, width, 3
    raise DataError(f"{show(request.argument)}: no image in it can be read")


def _common_shape(listing: Listing, request: Request) -> Shape:
    """The shape that all images have, from the headers of their files."""
    shapes: dict[int, Shape] = {}

    def look(n: int) -> None:
        shapes[n] = read_image_shape(listing.paths[n])

    _bad_among(look, listing, request, "looking at")
    first, *others = sorted(shapes)
    height, width, _ = shapes[first]
    for n in others:
        if shapes[n][:2] != (height, width):
            raise ValueError(
                f"image_shape: got None for images of several sizes "
                f"({show(listing.paths[first])} is {height} x {width}, "
                f"{show(listing.paths[n])} is {shapes[n][0]} x {shapes[n][1]}); pass --image-size"
            )
    return height, width, max(shape[2] for shape in shapes.values())


def _undecodable(listing: Listing, request: Request, shape: Shape) -> Bad:
    """The images that cannot be read, found by decoding all of them once.

    The result is cached under the names, sizes and times of the files: hashing the contents of
    data that exceed the memory would take as long on every start.
    """

    def state(path: str) -> str:
        try:
            status = Path(path).stat()
        except OSError as error:
            return repr(error.errno)
        return f"{status.st_size} {status.st_mtime_ns}"

    def decode(n: int) -> None:
        read_image(listing.paths[n], shape, request.resize)

    states = [(listing.inside(path), state(path)) for path in listing.paths]
    where = os.path.realpath(listing.folder)
    key = hashlib.sha256(repr((_FORMAT, where, shape, request.resize, states)).encode())
    file = cache_folder() / "bad_images" / f"{key.hexdigest()[:24]}.json"
    cached_bad = read_cached(file, request.notify)
    if cached_bad is not None:
        return {int(n): str(reason) for n, reason in cached_bad.items()}
    bad = _bad_among(decode, listing, request, "decoding")
    write_cached(file, bad)
    return bad


def _bad_among(work: Callable[[int], None], listing: Listing, request: Request, doing: str) -> Bad:
    """Call `work` for every image; raise the first error, or collect all with "skip"."""

    def reason(n: int) -> str:
        try:
            work(n)
        except (DataError, FileNotFoundError) as error:
            if request.on_bad_image == "error":
                raise
            return str(error).removeprefix(f"{show(listing.paths[n])}: ")
        return ""

    what = f"{doing} {show(request.argument)}"
    reasons = in_parallel(reason, len(listing.paths), what, request.notify)
    return {n: reason for n, reason in enumerate(reasons) if reason}


def _key(listing: Listing, request: Request) -> str:
    """A hash of everything that determines the decoded images: file names, contents, options."""

    def digest(n: int) -> bytes:
        try:
            return _sha256(listing.paths[n])
        except OSError:  # decoding reports the reason
            return b""

    what = f"checking {show(request.argument)}"
    digests = in_parallel(digest, len(listing.paths), what, request.notify)
    bad = [(listing.inside(path), reason) for path, reason in listing.bad]
    options = (_FORMAT, request.image_shape, request.resize, request.on_bad_image, bad)
    key = hashlib.sha256(repr((options, listing.class_names, listing.sizes)).encode())
    for path, content in zip(listing.paths, digests, strict=True):
        name = os.fsencode(listing.inside(path))
        key.update(b"%d %s %d %s" % (len(name), name, len(content), content))
    return key.hexdigest()


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
