"""`load`: every source by its name, and error messages for all other arguments."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jcnn.data import SOURCES, DataError, Dataset, Note, Reading, digits, load, sources
from jcnn.data.request import Request
from jcnn.data.sources import Source, absolute, takes_image_shape
from tests.data.sources.idx_bytes import header, idx_bytes, write_dir

TFDS = "fashion_mnist, mnist, kmnist, cifar10, cifar100, tfds:NAME"
ACCEPTED = f"mnist5k, digits, {TFDS}, idx:DIR, npz:FILE, folder:DIR, tar:GLOB, parquet:GLOB"


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


def labelled(*labels: int) -> bytes:
    return idx_bytes(np.array(labels, np.uint8))


@pytest.mark.parametrize(
    ("train", "test", "missing"),
    [
        # As in EMNIST letters, with labels 1 to 26 and therefore 27 classes.
        ((1, 2, 3, 1, 2, 3), (1, 2, 3, 3), "1 of 4 classes ('0', because the labels start at 1)"),
        ((0, 2, 9, 0, 2, 9), (0, 2, 9, 9), "7 of 10 classes ('1', '3', '4', '5', '6', ...)"),
        (
            (0, 1, 0, 1, 0, 1),
            (2, 2, 0, 3),
            "2 of 4 classes ('2', '3'); 2 of them have test images",
        ),
        ((0, 1, 0, 1, 0, 1), (0, 0, 0, 0), None),
    ],
)
def test_classes_without_a_training_picture_are_named(
    tmp_path: Path, train: tuple[int, ...], test: tuple[int, ...], missing: str | None
) -> None:
    write_dir(
        tmp_path, train_labels_idx1_ubyte=labelled(*train), t10k_labels_idx1_ubyte=labelled(*test)
    )
    events: list[Note | Reading] = []
    name = f"idx:{tmp_path}"
    load(name, notify=events.append)
    says = f"{name}: no training image of {missing}; the model has an output for each of them"
    assert events == [Note(says)] * (missing is not None)


def test_one_class_is_refused_from_every_source(tmp_path: Path) -> None:
    write_dir(tmp_path, train_labels_idx1_ubyte=labelled(*[3] * 6))
    np.savez(tmp_path / "a.npz", images=np.zeros((9, 3, 2), np.uint8), labels=np.zeros(9, int))
    for name, only in ((f"idx:{tmp_path}", "3"), (f"npz:{tmp_path}/a.npz", "0")):
        with pytest.raises(DataError) as refused:
            load(name)
        assert str(refused.value) == (
            f"{name}: all training images are of class '{only}'; expected two or more classes"
        )


@pytest.mark.parametrize(
    ("name", "shown"), [("mnist5k", "mnist5k"), ("digits", "digits"), ("idx:d", "idx:DIR")]
)
def test_other_sources_take_no_folder(name: str, shown: str) -> None:
    with pytest.raises(ValueError, match=f"^data_dir: got 'd'; {shown!r} takes none$"):
        load(name, "d")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("minst", "mnist"),
        ("MNIST5K", "mnist5k"),
        ("mnist5k:", "mnist5k"),
        ("idx", "idx:DIR"),
        ("idx:", "idx:DIR"),
        ("IDX:d", "idx:d"),
        ("", None),
        (":", None),
        ("digits:3", None),
        ("a\nb", None),
        ("~no-such-user", None),
        ("x" * 5000, None),
    ],
)
def test_unknown_names_are_refused(name: str, meant: str | None) -> None:
    guess = "" if meant is None else f"; did you mean {meant!r}?"
    message = f"data: got {name!r}; accepted: {ACCEPTED}{guess}"
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
    assert ", ".join(source.name for source in SOURCES if source.takes_data_dir) == TFDS
    for source in SOURCES:
        assert source.description.isprintable()
        assert 20 <= len(source.description) <= 80


def test_sources_of_pictures_take_an_image_shape() -> None:
    names = [source.name for source in SOURCES if source.takes_image_shape]
    assert names == [*TFDS.split(", "), "folder:DIR", "tar:GLOB", "parquet:GLOB"]
    assert takes_image_shape("folder:some/where")
    for name in ("mnist5k", "digits", "idx:d", "npz:f"):
        assert not takes_image_shape(name)
    with pytest.raises(ValueError, match=r"^data: got 'folder'; accepted: mnist5k"):
        takes_image_shape("folder")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("digits", {"image_shape": (8, 8, 1)}, "image_shape: got (8, 8, 1); 'digits' takes none"),
        ("idx:d", {"image_shape": (8, 8, 1)}, "image_shape: got (8, 8, 1); 'idx:DIR' takes none"),
        ("npz:f", {"resize": "crop"}, "resize: got 'crop'; 'npz:FILE' takes stretch only"),
        ("digits", {"on_bad_image": "skip"}, "on_bad_image: got 'skip'; 'digits' takes error only"),
        ("folder:d", {"resize": "cut"}, "resize: got 'cut'; accepted: stretch, crop, pad"),
        ("folder:d", {"on_bad_image": ""}, "on_bad_image: got ''; accepted: error, skip"),
        (
            "folder:d",
            {"image_shape": (8, 8, 2)},
            "image_shape: got (8, 8, 2); expected (H, W, C) with C = 1 or 3",
        ),
        ("folder:d", {"data_dir": "d"}, "data_dir: got 'd'; 'folder:DIR' takes none"),
        ("npz:f", {"data_dir": "d"}, "data_dir: got 'd'; 'npz:FILE' takes none"),
    ],
)
def test_arguments_that_are_wrong_or_not_taken(
    name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        load(name, **options)


def test_a_source_is_given_what_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[Request] = []

    def read(request: Request) -> tuple[Dataset, Dataset]:
        asked.append(request)
        return digits()

    table = (
        Source("none:NAME", "", read, takes_image_shape=True),
        Source("optional:NAME", "", read, takes_data_dir=True),
    )
    monkeypatch.setattr(sources, "SOURCES", table)
    load("none:a:b", image_shape=(2, 3, 1), resize="pad", on_bad_image="skip", notify=print)
    load("optional:a")
    load("optional:a", str(tmp_path))
    assert asked == [
        Request("a:b", None, (2, 3, 1), "pad", "skip", print),
        Request("a"),
        Request("a", tmp_path),
    ]


def test_absolute_names_mean_the_same_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for kind in ("idx", "npz", "folder"):
        assert absolute(f"{kind}:some/../a:b") == f"{kind}:{tmp_path}/a:b"
        assert absolute(f"{kind}:/x") == f"{kind}:/x"
    for name in ("digits", "fashion_mnist", "other:a", "idx"):
        assert absolute(name) == name
