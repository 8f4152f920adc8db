"""Reads the records of a prepared data set by number, from any thread, without TensorFlow.

tensorflow-datasets writes array_record files here, and TFRecord files if prepared with TensorFlow.
A record is a `tf.train.Example`, a protobuf message. Its image stays encoded (PNG, JPEG) until it
is used.

Reference for TFRecord: https://www.tensorflow.org/tutorials/load_data/tfrecord.
"""

import importlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from jcnn.data._files import show
from jcnn.data.errors import DataError


class Records(Protocol):
    """N records as bytes, by number."""

    def __len__(self) -> int:
        """The number of records."""

    def __getitems__(self, numbers: Sequence[int]) -> Sequence[bytes]:
        """The records with these numbers, in this order."""


@dataclass(frozen=True)
class Split:
    """The labels and the encoded images of one split.

    Args:
        name: such as "tfds:mnist train", for people.
        folder: of the prepared set, for messages.
        records: of the split.
        image_key: the key of the image in a record.
        label_key: the key of the label.
    """

    name: str
    folder: Path
    records: Records
    image_key: str
    label_key: str

    def __len__(self) -> int:
        return len(self.records)

    def read(self, numbers: Sequence[int]) -> list[tuple[bytes, int]]:
        """The encoded image and the label of each of these records, in this order."""
        example = importlib.import_module("tensorflow_datasets.proto").tf_example_pb2.Example
        try:
            records = self.records.__getitems__(numbers)
        except Exception as error:  # array_record raises RuntimeError on a hash mismatch
            reason = " ".join(str(error).split())[:200]
            raise DataError(f"{show(self.folder)}: damaged records ({show(reason)})") from error
        found = []
        for number, record in zip(numbers, records, strict=True):
            try:
                features = example.FromString(record).features.feature
                (image,) = features[self.image_key].bytes_list.value
                (label,) = features[self.label_key].int64_list.value
            except Exception as error:  # protobuf's own error, or a missing value
                raise DataError(f"{show(self.folder)}: record {number} is damaged") from error
            found.append((image, label))
        return found


def open_records(builder: Any, split: str) -> Records:
    """Open the records of a split.

    Args:
        builder: from `tfds.builder_from_directory`.
        split: such as "train".

    Raises:
        DataError: the files have an unknown format, or are damaged.
    """
    formats = {one.value for one in builder.info.available_file_formats()}
    info = builder.info.splits[split]
    records: Records
    if "array_record" in formats:
        raw = importlib.import_module("tensorflow_datasets").decode.DeserializeMethod.RAW_BYTES
        records = builder.as_data_source(split, deserialize_method=raw)
    elif "tfrecord" in formats:
        records = TfRecords([index_tfrecord(Path(path)) for path in info.filepaths])
    else:
        raise DataError(
            f"{show(builder.data_path)}: prepared as {', '.join(sorted(formats))}; "
            f"expected array_record or tfrecord"
        )
    if len(records) != info.num_examples:
        raise DataError(
            f"{show(builder.data_path)}: {len(records)} records of {split}; "
            f"expected {info.num_examples}"
        )
    return records


@dataclass(frozen=True)
class TfRecordFile:
    """One memory-mapped TFRecord file, and where each record starts and ends."""

    data: npt.NDArray[np.uint8]
    starts: Sequence[int]
    ends: Sequence[int]


class TfRecords:
    """The records of several TFRecord files, concatenated."""

    def __init__(self, files: Sequence[TfRecordFile]) -> None:
        self._files = files
        self._firsts = np.cumsum([0, *(len(file.starts) for file in files)])

    def __len__(self) -> int:
        return int(self._firsts[-1])

    def __getitems__(self, numbers: Sequence[int]) -> list[bytes]:
        """The records with these numbers, in this order."""
        found = []
        for number in numbers:
            which = int(np.searchsorted(self._firsts, number, side="right")) - 1
            file, row = self._files[which], number - int(self._firsts[which])
            found.append(file.data[file.starts[row] : file.ends[row]].tobytes())
        return found


def index_tfrecord(path: Path) -> TfRecordFile:
    """Find the records of a file: 8 bytes of length, 4 of checksum, the record, 4 of checksum.

    Raises:
        DataError: the file ends inside a record.
    """
    if path.stat().st_size == 0:  # an empty file cannot be mapped
        return TfRecordFile(np.empty(0, np.uint8), [], [])
    data = np.memmap(path, np.uint8, "r")
    starts: list[int] = []
    ends: list[int] = []
    offset = 0
    while offset < len(data):
        head = data[offset : offset + 8].tobytes()
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else len(data)
        start = offset + 12
        offset = start + length + 4
        if offset > len(data):
            raise DataError(f"{show(path)}: ends inside record {len(starts)}")
        starts.append(start)
        ends.append(start + length)
    return TfRecordFile(data, starts, ends)
