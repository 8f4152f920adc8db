"""The door: every source by its name, and a plain refusal of everything else."""

import re
from pathlib import Path

import pytest

from jcnn.data import SOURCES, DataError, load
from tests.data_room.idx_bytes import header, write_dir

TFDS = "fashion_mnist, mnist, kmnist, cifar10, cifar100, tfds:NAME"
ACCEPTED = f"mnist5k, digits, {TFDS}, idx:DIR, npz:FILE, folder:DIR"


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


@pytest.mark.parametrize(
    ("name", "shown"), [("mnist5k", "mnist5k"), ("digits", "digits"), ("idx:d", "idx:DIR")]
)
def test_other_sources_take_no_folder(name: str, shown: str) -> None:
    with pytest.raises(ValueError, match=f"^data_dir: got 'd'; {shown!r} takes none$"):
        load(name, "d")


@pytest.mark.parametrize(
    "name", ["", "minst", "MNIST5K", "idx", "idx:", "IDX:d", "mnist5k:", "digits:3", ":", "a\nb"]
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
    assert ", ".join(source.name for source in SOURCES if source.data_dir == "optional") == TFDS
    for source in SOURCES:
        assert source.description.isprintable()
        assert 20 <= len(source.description) <= 80
