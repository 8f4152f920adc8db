"""Errors before any download, and data sets that other users have prepared."""

import importlib.util
import json
import logging
import os
import re
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from absl.logging import get_absl_logger

from jcnn.data import DataError, load
from jcnn.data.sources.tfds.prepare import quiet_tfds
from tests.data.sources.tfds_sets import (
    Bytes,
    encoded,
    idx_files,
    own_places,
    pairs,
    pairs_of,
    publish,
    write,
)


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_places(monkeypatch, tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mnst", "data: tensorflow-datasets has no 'mnst'; did you mean mnist, "),
        ("xqzzq", "data: tensorflow-datasets has no 'xqzzq'; see tensorflow.org/datasets/catalog"),
        ("imdb_reviews", "data: imdb_reviews of tensorflow-datasets is no image classification; "),
    ],
)
def test_what_tfds_has_not_is_refused(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}") as refused:
        load(f"tfds:{name}")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        (":9.9.9", "Dataset mnist cannot be loaded at version 9.9.9"),
        ("/big", "BuilderConfig big not found"),
        ("/big:3.0.1", "BuilderConfig big not found"),
    ],
)
def test_a_version_or_configuration_that_is_not_there(
    rest: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(monkeypatch, "mnist", idx_files())
    folder = write(tmp_path / "originals", idx_files())
    with pytest.raises(ValueError, match=f"^data: tfds:mnist{rest}: {message}") as refused:
        load(f"tfds:mnist{rest}", folder)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "home").exists()


@pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is not None, reason="TensorFlow is installed"
)
def test_a_builder_that_needs_tensorflow_says_so() -> None:
    message = r"^cats_vs_dogs: preparing it needs TensorFlow: pip install 'jcnn\[tensorflow\]'; "
    with pytest.raises(DataError, match=message):
        load("tfds:cats_vs_dogs")


def test_a_home_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, "mnist", idx_files())
    folder = write(tmp_path / "originals", idx_files())
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "file"))
    message = r"/file: cannot be written \(File exists\); set TFDS_DATA_DIR to a folder"
    with pytest.raises(DataError, match=message):
        load("mnist", folder)


def test_what_tfds_does_to_the_process_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    level = get_absl_logger().level
    assert level < logging.CRITICAL
    publish(monkeypatch, "mnist", idx_files())
    load("mnist", write(tmp_path / "originals", idx_files()))
    assert get_absl_logger().level == level
    with quiet_tfds() as tfds:
        assert "mnist" in tfds.list_builders(with_community_datasets=False)
        stock = tfds.builder_cls("mnist")
    assert (
        stock.__mro__[1].__name__ == "GeneratorBasedBuilder"
    )  # the patched class was not registered


def creatures(home: Path, splits: dict[str, list[tuple[Any, int]]], **features: Any) -> Path:
    """Let TFDS prepare a user-defined data set that jcnn does not know."""
    with quiet_tfds() as tfds:
        standard = {
            "image": tfds.features.Image(),
            "label": tfds.features.ClassLabel(names=["cat", "dog"]),
        }

        def info(builder: Any) -> Any:
            kinds = tfds.features.FeaturesDict({**standard, **features})
            keys = ("image", "label")
            return tfds.core.DatasetInfo(builder=builder, features=kinds, supervised_keys=keys)

        def examples(_: Any, part: list[tuple[Any, int]]) -> Iterator[tuple[int, Any]]:
            for i, (picture, label) in enumerate(part):
                yield i, {"image": picture, "label": label}

        def split_generators(builder: Any, _: Any) -> Any:
            return {name: examples(builder, part) for name, part in splits.items()}

        body = {
            "VERSION": tfds.core.Version("1.0.0"),
            "_info": info,
            "_split_generators": split_generators,
            "_generate_examples": examples,
        }
        with tfds.core.registered.skip_registration():
            cls: Any = type("Creatures", (tfds.core.GeneratorBasedBuilder,), body)
        builder = cls(data_dir=home, file_format="array_record")
        builder.download_and_prepare()
        return Path(builder.data_path)


def animals(seed: int, count: int) -> Bytes:
    return np.random.default_rng(seed).integers(0, 256, (count, 9, 7, 3), np.uint8)


def test_a_set_of_somebodys_own_is_read(tmp_path: Path) -> None:
    """The split "validation" is the test set if the labels of "test" are unpublished (-1)."""
    train, validation, test = animals(1, 4), animals(2, 3), animals(3, 2)
    creatures(
        tmp_path / "sets",
        {
            "train": [(encoded(one), i % 2) for i, one in enumerate(train)],
            "test": [(encoded(one), -1) for one in test],
            "validation": [(encoded(one), 1) for one in validation],
        },
    )
    first, second = load("tfds:creatures", tmp_path / "sets", image_shape=(9, 7, 3))
    assert first.class_names == ("cat", "dog")
    assert pairs_of(first) == pairs(train, [0, 1, 0, 1])
    assert pairs_of(second) == pairs(validation, [1, 1, 1])


