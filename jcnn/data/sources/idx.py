"""Reads IDX files, the format of MNIST, Fashion-MNIST and similar data sets.

An IDX file is two zero bytes, a type code, the number of axes, the size of each axis as a
big-endian 32-bit integer, and the data. The header is not trusted: no more is read or allocated
than both the header and the file's size account for.

Reference: LeCun, Cortes and Burges, "The MNIST database of handwritten digits", 1998.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from jcnn.data._files import open_bytes, read_at_most, show
from jcnn.data.dataset import Dataset
from jcnn.data.errors import DataError

# The published names; variants with ".gz", or "." before "idx", are found too.
IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)

_TYPES = {
    0x08: "unsigned byte",
    0x09: "signed byte",
    0x0B: "int16",
    0x0C: "int32",
    0x0D: "float32",
    0x0E: "float64",
}
_MAX_AXES = 4
_MAX_BYTES = 4 * 2**30


def read_idx_dir(
    directory: str | Path, class_names: Sequence[str] | None = None
) -> tuple[Dataset, Dataset]:
    """Read the four IDX files of a folder: training and test images and their labels.

    Args:
        directory: holds the four `IDX_FILES`; each may end in ".gz", and may have "." before
            "idx". If a file is there plain and compressed, the plain one is read.
        class_names: None for "0", "1", ... up to the largest label.

    Returns:
        The training set and the test set, `(N, H, W, 1)` each, with the same class names.

    Raises:
        FileNotFoundError: the folder or one of the files is missing.
        DataError: a file is invalid, or does not match the others.
    """
    paths = _find(Path(directory))
    train_images, train_labels = _read_part(*paths[:2])
    test_images, test_labels = _read_part(*paths[2:])
    if train_images.shape[1:] != test_images.shape[1:]:
        raise DataError(
            f"{show(paths[2])}: images of {_by(test_images.shape[1:3])}; "
            f"expected {_by(train_images.shape[1:3])} as in {paths[0].name}"
        )
    if class_names is None:
        largest = max(int(train_labels.max()), int(test_labels.max()))
        class_names = [str(label) for label in range(largest + 1)]
    names = tuple(class_names)
    for path, labels in ((paths[1], train_labels), (paths[3], test_labels)):
        row = int(labels.argmax())
        if labels[row] >= len(names):
            raise DataError(
                f"{show(path)}: label {labels[row]} in row {row}; "
                f"expected 0 to {len(names) - 1} for {len(names)} class names"
            )
    return Dataset(train_images, train_labels, names), Dataset(test_images, test_labels, names)


def read_idx(path: str | Path) -> npt.NDArray[np.uint8]:
    """Read one IDX file of unsigned bytes, through gzip if its name ends in ".gz".

    Args:
        path: of a file with one to four axes and at most 4 GiB of data.

    Returns:
        uint8, with the shape that the header states.

    Raises:
        FileNotFoundError: there is no such file.
        DataError: the header is wrong, the data are shorter or longer than the header states, or
            the compression is damaged.
    """
    path = Path(path)
    with open_bytes(path) as stream:
        shape = _read_header(stream, path)
        size = math.prod(shape)
        data = read_at_most(stream, size + 1)
    if len(data) != size:
        got = "more" if len(data) > size else f"only {len(data)}"
        raise DataError(f"{show(path)}: {got} bytes of data; its header says {size} ({_by(shape)})")
    return np.frombuffer(data, np.uint8).reshape(shape)


def _read_header(stream: BinaryIO, path: Path) -> tuple[int, ...]:
    """Read and check the header; return the shape."""
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES:
        raise DataError(
            f"{show(path)}: not an IDX file (starts with bytes {magic.hex(' ') or 'none'}; "
            f"expected 00 00, a type code and the number of axes)"
        )
    code, axes = magic[2], magic[3]
    if code != 0x08:
        raise DataError(
            f"{show(path)}: IDX type code 0x{code:02x} ({_TYPES[code]}); "
            f"expected 0x08 ({_TYPES[0x08]})"
        )
    if not 1 <= axes <= _MAX_AXES:
        raise DataError(f"{show(path)}: IDX file of {axes} axes; expected 1 to {_MAX_AXES}")
    sizes = stream.read(4 * axes)
    if len(sizes) < 4 * axes:
        raise DataError(f"{show(path)}: ends inside its header of {4 + 4 * axes} bytes")
    shape = tuple(int.from_bytes(sizes[i : i + 4], "big") for i in range(0, 4 * axes, 4))
    if 0 in shape:
        raise DataError(f"{show(path)}: empty (its header says {_by(shape)})")
    if math.prod(shape) > _MAX_BYTES:
        raise DataError(
            f"{show(path)}: its header says {math.prod(shape)} bytes of data ({_by(shape)}); "
            f"expected at most {_MAX_BYTES}"
        )
    return shape


def _read_part(
    images_path: Path, labels_path: Path
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]:
    """Read images as `(N, H, W, 1)` and their labels as `(N,)` int32."""
    labels = _read_axes(labels_path, 1)  # the small file first, which fails sooner
    images = _read_axes(images_path, 3)
    if len(labels) != len(images):
        raise DataError(
            f"{show(labels_path)}: {len(labels)} labels; "
            f"expected {len(images)}, one for each image of {images_path.name}"
        )
    return images[..., np.newaxis], labels.astype(np.int32)


def _read_axes(path: Path, axes: int) -> npt.NDArray[np.uint8]:
    """Read a file and check its number of axes."""
    array = read_idx(path)
    if array.ndim != axes:
        raise DataError(f"{show(path)}: IDX file of {array.ndim} axes; expected {axes}")
    return array


def _find(directory: Path) -> list[Path]:
    """Find the four files under any of their accepted names."""
    try:
        present = {entry.name for entry in directory.iterdir()}
    except FileNotFoundError:
        raise FileNotFoundError(f"{show(directory)}: no such folder") from None
    except OSError as error:
        raise DataError(f"{show(directory)}: {error.strerror}; expected a folder") from None
    found, missing = [], []
    for name in IDX_FILES:
        dotted = name.replace("-idx", ".idx")
        names = (name, dotted, f"{name}.gz", f"{dotted}.gz")
        here = [directory / one for one in names if one in present]
        found += here[:1]
        if not here:
            missing.append(f"{name}[.gz]")
    if missing:
        raise FileNotFoundError(f"{show(directory)}: no {', '.join(missing)} in this folder")
    return found


def _by(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
