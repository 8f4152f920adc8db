"""Index of a prepared data set, cached after the first read.

CACHE/tfds/NAME-HASH.json    class names, image shape, keys of a record, all labels

With it, a later start imports tensorflow-datasets only if it has to read images.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from jcnn.data._files import show
from jcnn.data.errors import DataError
from jcnn.data.events import Notify, Reading
from jcnn.data.json_cache import read_cached, write_cached
from jcnn.data.sources.tfds.folder import TfdsName, fingerprint
from jcnn.data.sources.tfds.prepare import image_and_label_keys, quiet_tfds
from jcnn.data.sources.tfds.records import Split, open_records
from jcnn.system.caches import cache_folder

_FORMAT = 2
_RECORDS_PER_READ = 4096


@dataclass(frozen=True, eq=False)
class Index:
    """Everything about a prepared data set but its images.

    Args:
        name: such as "tfds:mnist", for messages.
        folder: of the prepared version.
        image_shape: `(H, W, C)`, with None for a size in which the images differ.
        keys: the keys of image and label in a record.
        class_names: K names.
        labels: `(N,)` int32 by split: the training split, then the test split if there is one.
    """

    name: str
    folder: Path
    image_shape: tuple[int | None, int | None, int | None]
    keys: tuple[str, str]
    class_names: tuple[str, ...]
    labels: dict[str, npt.NDArray[np.int32]]


def read_index(wanted: TfdsName, folder: Path, notify: Notify) -> Index:
    """The index of a prepared data set, from the cache or by reading all labels.

    Raises:
        ValueError: it is not an image classification data set, or has no split "train".
        DataError: its files are damaged.
    """
    digest = hashlib.sha256(f"{_FORMAT} {fingerprint(folder)}".encode()).hexdigest()[:24]
    file = cache_folder() / "tfds" / f"{wanted.name}-{digest}.json"
    index = _load(file, wanted, folder, notify)
    if index is not None:
        return index
    index = _make(wanted, folder, notify)
    _save(file, index)
    return index


def open_split(index: Index, split: str) -> Split:
    """Open the records of a split of `index.labels`."""
    with quiet_tfds() as tfds:
        builder = tfds.builder_from_directory(index.folder)
        records = open_records(builder, split)
    return Split(f"{index.name} {split}", index.folder, records, *index.keys)


def _make(wanted: TfdsName, folder: Path, notify: Notify) -> Index:
    with quiet_tfds() as tfds:
        try:
            builder = tfds.builder_from_directory(folder)
            info = builder.info
        except Exception as error:  # the parsers raise any error on a damaged file
            raise DataError(f"{show(folder)}: not as tensorflow-datasets prepares it") from error
        keys = image_and_label_keys(str(wanted), info)
        shape, names = info.features[keys[0]].shape, tuple(info.features[keys[1]].names)
        splits = set(info.splits)
    if "train" not in splits:
        raise ValueError(f"data: tfds:{wanted} has no split 'train', only {', '.join(splits)}")
    index = Index(f"tfds:{wanted}", folder, shape, keys, names, {})
    index.labels["train"] = _labels(index, "train", notify)
    for split in ("test", "validation"):
        if split in splits and len(index.labels) == 1:
            labels = _labels(index, split, notify)
            if labels.min() >= 0:  # -1: the labels of the test split are not published
                index.labels[split] = labels
    return index


def _labels(index: Index, name: str, notify: Notify) -> npt.NDArray[np.int32]:
    split = open_split(index, name)
    labels = np.empty(len(split), np.int32)
    for start in range(0, len(split), _RECORDS_PER_READ):
        rows = range(start, min(start + _RECORDS_PER_READ, len(split)))
        labels[rows.start : rows.stop] = [label for _, label in split.read(rows)]
        notify(Reading(f"reading labels of {split.name}", rows.stop, len(split)))
    return labels


def _load(file: Path, wanted: TfdsName, folder: Path, notify: Notify) -> Index | None:
    content = read_cached(file, notify)
    if content is None:
        return None
    height, width, channels = content["image_shape"]
    image, label = content["keys"]
    labels = {name: np.array(one, np.int32) for name, one in content["labels"].items()}
    names = tuple(content["class_names"])
    return Index(f"tfds:{wanted}", folder, (height, width, channels), (image, label), names, labels)


def _save(file: Path, index: Index) -> None:
    write_cached(
        file,
        {
            "image_shape": index.image_shape,
            "keys": index.keys,
            "class_names": index.class_names,
            "labels": {name: labels.tolist() for name, labels in index.labels.items()},
        },
    )
