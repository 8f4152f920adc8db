"""Folders of images: read, split, cached by content, streamed."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jcnn.data import DataError, Dataset, Note, Reading, StreamedImages, load, read_image, sources
from jcnn.data.request import Resize
from tests.data.sources.image_folders import (
    COUNTS,
    Event,
    expected_pictures,
    notes,
    pictures,
    pixels,
    refused,
    write,
    write_classes,
)
from tests.fashion import fashion_mnist_dir


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_classes(tmp_path / "pictures", COUNTS)


def read_events(events: list[Event]) -> list[str]:
    """The tasks of the `Reading` events, in order, without repetition."""
    return list(dict.fromkeys(event.what for event in events if isinstance(event, Reading)))


def assert_same(one: tuple[Dataset, Dataset], other: tuple[Dataset, Dataset]) -> None:
    for left, right in zip(one, other, strict=True):
        np.testing.assert_array_equal(np.asarray(left.images), np.asarray(right.images))
        np.testing.assert_array_equal(left.labels, right.labels)
        assert left.class_names == right.class_names


def test_a_fifth_of_each_class_is_for_test(folder: Path) -> None:
    train, test = load(f"folder:{folder}")
    assert train.class_names == test.class_names == tuple(COUNTS)
    assert train.image_shape == test.image_shape == (4, 6, 1)
    assert np.bincount(train.labels).tolist() == [8, 4, 2]
    assert np.bincount(test.labels).tolist() == [2, 1, 1]
    assert pictures(train, test) == expected_pictures()
    assert_same((train, test), load(f"folder:{folder}"))


def test_train_and_test_keep_the_order_of_their_names(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", {"a": 3, "b": 2})
    write_classes(tmp_path / "test", {"a": 1, "b": 2}, first_seed=50)
    train, test = load(f"folder:{tmp_path}")
    assert train.labels.tolist() == [0, 0, 0, 1, 1]
    assert test.labels.tolist() == [0, 1, 1]
    for part, first in ((train, 0), (test, 50)):
        expected = [pixels(first + number) for number in range(len(part))]
        np.testing.assert_array_equal(np.asarray(part.images)[..., 0], expected)


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("shape", [(5, 3, 1), (2, 9, 3)])
def test_pictures_of_any_size_are_brought_to_one(
    tmp_path: Path, stream: Callable[[], None], resize: Resize, shape: tuple[int, int, int]
) -> None:
    paths = [
        write(tmp_path / name / f"{number}.{kind}", number, 4 + number, 9 - number)
        for name in "ab"
        for number, kind in enumerate(("png", "bmp", "jpg", "gif", "webp"))
    ]
    decoded = load(f"folder:{tmp_path}", image_shape=shape, resize=resize)
    expected = {(path.parent.name, read_image(path, shape, resize).tobytes()) for path in paths}
    assert len(expected) == 10
    assert pictures(*decoded) == expected
    stream()
    streamed = load(f"folder:{tmp_path}", image_shape=shape, resize=resize)
    assert isinstance(streamed[0].images, StreamedImages)
    assert_same(streamed, decoded)


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("divided", [False, True])
def test_images_have_their_file_names(
    tmp_path: Path, stream: Callable[[], None], divided: bool, streams: bool
) -> None:
    for name, seed in (("train", 0), ("val", 50), ("test", 40)) if divided else ((".", 0),):
        write_classes(tmp_path / name, COUNTS, seed)
    if streams:
        stream()
    for _ in range(2):  # made, then cached
        train, test = load(f"folder:{tmp_path}")
        validation = train.validation
        for part in (train, test, *([] if validation is None else [validation])):
            assert part.names is not None
            for name, image in zip(part.names, np.asarray(part.images), strict=True):
                np.testing.assert_array_equal(image, read_image(tmp_path / name, (4, 6, 1)))
                assert not Path(name).is_absolute()


@pytest.mark.parametrize("tested", [False, True])
@pytest.mark.parametrize("streams", [False, True])
def test_a_folder_val_is_the_validation_set(
    tmp_path: Path, stream: Callable[[], None], tested: bool, streams: bool
) -> None:
    write_classes(tmp_path / "Train", COUNTS)
    write_classes(tmp_path / "valid", {"ant": 2, "bee": 1, "cat": 1}, first_seed=50)
    if tested:
        write_classes(tmp_path / "test", {"ant": 1, "bee": 1, "cat": 1}, first_seed=80)
    if streams:
        stream()
    for _ in range(2):  # made, then cached
        train, test = load(f"folder:{tmp_path}")
        validation = train.validation
        assert validation is not None
        assert isinstance(validation.images, StreamedImages) == streams
        assert validation.labels.tolist() == [0, 0, 1, 2]
        expected = [pixels(50 + number) for number in range(4)]
        np.testing.assert_array_equal(np.asarray(validation.images)[..., 0], expected)
        assert pictures(train, *[test] * (not tested)) == expected_pictures()
        assert len(test) == (3 if tested else 4)
        assert train.stratify


@pytest.mark.parametrize("divided", [False, True])
def test_streamed_is_the_same_as_decoded(
    tmp_path: Path, stream: Callable[[], None], divided: bool
) -> None:
    for name, seed in (("train", 0), ("test", 40)) if divided else ((".", 0),):
        write_classes(tmp_path / name, COUNTS, seed)
    decoded = load(f"folder:{tmp_path}")
    stream()
    events: list[Event] = []
    streamed = load(f"folder:{tmp_path}", notify=events.append)
    for part in streamed:
        assert isinstance(part.images, StreamedImages)
    assert_same(streamed, decoded)
    (note,) = notes(events)
    assert note.startswith(f"{36 if divided else 18} images of 4 x 6 x 1 take ")
    assert note.endswith("GiB of memory for them: streamed from disk")


def test_streaming_opens_no_picture_beforehand(folder: Path, stream: Callable[[], None]) -> None:
    stream()
    for path in folder.rglob("*.png"):
        path.write_bytes(b"")
    train, _ = load(f"folder:{folder}", image_shape=(4, 6, 1))
    with pytest.raises(DataError, match=r"\.png: not an image; expected one of"):
        train.images[np.arange(3)]


def test_what_fits_exactly_is_decoded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 18 * 4 * 6
    for shape in (None, (4, 6, 1)):  # with None, colour is assumed at first
        monkeypatch.setenv("JCNN_MEMORY_BYTES", str(size))
        assert isinstance(load(f"folder:{folder}", image_shape=shape)[0].images, np.memmap)
        monkeypatch.setenv("JCNN_MEMORY_BYTES", str(size - 1))
        assert isinstance(load(f"folder:{folder}", image_shape=shape)[0].images, StreamedImages)


def test_grey_unless_one_picture_has_colour(folder: Path) -> None:
    assert load(f"folder:{folder}")[0].image_shape == (4, 6, 1)
    red = Image.new("RGB", (6, 4), "red")
    red.save(folder / "cat/red.png")
    train, test = load(f"folder:{folder}")
    assert train.image_shape == test.image_shape == (4, 6, 3)
    assert ("cat", np.asarray(red).tobytes()) in pictures(train, test)


@pytest.mark.parametrize("budget", [None, "100"])
def test_several_sizes_need_a_shape(
    folder: Path, monkeypatch: pytest.MonkeyPatch, budget: str | None
) -> None:
    if budget:
        monkeypatch.setenv("JCNN_MEMORY_BYTES", budget)
    write(folder / "bee/zz.png", 1, 6, 4)
    assert refused(folder) == (
        f"image_shape: got None for images of several sizes ({folder}/ant/00.png is 4 x 6, "
        f"{folder}/bee/zz.png is 6 x 4); pass --image-size"
    )
    assert len(load(f"folder:{folder}", image_shape=(4, 4, 1))[0]) == 15


def test_the_second_start_decodes_nothing(folder: Path, cache: Path) -> None:
    events: list[Event] = []
    first = load(f"folder:{folder}", notify=events.append)
    steps = ["checking", "looking at", "decoding"]
    assert read_events(events) == [f"{step} {folder}" for step in steps]
    ends = [event for event in events if isinstance(event, Reading) and event.done == event.total]
    assert [event.total for event in ends] == [18] * 4  # the states are checked, then the contents
    again: list[Event] = []
    assert_same(load(f"folder:{folder}", notify=again.append), first)
    assert read_events(again) == [f"checking {folder}"]
    assert isinstance(first[0].images, np.memmap)
    assert len(list(cache.iterdir())) == 1


def test_a_later_start_opens_no_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, stream: Callable[[], None]
) -> None:
    monkeypatch.setattr(sources.folder, "_SETTLED", -60.0)  # these files have changed just now
    first = load(f"folder:{folder}")
    with monkeypatch.context() as patch:
        patch.setenv("JCNN_MEMORY_BYTES", "100")
        load(f"folder:{folder}")  # looks at all sizes
    opened: list[str] = []

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        if watching and event == "open" and str(arguments[0]).endswith(".png"):
            opened.append(str(arguments[0]))

    watching = True
    sys.addaudithook(audit)
    decoded = load(f"folder:{folder}")
    stream()
    streamed = load(f"folder:{folder}")
    assert {*opened} == {str(folder / "ant/00.png")}  # its size tells whether all might fit
    watching = False
    assert_same(first, decoded)
    assert_same(first, streamed)


def test_a_moved_folder_is_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(f"folder:{folder}")
    folder.rename(folder.parent / "elsewhere")
    monkeypatch.chdir(folder.parent / "elsewhere")
    for name in (".", "../elsewhere", str(folder.parent / "elsewhere") + "/"):
        events: list[Event] = []
        assert_same(load(f"folder:{name}", notify=events.append), first)
        assert len(read_events(events)) == 1


def flip(folder: Path) -> None:
    path = folder / "bee/01.png"
    Image.fromarray(255 - pixels(11)).save(path)
    os.utime(path, (0, 0))


def swap(folder: Path) -> None:
    one, other = folder / "ant/00.png", folder / "cat/00.png"
    one.rename(folder / "x")
    other.rename(one)
    (folder / "x").rename(other)


@pytest.mark.parametrize(
    "change",
    [
        flip,
        swap,
        lambda folder: write(folder / "bee/99.png", 99),
        lambda folder: (folder / "ant/05.png").unlink(),
        lambda folder: (folder / "ant/05.png").rename(folder / "ant/zz.png"),
        lambda folder: (folder / "ant/05.png").rename(folder / "bee/05.png"),
        lambda folder: (folder / "ant/09.png").rename(
            folder / "bee/0.png"
        ),  # the last file of a class, now the first of another
        lambda folder: (folder / "ant").rename(folder / "emu"),
        lambda folder: shutil.copytree(folder / "ant", folder / "fly"),
    ],
)
def test_a_changed_folder_is_noticed(
    folder: Path, stream: Callable[[], None], change: Callable[[Path], object]
) -> None:
    load(f"folder:{folder}")
    change(folder)
    events: list[Event] = []
    decoded = load(f"folder:{folder}", notify=events.append)
    assert f"decoding {folder}" in read_events(events)
    paths = sorted(folder.rglob("*.png"))
    assert pictures(*decoded) == {
        (path.parent.name, np.asarray(Image.open(path)).tobytes()) for path in paths
    }
    stream()
    assert_same(load(f"folder:{folder}"), decoded)


def test_each_choice_is_kept_apart(folder: Path, cache: Path) -> None:
    name = f"folder:{folder}"
    shape = (5, 5, 1)
    loads: list[Callable[[], tuple[Dataset, Dataset]]] = [
        lambda: load(name),
        lambda: load(name, image_shape=shape),
        lambda: load(name, image_shape=shape, resize="crop"),
        lambda: load(name, image_shape=shape, resize="pad"),
        lambda: load(name, image_shape=(5, 5, 3)),
        lambda: load(name, on_bad_image="skip"),
    ]
    first = [one() for one in loads]
    assert len(list(cache.iterdir())) == len(loads)
    for one, before in zip(loads, first, strict=True):
        assert_same(one(), before)


def test_a_fashionable_folder_is_fashion_mnist(tmp_path: Path) -> None:
    train, test = load(f"idx:{fashion_mnist_dir()}")
    for name, part in (("train", train), ("test", test)):
        for number in range(100):
            image = np.asarray(part.images)[number, ..., 0]
            path = tmp_path / name / f"class {part.labels[number]}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    events: list[Event] = []
    read = load(f"folder:{tmp_path}", notify=events.append)
    assert not [event for event in events if isinstance(event, Note)]
    for part, original in zip(read, (train, test), strict=True):
        expected = {
            (f"class {label}", image.tobytes())
            for label, image in zip(
                original.labels[:100], np.asarray(original.images)[:100], strict=True
            )
        }
        assert pictures(part) == expected
