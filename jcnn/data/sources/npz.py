"""Reads NumPy archives (npz) of images and labels, such as Keras's mnist.npz."""

import sys
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from jcnn.data._files import is_plain_text, show
from jcnn.data.dataset import Dataset, split_off_test
from jcnn.data.errors import DataError
from jcnn.data.sources.npz_member import Header, open_npz, read_header, read_member

_DIVIDED = ("x_train", "y_train", "x_test", "y_test")
_WHOLE = ("images", "labels")
_NAMES = "class_names"
_MAX_CHANNELS = 4
_MAX_CLASSES = 2**16  # limits the names that are made for numbers up to a wrong label
_MAX_NAMES = 2**26  # bytes of all class names
_MAX_PICTURES = 2**26  # their labels alone take half a gigabyte

_T = TypeVar("_T")


def read_npz(path: str | Path) -> tuple[Dataset, Dataset]:
    """Read an archive with a training and a test set, or with images to be split.

    Args:
        path: of an archive with x_train, y_train, x_test and y_test, or with images and labels.
            Images are `(N, H, W)` or `(N, H, W, C)` uint8 with C up to 4; labels are integers
            from 0, `(N,)` or `(N, 1)`. Optional class_names are `(K,)` text; without them, the
            classes are named "0", "1", ... up to the largest label.

    Returns:
        The training set and the test set, with the same class names. Of images and labels, a fifth
        of each class is for test; split and order are fixed.

    Raises:
        FileNotFoundError: there is no such file.
        DataError: the file is not such an archive, or is damaged.
    """
    path = Path(path)
    with open_npz(path) as archive:
        try:
            parts = _read_parts(archive)
        except ValueError as error:
            raise DataError(f"{show(path)}: {error}") from error
    return parts if len(parts) == 2 else split_off_test(*parts, show(path))


# The functions below raise ValueError; `read_npz` adds the file's name to the message.


def _read_parts(archive: zipfile.ZipFile) -> tuple[Dataset] | tuple[Dataset, Dataset]:
    present = {name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")}
    wanted = _WHOLE if present.isdisjoint(_DIVIDED) else _DIVIDED
    if missing := [name for name in wanted if name not in present]:
        raise ValueError(
            f"no {', '.join(missing)} in this archive; "
            f"expected {', '.join(_DIVIDED)}, or {', '.join(_WHOLE)}"
        )
    heads = {
        x: _of(read_header, archive, x) for x in (*wanted[1::2], *wanted[::2], *present & {_NAMES})
    }
    _check_heads(heads, wanted)  # before any array is allocated
    labels = {
        name: _read_labels(archive, name) for name in wanted[1::2]
    }  # small, so they fail soon
    names = _class_names(_of(read_member, archive, _NAMES) if _NAMES in heads else None, labels)
    first, *rest = (
        _part(_of(read_member, archive, x), labels[y], names)
        for x, y in zip(wanted[::2], labels, strict=True)
    )
    return (first, rest[0]) if rest else (first,)


def _of(read: Callable[[zipfile.ZipFile, str], _T], archive: zipfile.ZipFile, name: str) -> _T:
    try:
        return read(archive, name)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _check_heads(heads: dict[str, Header], wanted: tuple[str, ...]) -> None:
    """Check the headers against the limits and against each other."""
    for y in wanted[1::2]:
        head = heads[y]
        if head.dtype.kind not in "iu" or (head.ndim != 1 and head.shape[1:] != (1,)):
            raise ValueError(
                f"{y}: got shape {head.shape} of {head.dtype}; expected (N,) or (N, 1) of integers"
            )
    if _NAMES in heads:
        _check_names(heads[_NAMES])
    shapes = []
    for x, y in zip(wanted[::2], wanted[1::2], strict=True):
        head, count = heads[x], heads[y].shape[0]
        if head.dtype != np.uint8:
            raise ValueError(f"{x}: got dtype {head.dtype}; expected uint8, 0 to 255")
        shapes.append((*head.shape, 1) if head.ndim == 3 else head.shape)
        if len(shapes[-1]) != 4 or shapes[-1][3] > _MAX_CHANNELS:
            raise ValueError(
                f"{x}: got shape {head.shape}; expected (N, H, W), or (N, H, W, C) with C "
                f"up to {_MAX_CHANNELS}"
            )
        if head.shape[0] != count:
            raise ValueError(f"{x}: {head.shape[0]} images; expected {count}, as labels")
        if count > _MAX_PICTURES:
            raise ValueError(f"{x}: {count} images; expected at most {_MAX_PICTURES}")
    if shapes[-1][1:] != shapes[0][1:]:
        raise ValueError(
            f"{wanted[2]}: images of {shapes[-1][1:]}; expected {shapes[0][1:]} as in {wanted[0]}"
        )


def _check_names(head: Header) -> None:
    if head.dtype.kind != "U" or head.ndim != 1 or head.shape[0] > _MAX_CLASSES:
        raise ValueError(
            f"{_NAMES}: got shape {head.shape} of {head.dtype}; "
            f"expected (K,) of text, K up to {_MAX_CLASSES}"
        )
    if (size := head.shape[0] * head.dtype.itemsize) > _MAX_NAMES:
        raise ValueError(f"{_NAMES}: {size} bytes of text; expected at most {_MAX_NAMES}")


def _part(
    images: npt.NDArray[Any], labels: npt.NDArray[np.int32], names: tuple[str, ...]
) -> Dataset:
    if images.ndim == 3:
        images = images[..., np.newaxis]
    return Dataset(np.ascontiguousarray(images), labels, names)


def _read_labels(archive: zipfile.ZipFile, name: str) -> npt.NDArray[np.int32]:
    labels = _of(read_member, archive, name).reshape(-1)
    _check_range(name, labels, _MAX_CLASSES)
    return labels.astype(np.int32)


def _check_range(name: str, labels: npt.NDArray[Any], classes: int) -> None:
    for row in (int(labels.argmin()), int(labels.argmax())):
        if not 0 <= labels[row] < classes:
            raise ValueError(
                f"{name}: label {labels[row]} in row {row}; expected 0 to {classes - 1}"
            )


def _class_names(
    array: npt.NDArray[Any] | None, labels: dict[str, npt.NDArray[np.int32]]
) -> tuple[str, ...]:
    if array is None:
        return tuple(map(str, range(1 + max(int(part.max()) for part in labels.values()))))
    codes = np.frombuffer(array.tobytes(), np.dtype("u4").newbyteorder(array.dtype.byteorder))
    if codes.max() > sys.maxunicode:  # Python would raise a SystemError
        raise ValueError(f"{_NAMES}: character {codes.max():#x}; expected Unicode text")
    names = tuple(unicodedata.normalize("NFC", name) for name in array.tolist())
    for name in names:
        if not is_plain_text(name):
            raise ValueError(f"{_NAMES}: got {name!r}; expected text without control characters")
    for part, numbers in labels.items():
        _check_range(part, numbers, len(names))
    return names
