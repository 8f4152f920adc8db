"""Reads data sets of tensorflow-datasets (TFDS) without TensorFlow.

A data set is prepared once, in the folder that TFDS shares with its other users. The first read
decodes it into jcnn's cache; later starts map it from there without importing TFDS.
"""

import io
import math
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from jcnn.data._files import show
from jcnn.data._warnings import pillow_warnings
from jcnn.data.bit_depth import decode_8_bits
from jcnn.data.cache import cached
from jcnn.data.dataset import Dataset, split_off_test
from jcnn.data.errors import DataError
from jcnn.data.events import Note, Reading
from jcnn.data.image_files import fit_image
from jcnn.data.memory import memory_budget
from jcnn.data.parallel import in_parallel
from jcnn.data.request import Request, Resize
from jcnn.data.resizing import resizing
from jcnn.data.sources.tfds.builders import PATCHED
from jcnn.data.sources.tfds.folder import (
    TfdsName,
    find_prepared,
    fingerprint,
    parse_name,
    tfds_home,
)
from jcnn.data.sources.tfds.index import Index, open_split, read_index
from jcnn.data.sources.tfds.originals import check_originals, registered_originals
from jcnn.data.sources.tfds.prepare import prepare
from jcnn.data.sources.tfds.records import Split
from jcnn.data.streamed import Images, StreamedImages

_FORMAT = 1  # increase it when the same records and options give another data set
_PILLOW_FORMATS = ("PNG", "JPEG", "BMP", "GIF")  # what TFDS's Image feature takes
# Pillow raises these on damaged data (for a broken PNG, a SyntaxError) or on too large an image.
_PILLOW_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
_RECORDS_PER_READ = 256  # one by one they take six times as long


def read_tfds(request: Request, name: str) -> tuple[Dataset, Dataset]:
    """Read a data set of tensorflow-datasets; prepare it first if necessary.

    The original files are verified by TFDS's SHA-256 before they are prepared. The records have
    the order of TFDS, which is fixed.

    Args:
        request: `data_dir` holds the original files under their original names, or a data set that
            TFDS prepared (DIR/NAME/...). With None, a data set prepared in TFDS's own folder is
            read, or the files are downloaded. `image_shape` is required if the images differ in
            size.
        name: NAME, NAME/CONFIG or NAME/CONFIG:VERSION as in TFDS.

    Returns:
        The training set, and the test set: the split "test", else "validation", else a fifth of
        each class. If they do not fit in memory, they are streamed.

    Raises:
        ValueError: there is no such data set, it is not an image classification data set, or an
            argument does not fit it.
        FileNotFoundError: an original file is missing from `data_dir`.
        ConnectionError: the files cannot be downloaded; raised within seconds.
        DataError: a file is not the published one, or the builder needs TensorFlow.
    """
    wanted = parse_name(name)
    if request.on_bad_image != "error":
        raise ValueError(
            f"on_bad_image: got {request.on_bad_image!r}; tfds:{name} takes error only"
        )
    folder = _prepared(wanted, request)
    index = read_index(wanted, folder, request.notify)
    shape = request.image_shape or _own_shape(wanted, index)
    count, budget = sum(map(len, index.labels.values())), memory_budget()
    if count * math.prod(shape) > budget:
        sizes = (f"{n / 2**30:.3g} GiB" for n in (count * math.prod(shape), budget))
        by, (size, limit) = " x ".join(map(str, shape)), sizes
        why = f"{count} images of {by} take {size}, more than the {limit} of memory for them"
        request.notify(Note(f"{why}: streamed from disk"))
        _tell_resizing(index, shape, request)
        return _parts(index, lambda split: _streamed(index, split, shape, request))
    key = f"tfds {_FORMAT} {fingerprint(folder)} {shape} {request.resize}"
    parts = cached(
        f"tfds-{wanted.name}",
        key,
        lambda: _parts(index, lambda split: _decoded(index, split, shape, request)),
        request.notify,
    )
    _tell_resizing(index, shape, request)
    return parts


