"""NumPy archives: read as NumPy writes them; an invalid array raises one line that names it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jcnn.data import load
from tests.data.sources.npz_bytes import RANDOM, divided, refused, whole, write


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("labels", ["u1", "i8", ">i4", ">u2"])
def test_reads_what_numpy_writes(tmp_path: Path, save: Any, labels: str) -> None:
    arrays = divided()
    arrays["y_test"] = arrays["y_test"].astype(labels)
    save(tmp_path / "a.npz", **arrays)
    train, test = load(f"npz:{tmp_path}/a.npz")
    np.testing.assert_array_equal(np.asarray(train.images), arrays["x_train"][..., None])
    np.testing.assert_array_equal(np.asarray(test.images), arrays["x_test"][..., None])
    np.testing.assert_array_equal(train.labels, np.array([4, 0, 1, 2, 3, 0], np.int32), strict=True)
    np.testing.assert_array_equal(test.labels, np.array([1, 1, 3, 0], np.int32), strict=True)
    assert train.class_names == test.class_names == tuple("01234")


def test_colour_columns_of_labels_and_any_order_of_memory(tmp_path: Path) -> None:
    # As in CIFAR's archives; and in column-major order, as in Fortran and MATLAB.
    arrays = divided()
    pixels = RANDOM.integers(0, 256, (6, 3, 2, 3), np.uint8)
    arrays["x_train"] = np.asfortranarray(pixels)
    arrays["x_test"] = pixels[:4]
    arrays["y_train"] = arrays["y_train"][:, None]
    assert not arrays["x_train"].flags.c_contiguous
    train, test = load(f"npz:{write(tmp_path / 'a.npz', arrays)}")
    assert train.image_shape == (3, 2, 3)
    np.testing.assert_array_equal(np.asarray(train.images), pixels)
    np.testing.assert_array_equal(np.asarray(test.images), pixels[:4])
    assert train.labels.tolist() == [4, 0, 1, 2, 3, 0]


def test_an_undivided_archive_is_split(tmp_path: Path) -> None:
    arrays = whole()
    path = write(tmp_path / "a.npz", arrays)
    train, test = load(f"npz:{path}")
    assert np.bincount(train.labels).tolist() == [8, 8]
    assert np.bincount(test.labels).tolist() == [2, 2]
    expected = {(x.tobytes(), int(y)) for x, y in zip(*arrays.values(), strict=True)}
    found = {
        (x.tobytes(), int(y))
        for part in (train, test)
        for x, y in zip(np.asarray(part.images), part.labels, strict=True)
    }
    assert found == expected
    again = load(f"npz:{path}")
    np.testing.assert_array_equal(np.asarray(again[1].images), np.asarray(test.images))


def test_class_names_are_kept(tmp_path: Path) -> None:
    names = np.array(["zero", "Straße", "猫", "three", "four", "unused"])
    train, test = load(f"npz:{write(tmp_path / 'a.npz', divided() | {'class_names': names})}")
    assert train.class_names == test.class_names == tuple(names.tolist())
    assert all(type(name) is str for name in train.class_names)


def test_class_names_are_composed_and_then_differ(tmp_path: Path) -> None:
    names = ["cafe\u0301", "caf\u00e8", "b", "c", "d"]
    path = write(tmp_path / "a.npz", divided() | {"class_names": np.array(names)})
    assert load(f"npz:{path}")[0].class_names == ("caf\u00e9", *names[1:])
    twice = np.array(["caf\u00e9", *names[:-1]])
    assert "more than once" in refused(write(path, divided() | {"class_names": twice}))


def test_other_members_are_left_unread(tmp_path: Path) -> None:
    path = write(tmp_path / "a.npz", divided(), note=b"no array", images=b"x")
    assert len(load(f"npz:{path}")[0]) == 6


TAKEN = "expected x_train, y_train, x_test, y_test, or images, labels"


@pytest.mark.parametrize(
    ("without", "reason"),
    [
        (["x_test", "y_test"], f"no x_test, y_test in this archive; {TAKEN}"),
        (["y_train"], f"no y_train in this archive; {TAKEN}"),
        (list(divided()), f"no images, labels in this archive; {TAKEN}"),
    ],
)
def test_missing_members_are_named(tmp_path: Path, without: list[str], reason: str) -> None:
    arrays = {name: array for name, array in divided().items() if name not in without}
    assert refused(write(tmp_path / "a.npz", arrays)) == reason


@pytest.mark.parametrize(
    ("name", "array", "reason"),
    [
        ("x_train", np.zeros((6, 3, 2), np.float32), "got dtype float32; expected uint8, 0 to 255"),
        ("x_train", np.zeros((6, 3, 2), np.int64), "got dtype int64; expected uint8, 0 to 255"),
        ("x_train", np.zeros((6, 3, 2), bool), "got dtype bool; expected uint8, 0 to 255"),
        ("x_train", np.zeros((6, 6), np.uint8), "got shape (6, 6); expected (N, H, W), or (N, H"),
        ("x_train", np.zeros((6, 3, 9, 9), np.uint8), "got shape (6, 3, 9, 9); expected (N, H, W)"),
        ("x_train", np.zeros((5, 3, 2), np.uint8), "5 images; expected 6, as labels"),
        ("x_train", np.zeros((0, 3, 2), np.uint8), "empty (its header says 0 x 3 x 2 of uint8)"),
        ("x_test", np.zeros((4, 2, 3), np.uint8), "images of (2, 3, 1); expected (3, 2, 1) as"),
        ("y_test", np.zeros(5, np.uint8), "x_test: 4 images; expected 5, as labels"),
        ("y_test", np.zeros(4), "got shape (4,) of float64; expected (N,) or (N, 1) of integers"),
        ("y_test", np.zeros((4, 5), np.uint8), "got shape (4, 5) of uint8; expected (N,) or (N"),
        ("y_test", np.uint8(3), "got shape () of uint8; expected (N,) or (N, 1) of integers"),
        ("y_test", np.array([0, 1, -2, 0]), "label -2 in row 2; expected 0 to 65535"),
        ("y_test", np.array([0, 2**63, 0, 0], np.uint64), "label 9223372036854775808 in row 1;"),
        ("y_test", np.array([0, 0, 0, 10**6]), "label 1000000 in row 3; expected 0 to 65535"),
        ("y_train", np.array([{}] * 6), "Python objects (pickled), which are never read; expected"),
        ("y_train", np.array(["a"] * 6), "got shape (6,) of <U1; expected (N,) or (N, 1) of int"),
        ("class_names", np.array([b"a"] * 9), "got shape (9,) of |S1; expected (K,) of text"),
        ("class_names", np.array(["a"] * 5, object), "Python objects (pickled), which are never"),
        ("class_names", np.array([["a"]]), "got shape (1, 1) of <U1; expected (K,) of text"),
        ("class_names", np.array(list("abcd")), "y_train: label 4 in row 0; expected 0 to 3"),
        ("class_names", np.array(list("abcda")), "got 'a' more than once; expected unique names"),
        ("class_names", np.array(["a", "b\nc"] * 3), r"got 'b\nc'; expected text without control"),
        ("class_names", np.array(["a"] * 70_000), "got shape (70000,) of <U1; expected (K,) of"),
        ("class_names", np.array(["a", "\ud800"]), r"got '\ud800'; expected text without control"),
        ("class_names", np.frombuffer(b"\xff" * 4, "<U1"), "character 0xffffffff; expected"),
    ],
)
def test_a_wrong_array_is_named(tmp_path: Path, name: str, array: Any, reason: str) -> None:
    message = refused(write(tmp_path / "a.npz", divided() | {name: np.asarray(array)}))
    own_name = reason.startswith(("x_test", "y_train"))
    assert message.startswith(reason if own_name else f"{name}: {reason}")
