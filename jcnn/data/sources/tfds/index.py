"""What must be known of a prepared set before its images are read; found once, then kept.

CACHE/tfds/NAME-HASH.json    class names, sizes, the keys of a record, every label

With it, a later start imports tensorflow-datasets only if it has to read images.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from jcnn.data._files import show
from jcnn.data.dataset import DataError
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
    """A prepared set without its images.

    Args:
        name: such as "tfds:mnist", for messages.
        folder: of the version.
        image_shape: `(H, W, C)`; None where the images differ.
        keys: of image and label in a record.
        class_names: K names.
        labels: of the split for training, then of the one for test if there is one: `(N,)` int32.
    """

    name: str
    folder: Path
    image_shape: tuple[int | None, int | None, int | None]
    keys: tuple[str, str]
    class_names: tuple[str, ...]
    labels: dict[str, npt.NDArray[np.int32]]


def read_index(wanted: TfdsName, folder: Path, notify: Notify) -> Index:
    """The index of a prepared set: the kept one, or made by reading every label.

    Raises:
        ValueError: the set is no image classification, or has no split "train".
        DataError: its files are damaged.
    """
    digest = hashlib.sha256(f"{_FORMAT} {fingerprint(folder)}".encode()).hexdigest()[:24]
    place = cache_folder() / "tfds" / f"{wanted.name}-{digest}.json"
    kept = _load(place, wanted, folder, notify)
    if kept is not None:
        return kept
    index = _make(wanted, folder, notify)
    _save(place, index)
    return index


def open_split(index: Index, split: str) -> Split:
    """Open the records of one of `index.labels`."""
    with quiet_tfds() as tfds:
        builder = tfds.builder_from_directory(index.folder)
        records = open_records(builder, split)
    return Split(f"{index.name} {split}", index.folder, records, *index.keys)


def _make(wanted: TfdsName, folder: Path, notify: Notify) -> Index:
    with quiet_tfds() as tfds:
        try:
            builder = tfds.builder_from_directory(folder)
            info = builder.info
        except Exception as error:  # whatever its parsers raise on a damaged file
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
            if labels.min() >= 0:  # -1: the authors keep the labels of their test to themselves
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


def _load(place: Path, wanted: TfdsName, folder: Path, notify: Notify) -> Index | None:
    kept = read_cached(place, notify)
    if kept is None:
        return None
    height, width, channels = kept["image_shape"]
    picture, label = kept["keys"]
    labels = {name: np.array(one, np.int32) for name, one in kept["labels"].items()}
    names = tuple(kept["class_names"])
    return Index(
        f"tfds:{wanted}", folder, (height, width, channels), (picture, label), names, labels
    )


def _save(place: Path, index: Index) -> None:
    write_cached(
        place,
        {
            "image_shape": index.image_shape,
            "keys": index.keys,
            "class_names": index.class_names,
            "labels": {name: labels.tolist() for name, labels in index.labels.items()},
        },
    )
