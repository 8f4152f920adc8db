"""Bad images in a folder: named in one line, or skipped and listed on every start."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from jcnn.data import DataError, Reading, StreamedImages, load
from tests.data.sources.image_folders import (
    COUNTS,
    Event,
    expected_pictures,
    notes,
    pictures,
    pixels,
    refused,
    write_classes,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_classes(tmp_path / "pictures", COUNTS)


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:45])


def bomb(path: Path) -> None:
    Image.new("L", (200, 100)).save(path)


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "ant/03.png": (lambda path: path.write_bytes(b""), "not an image; expected one of BMP"),
    "bee/00.png": (lambda path: path.write_text("text"), "not an image; expected one of BMP"),
    "cat/zz.jpg": (bomb, "too large an image; expected at most 5000"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("shape", [None, (4, 6, 1)])
def test_a_bad_picture_is_named(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    shape: tuple[int, int, int] | None,
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5000)
    spoil, reason = BAD[name]
    spoil(folder / name)
    assert refused(folder, DataError, image_shape=shape).startswith(f"{name}: {reason}")


def test_a_truncated_picture_is_named(folder: Path) -> None:
    half(folder / "bee/02.png")
    assert refused(folder, DataError).startswith("bee/02.png: damaged image (")
    (folder / "bee/02.png").unlink()
    load(f"folder:{folder}")


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("shape", [None, (4, 6, 1)])
def test_bad_pictures_are_skipped_and_listed_on_every_start(
    folder: Path,
    stream: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    streams: bool,
    shape: tuple[int, int, int] | None,
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5000)
    whole = expected_pictures() - {("ant", pixels(3).tobytes()), ("bee", pixels(10).tobytes())}
    for name, (spoil, _) in BAD.items():
        spoil(folder / name)
    if streams:
        stream()
    for _ in range(2):
        events: list[Event] = []
        parts = load(
            f"folder:{folder}", image_shape=shape, on_bad_image="skip", notify=events.append
        )
        assert isinstance(parts[0].images, StreamedImages) == streams
        assert pictures(*parts) == whole
        skipped = [note for note in notes(events) if "streamed" not in note]
        assert len(skipped) == len(BAD)
        for note, (name, (_, reason)) in zip(skipped, BAD.items(), strict=True):
            assert note.startswith(f"skipped {name}: {reason}")


@pytest.mark.parametrize("shape", [None, (4, 6, 1), (5, 5, 3)])
def test_a_truncated_picture_is_skipped_in_memory_and_in_a_stream_alike(
    folder: Path, stream: Callable[[], None], shape: tuple[int, int, int] | None
) -> None:
    half(folder / "bee/02.png")
    found = []
    for _ in range(3):  # in memory; streamed, decoding all; streamed, with the bad one cached
        events: list[Event] = []
        parts = load(
            f"folder:{folder}", image_shape=shape, on_bad_image="skip", notify=events.append
        )
        assert [len(part) for part in parts] == [13, 4]
        assert notes(events)[0].startswith("skipped bee/02.png: damaged image (")
        decoded = [event.what for event in events if isinstance(event, Reading)].count(
            f"decoding {folder}"
        )
        found.append([(np.asarray(part.images), part.labels) for part in parts])
        assert (decoded > 0) == (len(found) < 3)
        stream()
    for one, other in zip(found[0], found[1], strict=True):
        np.testing.assert_array_equal(one[0], other[0], strict=True)
        np.testing.assert_array_equal(one[1], other[1], strict=True)
    half(folder / "ant/04.png")  # now another one is bad
    train, test = load(f"folder:{folder}", image_shape=shape, on_bad_image="skip")
    assert len(train) + len(test) == 16
    assert len(train.images[:]) == len(train)


def test_a_truncated_picture_stops_a_stream_that_skips_none(
    folder: Path, stream: Callable[[], None]
) -> None:
    half(folder / "bee/02.png")
    stream()
    train, test = load(f"folder:{folder}")
    with pytest.raises(DataError, match=r"bee/02\.png: damaged image \("):
        for part in (train, test):
            part.images[:]


@pytest.mark.parametrize("damage", [b"", b"{}", b"[1]", b"\xff", b"nonsense", b'"crc32"'])
def test_what_is_kept_of_bad_pictures_is_verified(
    folder: Path, stream: Callable[[], None], cache: Path, damage: bytes
) -> None:
    half(folder / "bee/02.png")
    stream()
    load(f"folder:{folder}", on_bad_image="skip")
    (file,) = (cache.parent / "bad_images").iterdir()
    good = file.read_bytes()
    bad_too = good.replace(b'"12": "', b'"13": "')
    assert bad_too != good
    for content in (damage, bad_too):
        file.write_bytes(content)
        events: list[Event] = []
        load(f"folder:{folder}", on_bad_image="skip", notify=events.append)
        assert notes(events)[0] == f"{file}: damaged; it is made again"
        assert notes(events)[1].startswith("skipped bee/02.png: ")
        assert file.read_bytes() == good


@pytest.mark.parametrize("streams", [False, True])
def test_a_class_without_a_good_picture_is_refused(
    folder: Path, stream: Callable[[], None], streams: bool
) -> None:
    if streams:
        stream()
    for path in (folder / "bee").iterdir():
        path.write_bytes(b"")
    message = refused(folder, DataError, "skip")
    assert message == ": no image of class 'bee' can be read"
    for path in folder.rglob("*.png"):
        path.write_bytes(b"")
    assert ": no image " in refused(folder, DataError, "skip")


@pytest.mark.parametrize("streams", [False, True])
def test_too_few_to_split_is_refused(
    folder: Path, stream: Callable[[], None], streams: bool
) -> None:
    if streams:
        stream()
    (folder / "cat/01.png").unlink()
    assert refused(folder, DataError) == (
        ": class 'cat' has 2 images; expected at least 3, so that a fifth of each class is for test"
    )


def test_an_unreadable_file_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Not by permissions, since root may read everything.
    system_open, path_open = os.open, Path.open

    def denied(path: Path | str, *arguments: Any, **options: Any) -> Any:
        if str(path).endswith("bee/01.png"):
            raise PermissionError(13, "Permission denied")
        if isinstance(path, Path):
            return path_open(path, *arguments, **options)
        return system_open(path, *arguments, **options)

    monkeypatch.setattr(os, "open", denied)
    monkeypatch.setattr(Path, "open", denied)
    assert refused(folder, DataError) == "bee/01.png: cannot be read (Permission denied)"
