"""Data sets of tensorflow-datasets: preparation, reading, caching and damage."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from jcnn.data import DataError, Dataset, load
from jcnn.data.events import Note, Reading
from jcnn.data.image_files import fit_image
from jcnn.data.request import Resize
from jcnn.data.sources.tfds.prepare import quiet_tfds
from jcnn.data.streamed import StreamedImages
from tests.data.sources.idx_bytes import header
from tests.data.sources.tfds_sets import (
    digits_of,
    idx_files,
    own_places,
    pairs,
    pairs_of,
    publish,
    write,
)
from tests.fashion import fashion_mnist_dir


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_places(monkeypatch, tmp_path)


@pytest.fixture
def originals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a small MNIST that TFDS accepts as the published one."""
    publish(monkeypatch, "mnist", idx_files())
    return write(tmp_path / "originals", idx_files())


def test_original_files_give_their_pictures_and_labels(originals: Path) -> None:
    train, test = load("mnist", originals)
    train_images, train_labels, test_images, test_labels = digits_of(0)
    assert pairs_of(train) == pairs(train_images, train_labels)
    assert pairs_of(test) == pairs(test_images, test_labels)
    assert train.image_shape == test.image_shape == (28, 28, 1)
    assert train.class_names == test.class_names == tuple("0123456789")


def test_other_users_of_tfds_find_what_was_prepared(originals: Path, tmp_path: Path) -> None:
    """TFDS reads the same order, without its table of checksums."""
    train, _ = load("mnist", originals)
    with quiet_tfds() as tfds:
        source = tfds.data_source(
            "mnist", split="train", data_dir=tmp_path / "home", download=False
        )
        examples = [source[i] for i in range(len(source))]
    np.testing.assert_array_equal(np.stack([one["image"] for one in examples]), train.images)
    np.testing.assert_array_equal([one["label"] for one in examples], train.labels)


def but_on_classes(events: Sequence[Any]) -> list[Any]:
    """The events without the note that some of the ten classes have no images."""
    return [e for e in events if not (isinstance(e, Note) and "no training image" in e.text)]


def test_the_order_is_always_the_same(
    originals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = load("mnist", originals)
    own_places(monkeypatch, tmp_path / "elsewhere")
    second, _ = load("mnist", originals)
    np.testing.assert_array_equal(first.images, second.images)
    np.testing.assert_array_equal(first.labels, second.labels)


@pytest.mark.parametrize("name", ["mnist", "tfds:mnist", "tfds:mnist:3.0.1", "tfds:mnist:3.*.*"])
def test_what_is_prepared_needs_no_original(
    originals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """In TFDS's own folder, or in `data_dir`."""
    expected, _ = load("mnist", originals)
    assert pairs_of(load(name)[0]) == pairs_of(expected)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "empty"))
    assert pairs_of(load(name, tmp_path / "home")[0]) == pairs_of(expected)
    assert not (tmp_path / "empty").exists()


def test_the_second_start_does_not_import_tfds(originals: Path) -> None:
    load("mnist", originals)
    code = (
        "import sys\n"
        "from jcnn.data import load\n"
        "train, test = load('mnist')\n"
        "print(len(train), len(test), type(train.images.base).__name__)\n"
        "sys.exit(sorted({'tensorflow_datasets', 'requests'} & set(sys.modules)) or 0)"
    )
    words = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(words, capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "7 5 memmap\n", "")


def test_a_set_that_was_prepared_anew_is_read_anew(originals: Path, tmp_path: Path) -> None:
    load("mnist", originals)
    made: list[Any] = []
    load("mnist", notify=made.append)
    assert but_on_classes(made) == []
    for file in (tmp_path / "home" / "mnist" / "3.0.1").iterdir():
        os.utime(file, (0, 0))
    load("mnist", notify=made.append)
    assert {event.what.split()[0] for event in but_on_classes(made)} == {"reading", "decoding"}