def test_a_set_without_training_part_is_refused(tmp_path: Path) -> None:
    creatures(tmp_path / "home", {"test": [(encoded(one), 0) for one in animals(1, 4)]})
    with pytest.raises(ValueError, match=r"^data: tfds:creatures has no split 'train', only test$"):
        load("tfds:creatures")


def test_pictures_of_16_bits_are_refused(tmp_path: Path) -> None:
    with quiet_tfds() as tfds:
        deep = tfds.features.Image(shape=(9, 7, 3), dtype=np.uint16)
    creatures(tmp_path / "home", {"train": [(encoded(animals(1, 1)[0]), 0)]}, image=deep)
    with pytest.raises(ValueError, match=r"^data: creatures \S+ \S+ is no image classification; "):
        load("tfds:creatures")


def test_a_record_that_is_no_picture_is_named(tmp_path: Path) -> None:
    data = encoded(animals(1, 1)[0])
    creatures(tmp_path / "home", {"train": [(data[:60], 0)] * 6})
    message = r"/creatures/1\.0\.0: record 0 has no image \(.+\)$"
    with pytest.raises(DataError, match=message):
        load("tfds:creatures", image_shape=(9, 7, 3))


def as_tfrecord(prepared: Path, pictures: list[list[bytes]]) -> None:
    """Rewrite the training split as TFRecord files, one shard for each list.

    Written from the definitions of TFRecord and protobuf; the checksums of a record are 0.
    """
    for file in prepared.glob("*.array_record-*"):
        file.unlink()
    place = prepared / "dataset_info.json"
    info = json.loads(place.read_text(encoding="utf-8"))
    info["fileFormat"] = "tfrecord"
    (split,) = info["splits"]
    split["shardLengths"] = [str(len(shard)) for shard in pictures]
    place.write_text(json.dumps(info), encoding="utf-8")
    for number, shard in enumerate(pictures):
        data = b""
        for i, picture in enumerate(shard):
            values = {
                "image": field(1, field(1, picture)),
                "label": field(3, field(1, bytes([i % 2]))),
            }
            entries = [field(1, name.encode()) + field(2, value) for name, value in values.items()]
            record = field(1, b"".join(field(1, entry) for entry in entries))
            data += struct.pack("<QI", len(record), 0) + record + bytes(4)
        name = f"creatures-train.tfrecord-{number:05d}-of-{len(pictures):05d}"
        (prepared / name).write_bytes(data)


def field(number: int, data: bytes) -> bytes:
    """One protobuf field of wire type 2: its key, its length as a varint, its bytes."""
    length, varint = len(data), b""
    while length >= 128:
        varint += bytes([length % 128 + 128])
        length //= 128
    return bytes([number * 8 + 2]) + varint + bytes([length]) + data


@pytest.fixture
def tfrecords(tmp_path: Path) -> Path:
    """Seven animals in three shards, one of them empty."""
    pictures = [encoded(one) for one in animals(5, 7)]
    prepared = creatures(tmp_path / "home", {"train": [(one, 0) for one in pictures]})
    as_tfrecord(prepared, [pictures[:3], [], pictures[3:]])
    return prepared


def test_tfrecords_are_read_without_tensorflow(
    tfrecords: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = load("tfds:creatures", image_shape=(9, 7, 3))
    expected = pairs(animals(5, 7), [0, 1, 0, 0, 1, 0, 1])
    assert sorted(pairs_of(parts[0]) + pairs_of(parts[1])) == expected
    monkeypatch.setenv("JCNN_MEMORY_BYTES", "0")
    streamed = load("tfds:creatures", image_shape=(9, 7, 3))
    assert [pairs_of(part) for part in streamed] == [pairs_of(part) for part in parts]


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_a_cut_tfrecord_is_refused(tfrecords: Path, cut: int) -> None:
    file = tfrecords / "creatures-train.tfrecord-00002-of-00003"
    file.write_bytes(file.read_bytes()[:-cut])
    with pytest.raises(DataError, match=r"-00002-of-00003: ends inside record 3$"):
        load("tfds:creatures", image_shape=(9, 7, 3))


def test_a_tfrecord_with_too_few_records_is_refused(tfrecords: Path) -> None:
    names = [f"creatures-train.tfrecord-0000{i}-of-00003" for i in (0, 2)]
    shutil.copyfile(tfrecords / names[0], tfrecords / names[1])
    with pytest.raises(DataError, match=r"/1\.0\.0: 6 records of train; expected 7$"):
        load("tfds:creatures", image_shape=(9, 7, 3))


def test_a_length_that_lies_is_refused(tfrecords: Path) -> None:
    file = tfrecords / "creatures-train.tfrecord-00000-of-00003"
    for length in (2**64 - 1, 2**63, 10**6):
        file.write_bytes(struct.pack("<Q", length) + file.read_bytes()[8:])
        os.utime(file, (length % 1000, 0))
        with pytest.raises(DataError, match=r"-00000-of-00003: ends inside record 0$"):
            load("tfds:creatures", image_shape=(9, 7, 3))
