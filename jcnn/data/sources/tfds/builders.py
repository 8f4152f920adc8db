"""Builders of tensorflow-datasets, patched to work without TensorFlow.

A stock builder needs TensorFlow to unpack archives and to encode arrays as PNG. A patched builder
is the stock one with another `_split_generators`, which unpacks in Python and yields images as
`PIL.Image`; the package encodes these without TensorFlow. Names, versions, features, keys (which
determine the order of the records) and checksums stay those of the stock builder.
"""

import io
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from jcnn.data._files import show
from jcnn.data.errors import DataError
from jcnn.data.events import Notify, Reading
from jcnn.data.sources.idx import IDX_FILES, read_idx

Bytes = npt.NDArray[np.uint8]
Examples = Iterator[tuple[Any, dict[str, Any]]]
Splits = Callable[[Any, Any, Notify], Any]


def idx_splits(builder: Any, downloads: Any, notify: Notify) -> dict[str, Examples]:
    """MNIST and similar data sets: four IDX files."""
    urls = {name: f"{builder.URL}{name}.gz" for name in IDX_FILES}
    files = downloads.download(urls)
    return _idx_examples(builder, [Path(files[name]) for name in IDX_FILES], notify)


def emnist_splits(builder: Any, downloads: Any, notify: Notify) -> dict[str, Examples]:
    """EMNIST: one archive with four IDX files for each configuration."""
    archive = Path(downloads.download(builder.URL))
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(archive) as opened:
        paths = []
        for name in IDX_FILES:
            part = name.replace("t10k", "test")
            member = f"gzip/emnist-{builder.builder_config.name}-{part}.gz"
            paths.append(Path(opened.extract(member, folder)))
        return _idx_examples(builder, paths, notify)


def cifar_splits(builder: Any, downloads: Any, notify: Notify) -> dict[str, Examples]:
    """CIFAR: an archive of records of one byte per label and 3 x 32 x 32 bytes of an image."""
    layout = builder._cifar_info
    archive = Path(downloads.download(layout.url))
    members = [*layout.label_files, *layout.train_files, *layout.test_files]
    content = _tar_members(archive, [f"{layout.prefix}{name}" for name in members])
    found = dict(zip(members, content, strict=True))
    for key, name in zip(layout.label_keys, layout.label_files, strict=True):
        builder.info.features[key].names = [
            line for line in found[name].decode().split("\n") if line
        ]
    parts = {"train": layout.train_files, "test": layout.test_files}
    splits = {}
    for part, names in parts.items():
        records = [cifar_records(found[name], len(layout.label_keys)) for name in names]
        labels, images = (np.concatenate(arrays) for arrays in zip(*records, strict=True))
        by_key = dict(zip(layout.label_keys, labels.T, strict=True))
        splits[part] = _examples(builder, part, images, by_key, notify)
    return splits


def archive_splits(builder: Any, downloads: Any, _notify: Notify) -> Any:
    """Data sets whose stock builder needs only an iterator over the files of its archives."""
    stock: Any = type(builder).__mro__[1]  # the class that `patched_builder` was given
    return stock._split_generators(builder, _PlainArchives(downloads))


# The patched builders; every other one needs TensorFlow.
PATCHED: dict[str, Splits] = {
    "mnist": idx_splits,
    "fashion_mnist": idx_splits,
    "kmnist": idx_splits,
    "emnist": emnist_splits,
    "cifar10": cifar_splits,
    "cifar100": cifar_splits,
    "beans": archive_splits,
    "horses_or_humans": archive_splits,
    "rock_paper_scissors": archive_splits,
    "tf_flowers": archive_splits,
}


def patched_builder(stock: Any, splits: Splits, notify: Notify) -> Any:
    """A subclass of the stock builder, with `splits` as its `_split_generators`."""

    def split_generators(builder: Any, downloads: Any) -> Any:
        return splits(builder, downloads, notify)

    return type(
        stock.__name__,
        (stock,),
        {
            "name": stock.name,
            "__module__": stock.__module__,
            "_split_generators": split_generators,
        },
    )


def cifar_records(data: bytes, labels: int) -> tuple[Bytes, Bytes]:
    """Split a CIFAR file into labels `(N, labels)` and images `(N, 32, 32, 3)`, both uint8.

    Raises:
        DataError: the file is not a whole number of records.

    Reference: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009; the
    layout is described at https://www.cs.toronto.edu/~kriz/cifar.html.
    """
    size = labels + 3 * 32 * 32
    if not data or len(data) % size:
        raise DataError(f"CIFAR file of {len(data)} bytes; expected a multiple of {size}")
    rows = np.frombuffer(data, np.uint8).reshape(-1, size)
    return rows[:, :labels], rows[:, labels:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)


class _PlainArchives:
    """Stands in for TFDS's download manager, whose `iter_archive` needs TensorFlow."""

    def __init__(self, downloads: Any) -> None:
        self.download = downloads.download

    def iter_archive(self, path: Any) -> Iterator[tuple[str, IO[bytes]]]:
        """The path and content of each file of a zip or tar archive, as TFDS yields them."""
        return (member for member in _members(Path(path)) if _is_plain(member[0]))


def _members(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as opened:
            for member in opened.infolist():
                if not member.is_dir():
                    yield member.filename, io.BytesIO(opened.read(member))
    else:
        with tarfile.open(path) as packed:
            for entry in packed:
                content = packed.extractfile(entry) if entry.isfile() else None
                if content is not None:
                    yield entry.name, content


def _is_plain(name: str) -> bool:
    """Whether TFDS would yield this file: not a hidden or backup file, such as macOS metadata."""
    last = name.rpartition("/")[2]
    return not name.startswith(("/", ".")) and not last.startswith(".") and not name.endswith("~")


def _idx_examples(builder: Any, paths: Sequence[Path], notify: Notify) -> dict[str, Examples]:
    arrays = [read_idx(path) for path in paths]
    parts = {"train": arrays[:2], "test": arrays[2:]}
    for path, (images, labels) in zip(paths[::2], parts.values(), strict=True):
        if images.ndim != 3 or labels.shape != images.shape[:1]:
            raise DataError(f"{show(path)}: {images.shape} for labels {labels.shape}")
    return {
        part: _examples(builder, part, images[..., np.newaxis], {"label": labels}, notify)
        for part, (images, labels) in parts.items()
    }


def _tar_members(archive: Path, names: Sequence[str]) -> list[bytes]:
    """Read members of an archive without unpacking them to disk."""
    with tarfile.open(archive) as opened:
        contents = []
        for name in names:
            stream = opened.extractfile(name)
            if stream is None:
                raise DataError(f"{show(archive)}: {name} is no file")
            contents.append(stream.read())
    return contents


def _examples(
    builder: Any, part: str, images: Bytes, labels: dict[str, Bytes], notify: Notify
) -> Examples:
    """Number the images as the stock builders do, which determines the order of the records."""
    for i, picture in enumerate(images):
        if i % 1000 == 0 or i == len(images) - 1:
            notify(Reading(f"preparing {builder.name} {part}", i + 1, len(images)))
        grey = picture.shape[2] == 1
        array = picture[:, :, 0] if grey else picture
        example: dict[str, Any] = {key: int(values[i]) for key, values in labels.items()}
        example["image"] = Image.fromarray(np.ascontiguousarray(array))
        if "id" in builder.info.features:
            example["id"] = f"{part}_{i:05d}"
        yield i, example