def test_reading_tells_how_far_it_is(originals: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """TFDS and its dependencies write no other output."""
    events: list[Reading | Note] = []
    load("mnist", originals, notify=events.append)
    ends = [event for event in events if isinstance(event, Reading) and event.done == event.total]
    assert [(event.what, event.total) for event in ends] == [
        ("preparing mnist train", 7),
        ("preparing mnist test", 5),
        ("reading labels of tfds:mnist train", 7),
        ("reading labels of tfds:mnist test", 5),
        ("decoding tfds:mnist train", 7),
        ("decoding tfds:mnist test", 5),
    ]
    (note,) = [event.text for event in but_on_classes(events) if isinstance(event, Note)]
    assert note.startswith("preparing mnist in ")
    assert capfd.readouterr() == ("", "")


def test_what_the_listener_prints_is_seen(
    originals: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load("mnist", originals, notify=print)
    assert "preparing mnist train" in capsys.readouterr().out


def test_pictures_are_brought_to_the_shape_asked_for(originals: Path) -> None:
    plain, _ = load("mnist", originals)
    choices: tuple[Resize, ...] = ("stretch", "crop", "pad")
    for shape in ((9, 14, 3), (14, 9, 1)):
        for resize in choices:
            train, test = load("mnist", image_shape=shape, resize=resize)
            assert test.images.shape == (5, *shape)
            for own, brought in zip(plain.images[:], train.images[:], strict=True):
                expected = fit_image(Image.fromarray(own[..., 0]), shape, resize)
                np.testing.assert_array_equal(brought, expected)


def test_what_exceeds_the_memory_is_streamed(
    originals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _ = load("mnist", originals)
    monkeypatch.setenv("JCNN_MEMORY_BYTES", str(12 * 28 * 28 - 1))
    notes: list[Any] = []
    train, test = load("mnist", notify=notes.append)
    notes = but_on_classes(notes)
    assert [type(event) for event in notes] == [Note]
    assert notes[0].text.startswith("12 images of 28 x 28 x 1 take ")
    assert isinstance(train.images, StreamedImages)
    assert isinstance(test.images, StreamedImages)
    np.testing.assert_array_equal(train.images[:], whole.images)
    rows = np.tile(np.array([6, 0, 3, 2]), 500)  # enough for several threads
    np.testing.assert_array_equal(train.images[rows], whole.images[rows])
    monkeypatch.setenv("JCNN_MEMORY_BYTES", str(12 * 28 * 28))
    assert not isinstance(load("mnist")[0].images, StreamedImages)


def test_bad_pictures_cannot_be_skipped() -> None:
    with pytest.raises(
        ValueError, match=r"^on_bad_image: got 'skip'; tfds:mnist takes error only$"
    ):
        load("mnist", on_bad_image="skip")


def _truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:70_000])


def _flip(file: Path) -> None:
    """Flip one bit of the first record's chunk, which follows a block header."""
    data = bytearray(file.read_bytes())
    data[200] ^= 1
    file.write_bytes(data)


@pytest.mark.parametrize("damage", [_truncate, _flip, Path.unlink])
def test_damaged_records_are_refused(originals: Path, tmp_path: Path, damage: Any) -> None:
    load("mnist", originals)
    (file,) = (tmp_path / "home" / "mnist" / "3.0.1").glob("*train.array_record*")
    damage(file)
    with pytest.raises(DataError, match=r"^\S+/home/mnist/3\.0\.1: damaged records \(.+\)$"):
        load("mnist")


@pytest.mark.parametrize("name", ["dataset_info.json", "features.json"])
def test_a_damaged_description_is_refused(originals: Path, tmp_path: Path, name: str) -> None:
    load("mnist", originals)
    (tmp_path / "home" / "mnist" / "3.0.1" / name).write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match=r"/mnist/3\.0\.1: not as tensorflow-datasets prepares it$"):
        load("mnist")


def test_a_damaged_index_is_made_again(originals: Path, tmp_path: Path) -> None:
    expected, _ = load("mnist", originals)
    (index,) = (tmp_path / "cache" / "jcnn" / "tfds").iterdir()
    whole = index.read_bytes()
    flipped = whole.replace(b'"train": [', b'"train": [1')  # a different first label
    assert flipped != whole
    for content in (b"", b"[]", b"{}", whole[:50], flipped):
        index.write_bytes(content)
        events: list[Any] = []
        found, _ = load("mnist", notify=events.append)
        np.testing.assert_array_equal(found.labels, expected.labels)
        assert but_on_classes(events)[0] == Note(f"{index}: damaged; it is made again")
        assert index.read_bytes() == whole


def test_a_damaged_original_of_the_right_checksum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files are checked like any IDX file."""
    files = idx_files() | {"train-images-idx3-ubyte.gz": header(7, 28, 28)}
    publish(monkeypatch, "mnist", files)
    with pytest.raises(DataError, match=r"/train-images-idx3-ubyte\.gz: "):
        load("mnist", write(tmp_path / "originals", files))
    assert not list((tmp_path / "home").glob("mnist/*"))


def test_two_preparations_at_once_both_end_well(originals: Path) -> None:
    """The second starts during the first and ends before it."""
    inner: list[Dataset] = []

    def load_again(event: Reading | Note) -> None:
        if not inner and event == Reading("preparing mnist test", 5, 5):
            inner.extend(load("mnist", originals))

    outer = load("mnist", originals, notify=load_again)
    assert [pairs_of(part) for part in inner] == [pairs_of(part) for part in outer]


@pytest.mark.slow
def test_genuine_files_give_the_same_pictures_as_idx() -> None:
    folder = fashion_mnist_dir()
    parts = load("fashion_mnist", folder)
    for prepared, plain in zip(parts, load(f"idx:{folder}"), strict=True):
        assert pairs_of(prepared) == pairs_of(plain)
    assert parts[0].class_names[:3] == ("T-shirt/top", "Trouser", "Pullover")
