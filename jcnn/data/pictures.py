"""Pictures of any size in files or shards become data sets: decoded once, or streamed.

Pictures that fit in memory are decoded once and cached. Others are streamed: decoded on access.
Both give the same images in the same order. If bad pictures are to be skipped, streamed ones are
all decoded once beforehand, since only decoding finds the bad ones.
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from jcnn.data._files import show
from jcnn.data.cache import Splits, cached
from jcnn.data.dataset import Dataset, split_off_test
from jcnn.data.errors import DataError
from jcnn.data.events import Note
from jcnn.data.file_names import FileNames
from jcnn.data.image_files import decode_image, decode_image_shape
from jcnn.data.json_cache import read_cached, write_cached
from jcnn.data.memory import memory_budget
from jcnn.data.parallel import in_parallel
from jcnn.data.request import Request
from jcnn.data.resizing import resizing
from jcnn.data.streamed import StreamedImages
from jcnn.system.caches import cache_folder

# Increase it when `read_image` gives other pixels or more is cached.
_FORMAT = 4

_LOOKED_AT = 200  # pictures, for the line on what resizing does

Shape = tuple[int, int, int]
Bad = dict[int, str]  # from the number of a picture to the reason why it cannot be read


@dataclass(frozen=True, eq=False)
class Pictures:
    """N labelled pictures, not decoded yet.

    Args:
        kind: the name of the source, such as "folder".
        where: the folder or pattern that the user named.
        names: N file names, relative to the folder.
        labels: `(N,)` int32.
        class_names: K names.
        sizes: the size of training, validation and test set, which follow each other, 0 for one
            that is missing; None for pictures that are not split.
        open: opens picture `n`; called from several threads.
        place: where picture `n` is, for messages: a path, or a shard and a member.
        state: changes when a file is replaced or edited; it is found without reading the files.
        content: a key of the contents of all files.
        bad: places that hold no picture, with the reason.
        notes: lines for the user, repeated on every start.
        blocks: `(N,)` int32, pictures that are read together; None if each is read by itself.
    """

    kind: str
    where: str
    names: FileNames
    labels: npt.NDArray[np.int32]
    class_names: tuple[str, ...]
    sizes: tuple[int, int, int] | None
    open: Callable[[int], IO[bytes]]
    place: Callable[[int], str]
    state: Callable[[], Any]
    content: Callable[[], str]
    bad: Sequence[tuple[str, str]] = ()
    notes: Sequence[str] = ()
    blocks: npt.NDArray[np.int32] | None = None

    def __len__(self) -> int:
        return len(self.labels)


def read_pictures(pictures: Pictures, request: Request) -> tuple[Dataset, Dataset]:
    """The training set and the test set.

    Raises:
        DataError: a picture cannot be read, or all of one class.
        ValueError: the pictures differ in size and `request.image_shape` is None.
    """
    shape = request.image_shape
    for note in pictures.notes:
        request.notify(Note(note))
    if pictures.bad and request.on_bad_image == "error":
        place, reason = pictures.bad[0]
        raise DataError(f"{show(place)}: {reason}")
    train, test = _read(pictures, request)
    if shape is not None:
        words = resizing(_some_shapes(pictures), shape, request.resize)
        if words:
            request.notify(Note(words))
    return train, test


def _read(pictures: Pictures, request: Request) -> tuple[Dataset, Dataset]:
    """The images as they are cached, or streamed if they do not fit in memory."""
    shape = request.image_shape
    if not _fits(pictures, shape or _largest_shape(pictures, request)):
        shape = shape or _remembered_shape(pictures, request)
        if not _fits(pictures, shape):
            bad = _undecodable(pictures, request, shape) if request.on_bad_image == "skip" else {}
            return _streamed(pictures, request, shape, bad)
    options = (_FORMAT, request.image_shape, request.resize, request.on_bad_image)
    key = f"{options!r} {pictures.content()}"
    return cached(pictures.kind, key, lambda: _decoded(pictures, request), request.notify)


def _some_shapes(pictures: Pictures) -> Iterator[Shape]:
    """The shapes of up to `_LOOKED_AT` pictures, evenly chosen, from their headers."""
    rows = np.arange(len(pictures))
    if pictures.blocks is not None:  # more would be read than is looked at
        rows = np.flatnonzero(pictures.blocks == pictures.blocks[0])
    for n in map(int, rows[:: -(-len(rows) // _LOOKED_AT)]):
        with suppress(DataError, FileNotFoundError):
            yield _shape_of(pictures, n)


def _shape_of(pictures: Pictures, n: int) -> Shape:
    return decode_image_shape(lambda: pictures.open(n), pictures.place(n))


def _fits(pictures: Pictures, shape: Shape) -> bool:
    return len(pictures) * math.prod(shape) <= memory_budget()


def _decode(
    pictures: Pictures, request: Request, shape: Shape
) -> Callable[[int], npt.NDArray[np.uint8]]:
    """A function that decodes one picture."""

    def decode(n: int) -> npt.NDArray[np.uint8]:
        return decode_image(lambda: pictures.open(n), pictures.place(n), shape, request.resize)

    return decode


def _streamed(
    pictures: Pictures, request: Request, shape: Shape, bad: Bad
) -> tuple[Dataset, Dataset]:
    images = StreamedImages(_decode(pictures, request, shape), np.arange(len(pictures)), shape)
    train, test, notes = _parts(pictures, request, images, bad)
    count, by = len(pictures), " x ".join(map(str, shape))
    size, budget = (f"{n / 2**30:.3g} GiB" for n in (count * math.prod(shape), memory_budget()))
    why = (
        f"{count} images of {by} take {size}, more than the {budget} of memory for them: "
        f"streamed from disk"
    )
    for note in (*notes, why):
        request.notify(Note(note))
    return train, test


def _decoded(pictures: Pictures, request: Request) -> Splits:
    """The splits, with all images decoded into one array, which they index without a copy."""
    shape = request.image_shape or _common_shape(pictures, request)
    images = np.empty((len(pictures), *shape), np.uint8)
    read = _decode(pictures, request, shape)

    def decode(n: int) -> None:
        images[n] = read(n)

    bad = _bad_among(decode, pictures, request, "decoding")
    rows = np.arange(len(pictures))
    return _parts(pictures, request, StreamedImages(images.__getitem__, rows, shape), bad)


def _parts(pictures: Pictures, request: Request, images: StreamedImages, bad: Bad) -> Splits:
    """The splits without the bad pictures, and a note for each bad one."""
    names, labels, where = pictures.class_names, pictures.labels, show(pictures.where)
    skipped = np.zeros(len(pictures), bool)
    skipped[list(bad)] = True

    def part(start: int, stop: int) -> Dataset:
        good = start + np.flatnonzero(~skipped[start:stop])
        for label in np.setdiff1d(labels[start:stop], labels[good]):
            raise DataError(f"{where}: no image of class {names[label]!r} can be read")
        blocks = None if pictures.blocks is None else pictures.blocks[good]
        files = pictures.names.take(good).printable()
        return Dataset(
            images.select(good), labels[good], names, stratify=True, names=files, blocks=blocks
        )

    count = len(pictures)
    train_size, validation_size, test_size = pictures.sizes or (count, 0, 0)
    tested = train_size + validation_size  # where the test set starts
    train = part(0, train_size)
    test = part(tested, count) if test_size else None
    if test is None:
        train, test = split_off_test(train, where)
    if validation_size:
        train = replace(train, validation=part(train_size, tested))
    gone = [*pictures.bad, *((pictures.place(n), reason) for n, reason in sorted(bad.items()))]
    inside = f"{Path(pictures.where)}/"
    notes = [f"skipped {show(place.removeprefix(inside))}: {reason}" for place, reason in gone]
    return Splits(train, test, notes)


def _largest_shape(pictures: Pictures, request: Request) -> Shape:
    """An upper bound of the shape if all have one shape: that of the first, in colour."""
    for n in range(len(pictures)):
        try:
            height, width, _ = _shape_of(pictures, n)
        except (DataError, FileNotFoundError):
            if request.on_bad_image == "error":
                raise
        else:
            return height, width, 3
    raise DataError(f"{show(pictures.where)}: no image in it can be read")


def _remembered_shape(pictures: Pictures, request: Request) -> Shape:
    """`_common_shape`, cached under the state of the files, so that a later start opens none."""
    key = hashlib.sha256(repr((_FORMAT, request.on_bad_image, pictures.state())).encode())
    file = cache_folder() / "shapes" / f"{key.hexdigest()[:24]}.json"
    match read_cached(file, request.notify):
        case [int(height), int(width), int(channels)]:
            return height, width, channels
    shape = _common_shape(pictures, request)
    write_cached(file, shape)
    return shape


def _common_shape(pictures: Pictures, request: Request) -> Shape:
    """The shape that all pictures have, from the headers of their files."""
    count = len(pictures)
    shapes = np.zeros((count, 3), np.int64)

    def look(n: int) -> None:
        shapes[n] = _shape_of(pictures, n)

    _bad_among(look, pictures, request, "looking at")
    found = np.flatnonzero(shapes[:, 0])
    first = int(found[0])
    height, width, _ = map(int, shapes[first])
    for n in map(int, found[(shapes[found, :2] != (height, width)).any(axis=1)]):
        raise ValueError(
            f"image_shape: got None for images of several sizes "
            f"({show(pictures.place(first))} is {height} x {width}, "
            f"{show(pictures.place(n))} is {shapes[n][0]} x {shapes[n][1]}); pass --image-size"
        )
    return height, width, int(shapes[:, 2].max())


def _undecodable(pictures: Pictures, request: Request, shape: Shape) -> Bad:
    """The pictures that cannot be read, found by decoding all of them once.

    The result is cached under the state of the files: hashing the contents of data that exceed the
    memory would take as long on every start.
    """
    key = hashlib.sha256(repr((_FORMAT, shape, request.resize, pictures.state())).encode())
    file = cache_folder() / "bad_images" / f"{key.hexdigest()[:24]}.json"
    cached_bad = read_cached(file, request.notify)
    if cached_bad is not None:
        return {int(n): str(reason) for n, reason in cached_bad.items()}
    decode = _decode(pictures, request, shape)

    def work(n: int) -> None:
        decode(n)

    bad = _bad_among(work, pictures, request, "decoding")
    write_cached(file, bad)
    return bad


def _bad_among(
    work: Callable[[int], None], pictures: Pictures, request: Request, doing: str
) -> Bad:
    """Call `work` for every picture; raise the first error, or collect all with "skip"."""

    def reason(n: int) -> str:
        try:
            work(n)
        except (DataError, FileNotFoundError) as error:
            if request.on_bad_image == "error":
                raise
            return str(error).removeprefix(f"{show(pictures.place(n))}: ")
        return ""

    what = f"{doing} {show(pictures.where)}"
    reasons = in_parallel(reason, len(pictures), what, request.notify)
    return {n: reason for n, reason in enumerate(reasons) if reason}
