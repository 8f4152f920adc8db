"""The door: every source by its name, and a plain refusal of everything else."""

import re
from pathlib import Path

import numpy as np
import pytest

from jcnn.data import SOURCES, DataError, load
from tests.data_room.idx_bytes import header, idx_bytes, write_dir

ACCEPTED = "mnist5k, digits, fashion_mnist, idx:DIR, npz:FILE, folder:DIR"
CLOTHES = "T-shirt/top Trouser Pullover Dress Coat Sandal Shirt Sneaker Bag Ankle_boot"


@pytest.mark.parametrize(
    ("name", "shape", "counts"),
    [("mnist5k", (28, 28, 1), (4000, 1000)), ("digits", (8, 8, 1), (1438, 359))],
)
def test_sources_without_files(
    name: str, shape: tuple[int, int, int], counts: tuple[int, int]
) -> None:
    train, test = load(name)
    assert train.image_shape == test.image_shape == shape
    assert (len(train), len(test)) == counts


def test_idx_takes_its_folder_from_the_name(tmp_path: Path) -> None:
    folder = tmp_path / "with:colon"
    folder.mkdir()
    train, test = load(f"idx:{write_dir(folder)}")
    assert train.labels.tolist() == [4, 0, 1, 2, 3, 0]
    assert train.class_names == test.class_names == tuple("01234")


@pytest.mark.parametrize("kind", [str, Path])
def test_fashion_mnist_takes_its_folder_from_data_dir(tmp_path: Path, kind: type) -> None:
    train, test = load("fashion_mnist", kind(write_dir(tmp_path)))
    names = tuple(name.replace("_", " ") for name in CLOTHES.split())
    assert train.class_names == test.class_names == names


def test_fashion_mnist_has_no_eleventh_class(tmp_path: Path) -> None:
    write_dir(tmp_path, t10k_labels_idx1_ubyte=idx_bytes(np.array([0, 10, 0, 0], np.uint8)))
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte: label 10 in row 1; expected 0 to"):
        load("fashion_mnist", tmp_path)


def test_fashion_mnist_needs_a_folder() -> None:
    message = (
        "data_dir: 'fashion_mnist' needs one; pass --data-dir DIR, a folder that holds "
        "train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, "
        "t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        load("fashion_mnist")


@pytest.mark.parametrize(
    ("name", "shown"), [("mnist5k", "mnist5k"), ("digits", "digits"), ("idx:d", "idx:DIR")]
)
def test_other_sources_take_no_folder(name: str, shown: str) -> None:
    with pytest.raises(ValueError, match=f"^data_dir: got 'd'; {shown!r} takes none$"):
        load(name, "d")


@pytest.mark.parametrize(
    "name", ["", "mnist", "MNIST5K", "idx", "idx:", "IDX:d", "mnist5k:", "digits:3", ":", "a\nb"]
)
def test_unknown_names_are_refused(name: str) -> None:
    message = f"data: got {name!r}; accepted: {ACCEPTED}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        load(name)


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"/none: no such folder$"):
        load(f"idx:{tmp_path / 'none'}")
    write_dir(tmp_path, train_images_idx3_ubyte=header(6, 3, 2))
    with pytest.raises(DataError, match="/train-images-idx3-ubyte: only 0 bytes of data; its"):
        load(f"idx:{tmp_path}")


def test_the_table_is_fit_to_print() -> None:
    assert ", ".join(source.name for source in SOURCES) == ACCEPTED
    assert [source.name for source in SOURCES if source.needs_data_dir] == ["fashion_mnist"]
    for source in SOURCES:
        assert source.description.isprintable()
        assert 20 <= len(source.description) <= 80