def _tell_resizing(index: Index, shape: tuple[int, int, int], request: Request) -> None:
    height, width, channels = index.image_shape
    if height is not None and width is not None and channels is not None:
        words = resizing([(height, width, channels)], shape, request.resize)
        if words:
            request.notify(Note(words))


def _prepared(wanted: TfdsName, request: Request) -> Path:
    """The folder of the prepared data set; prepare it if there is none."""
    if request.data_dir is not None:
        if not request.data_dir.is_dir():
            raise FileNotFoundError(f"{show(request.data_dir)}: no such folder")
        found = find_prepared(request.data_dir, wanted)
        if found is not None:
            return found
        if (
            wanted.name in PATCHED
        ):  # on every start: a user who names these files expects exactly these
            check_originals(wanted.name, registered_originals(wanted.name), request.data_dir)
    home = tfds_home()
    found = find_prepared(home, wanted)
    if found is None:
        prepare(wanted, request.data_dir, home, request.notify)
        found = find_prepared(home, wanted)
    if found is None:
        raise DataError(f"{show(home)}: {wanted} is not there although it was prepared")
    return found


def _own_shape(wanted: TfdsName, index: Index) -> tuple[int, int, int]:
    height, width, channels = index.image_shape
    if height is None or width is None or channels not in (1, 3):
        sizes = "x".join("?" if size is None else str(size) for size in index.image_shape)
        raise ValueError(
            f"image_shape: tfds:{wanted} has images of {sizes}; pass --image-size, the size to "
            f"bring them to"
        )
    return height, width, channels


def _parts(index: Index, images: Callable[[str], Images]) -> tuple[Dataset, Dataset]:
    parts = [
        Dataset(images(split), labels, index.class_names) for split, labels in index.labels.items()
    ]
    if len(parts) == 1:
        return split_off_test(parts[0], show(index.folder))
    train, test = parts
    return train, test


def _streamed(
    index: Index, name: str, shape: tuple[int, int, int], request: Request
) -> StreamedImages:
    split = open_split(index, name)

    def read(number: int) -> npt.NDArray[np.uint8]:
        picture: npt.NDArray[np.uint8] = _decode(split, [number], shape, request.resize)[0]
        return picture

    return StreamedImages(read, np.arange(len(split)), shape)


def _decoded(
    index: Index, name: str, shape: tuple[int, int, int], request: Request
) -> npt.NDArray[np.uint8]:
    split = open_split(index, name)
    images = np.empty((len(split), *shape), np.uint8)

    def fill(i: int) -> None:
        rows = range(i * _RECORDS_PER_READ, min((i + 1) * _RECORDS_PER_READ, len(split)))
        images[rows.start : rows.stop] = _decode(split, rows, shape, request.resize)

    def count(event: Reading | Note) -> None:
        if isinstance(event, Reading):
            done = min(event.done * _RECORDS_PER_READ, len(split))
            request.notify(Reading(event.what, done, len(split)))

    in_parallel(fill, -(-len(split) // _RECORDS_PER_READ), f"decoding {split.name}", count)
    return images


def _decode(
    split: Split, numbers: Sequence[int], shape: tuple[int, int, int], resize: Resize
) -> npt.NDArray[np.uint8]:
    """Read and decode these images to `(len(numbers), H, W, C)` uint8."""
    images = np.empty((len(numbers), *shape), np.uint8)
    encoded = split.read(numbers)
    with pillow_warnings():
        for i, (data, _) in enumerate(encoded):
            try:
                with Image.open(io.BytesIO(data), formats=_PILLOW_FORMATS) as picture:
                    images[i] = fit_image(decode_8_bits(picture, upright=False), shape, resize)
            except _PILLOW_ERRORS as error:
                where = f"{show(split.folder)}: record {numbers[i]}"
                raise DataError(f"{where} has no image ({show(error)})") from error
    return images
