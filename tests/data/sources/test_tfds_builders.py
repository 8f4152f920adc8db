"""The patched TFDS builders, on small files in the published layout."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from jcnn.data import DataError, load
from jcnn.data.sources.tfds.builders import PATCHED, cifar_records
from jcnn.data.sources.tfds.prepare import quiet_tfds
from tests.data.sources.idx_bytes import idx_bytes
from tests.data.sources.tfds_sets import (
    Bytes,
    digits_of,
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


def tar_gz(members: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as packed:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            packed.addfile(entry, io.BytesIO(data))
    return stream.getvalue()


def zipped(members: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        for name, data in members.items():
            packed.writestr(name, data)
    return stream.getvalue()


def photographs(seed: int, count: int, size: int = 32) -> Bytes:
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), np.uint8)


def cifar_file(pictures: Bytes, *labels: list[int]) -> bytes:
    """The published layout: the labels, then the red, green and blue planes, row by row."""
    data = b""
    for i, picture in enumerate(pictures):
        data += bytes(column[i] for column in labels)
        for channel in range(3):
            data += bytes(picture[y, x, channel] for y in range(32) for x in range(32))
    return data


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "kmnist"])
def test_mnist_and_its_kin(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = idx_files(seed=len(name))
    publish(monkeypatch, name, files)
    train, test = load(name, write(tmp_path / "originals", files))
    train_images, train_labels, test_images, test_labels = digits_of(len(name))
    assert pairs_of(train) == pairs(train_images, train_labels)
    assert pairs_of(test) == pairs(test_images, test_labels)
    first = {"mnist": "0", "fashion_mnist": "T-shirt/top", "kmnist": "o"}
    assert train.class_names[0] == first[name]


def test_cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures, labels = photographs(1, 11), [3, 0, 9, 9, 1, 2, 5, 4, 4, 0, 7]
    folder, names = "cifar-10-batches-bin", "airplane automobile bird cat deer dog frog horse ship"
    members = {
        f"{folder}/data_batch_{i + 1}.bin": cifar_file(
            pictures[2 * i : 2 * i + 2], labels[2 * i : 2 * i + 2]
        )
        for i in range(5)
    }
    members[f"{folder}/test_batch.bin"] = cifar_file(pictures[10:], labels[10:])
    members[f"{folder}/batches.meta.txt"] = "\n".join([*names.split(), "truck", "", ""]).encode()
    files = {"cifar-10-binary.tar.gz": tar_gz(members)}
    publish(monkeypatch, "cifar10", files)
    train, test = load("cifar10", write(tmp_path / "originals", files))
    assert pairs_of(train) == pairs(pictures[:10], labels[:10])
    assert pairs_of(test) == pairs(pictures[10:], labels[10:])
    assert train.image_shape == (32, 32, 3)
    assert train.class_names == (*names.split(), "truck")
    with quiet_tfds() as tfds:  # other users see the ids that TFDS gives to images
        source = tfds.data_source("cifar10", split="train", data_dir=tmp_path / "home")
        ids = {one["id"].decode(): one["image"].tobytes() for one in source}
    assert ids == {f"train_{i:05d}": pictures[i].tobytes() for i in range(10)}


def test_cifar100_is_labelled_by_its_fine_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures, coarse, fine = photographs(2, 5), [19, 3, 0, 7, 1], [99, 12, 0, 45, 46]
    coarse_names, fine_names = [f"c{i}" for i in range(20)], [f"f{i}" for i in range(100)]
    members = {
        "cifar-100-binary/train.bin": cifar_file(pictures[:3], coarse[:3], fine[:3]),
        "cifar-100-binary/test.bin": cifar_file(pictures[3:], coarse[3:], fine[3:]),
        "cifar-100-binary/coarse_label_names.txt": "\n".join(coarse_names).encode(),
        "cifar-100-binary/fine_label_names.txt": "\n".join(fine_names).encode(),
    }
    files = {"cifar-100-binary.tar.gz": tar_gz(members)}
    publish(monkeypatch, "cifar100", files)
    train, test = load("cifar100", write(tmp_path / "originals", files))
    assert pairs_of(train) == pairs(pictures[:3], fine[:3])
    assert pairs_of(test) == pairs(pictures[3:], fine[3:])
    assert train.class_names == tuple(fine_names)


def test_a_cifar_file_is_cut_into_records() -> None:
    pictures = photographs(3, 4)
    labels, images = cifar_records(cifar_file(pictures, [1, 2, 3, 4], [9, 8, 7, 6]), 2)
    np.testing.assert_array_equal(labels, [[1, 9], [2, 8], [3, 7], [4, 6]])
    np.testing.assert_array_equal(images, pictures)
    for size in (0, 1, 3073, 4 * 3074 - 1):
        with pytest.raises(DataError, match=f"^CIFAR file of {size} bytes; expected a multiple"):
            cifar_records(bytes(size), 2)


def test_emnist_has_configurations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("train-images-idx3", "train-labels-idx1", "test-images-idx3", "test-labels-idx1")
    members = {
        f"gzip/emnist-{config}-{name}-ubyte.gz": gzip.compress(idx_bytes(array))
        for seed, config in enumerate(("letters", "balanced"))
        for name, array in zip(names, digits_of(seed), strict=True)
    }
    files = {"gzip.zip": zipped(members)}
    publish(monkeypatch, "emnist", files)
    folder = write(tmp_path / "originals", files)
    for seed, config, classes in ((0, "letters", 37), (1, "balanced", 47)):
        train, test = load(f"tfds:emnist/{config}", folder)
        train_images, train_labels, test_images, test_labels = digits_of(seed)
        assert pairs_of(train) == pairs(train_images, train_labels)
        assert pairs_of(test) == pairs(test_images, test_labels)
        assert len(train.class_names) == classes


def test_a_zip_of_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures, kinds = photographs(4, 3, 300), ("paper", "rock", "scissors")
    train = {f"rps/{kind}/{kind}01-{i}.png": encoded(pictures[i]) for i, kind in enumerate(kinds)}
    files = {
        "rps.zip": zipped({"rps/README.txt": b"?", **train}),
        "rps-test-set.zip": zipped({"rps-test-set/rock/a.png": encoded(pictures[0])}),
    }
    publish(monkeypatch, "rock_paper_scissors", files)
    first, second = load("tfds:rock_paper_scissors", write(tmp_path / "originals", files))
    assert first.class_names == ("rock", "paper", "scissors")
    assert pairs_of(first) == pairs(pictures, [1, 0, 2])
    assert pairs_of(second) == pairs(pictures[:1], [0])


def test_a_tar_of_pictures_of_several_sizes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With macOS metadata files. Without a test split, a fifth of each class is for test."""
    kinds = ("daisy", "roses", "tulips", "dandelion", "sunflowers")
    members = dict.fromkeys(("flower_photos/LICENSE.txt", "flower_photos/roses/._0.jpg"), b"?")
    for number, kind in enumerate(kinds):
        for i in range(5):
            grey = np.full((20 + i, 30 - number, 3), 40 * number + i, np.uint8)
            members[f"flower_photos/{kind}/{i}.jpg"] = encoded(grey, "JPEG")
    files = {"flower_photos.tgz": tar_gz(members)}
    publish(monkeypatch, "tf_flowers", files)
    folder = write(tmp_path / "originals", files)
    with pytest.raises(ValueError, match=r"^image_shape: tfds:tf_flowers has images of \?x\?x3; "):
        load("tfds:tf_flowers", folder)
    train, test = load("tfds:tf_flowers", folder, image_shape=(8, 6, 3))
    assert (len(train), len(test)) == (20, 5)
    assert train.image_shape == (8, 6, 3)
    np.testing.assert_array_equal(np.bincount(test.labels), [1] * 5)
    for part in (train, test):
        for picture, label in zip(part.images[:], part.labels, strict=True):
            number = kinds.index(part.class_names[label])
            assert abs(picture.astype(int) - 40 * number - 2).max() <= 4


def test_every_patched_builder_is_one_of_tfds() -> None:
    with quiet_tfds() as tfds:
        assert set(PATCHED) < set(tfds.list_builders(with_community_datasets=False))
