"""The data set cache: hits are mapped into memory; a damaged cache never gives wrong data."""

import errno
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jcnn.data import Dataset, Note, Reading, StreamedImages
from jcnn.data.cache import Splits, cached
from jcnn.system.caches import cache_folder

RANDOM = np.random.default_rng(1)
NAMES = ("cat", "Straße")
Event = Reading | Note


def dataset(count: int, seed: int = 0) -> Dataset:
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (count, 3, 5, 1), np.uint8)
    return Dataset(images, (np.arange(count) % 2).astype(np.int32), NAMES)


class Maker:
    """Makes the same splits each time, and counts the calls."""

    def __init__(self, parts: Splits | None = None) -> None:
        self.made = 0
        self.parts = parts or Splits(dataset(5, 1), dataset(3, 2))

    def __call__(self) -> Splits:
        """Make the splits."""
        self.made += 1
        return self.parts


def assert_equal(found: tuple[Dataset, Dataset], expected: Splits) -> None:
    for one, other in zip(found, expected[:2], strict=True):
        np.testing.assert_array_equal(np.asarray(one.images), np.asarray(other.images), strict=True)
        np.testing.assert_array_equal(one.labels, other.labels, strict=True)
        assert one.class_names == other.class_names
        assert one.names == other.names


def only_entry(cache: Path) -> Path:
    (entry,) = cache.iterdir()
    return entry


def refuse(_event: Event) -> None:
    raise AssertionError(_event)


def test_the_second_time_is_mapped(cache: Path) -> None:
    make = Maker()
    for _ in range(2):
        train, test = cached("digits", "key", make, refuse)
        assert_equal((train, test), make.parts)
        for part in (train, test):
            assert isinstance(part.images, np.memmap)
            assert not part.images.flags.writeable
    assert make.made == 1
    entry = only_entry(cache)
    assert entry.name.startswith("digits-")
    assert sorted(file.name for file in entry.iterdir()) == [
        "about.json",
        "images.npy",
        "labels.npy",
    ]
    assert np.load(entry / "images.npy").shape == (8, 3, 5, 1)


def test_another_key_is_another_entry(cache: Path) -> None:
    first, second = Maker(), Maker(Splits(dataset(4, 8), dataset(4, 9)))
    assert_equal(cached("digits", "one", first), first.parts)
    assert_equal(cached("digits", "two", second), second.parts)
    assert_equal(cached("digits", "one", second), first.parts)
    assert len(list(cache.iterdir())) == 2


def test_plain_pairs_are_taken_too() -> None:
    pair = dataset(3, 1), dataset(3, 2)
    for _ in range(2):
        assert_equal(cached("pair", "key", lambda: pair, refuse), Splits(*pair))


def test_more_rows_than_are_written_at_once() -> None:
    make = Maker(Splits(dataset(4097, 1), dataset(8193, 2)))
    for _ in range(2):
        assert_equal(cached("long", "key", make, refuse), make.parts)
    assert make.made == 1


def test_streamed_pictures_are_kept_decoded() -> None:
    whole = dataset(9, 3)
    pixels = np.asarray(whole.images)
    order = np.array([8, 0, 3])
    images = StreamedImages(lambda n: pixels[n], order, (3, 5, 1))
    make = Maker(Splits(Dataset(images, whole.labels[order], NAMES), dataset(2)))
    found = cached("streamed", "key", make)
    assert isinstance(found[0].images, np.memmap)
    np.testing.assert_array_equal(found[0].images, pixels[order])


def test_notes_are_told_on_every_start() -> None:
    make = Maker(Splits(dataset(2), dataset(2), ["skipped a", "skipped b"]))
    for _ in range(2):
        events: list[Event] = []
        cached("notes", "key", make, events.append)
        assert events == [Note("skipped a"), Note("skipped b")]


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def flip(place: float) -> Callable[[Path], None]:
    """Flip one bit, at this fraction of the file."""

    def spoil(file: Path) -> None:
        data = bytearray(file.read_bytes())
        data[int(place * len(data))] ^= 1
        file.write_bytes(data)

    return spoil


def spoil_label(file: Path) -> None:
    np.save(file, np.full(8, 2, np.int32))


def change(name: str, value: object) -> Callable[[Path], None]:
    def spoil(file: Path) -> None:
        about = json.loads(file.read_text(encoding="utf-8"))
        file.write_text(json.dumps(about | {name: value}), encoding="utf-8")

    return spoil


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("images.npy", cut),
        ("images.npy", Path.unlink),
        ("images.npy", lambda file: file.write_bytes(b"")),
        ("images.npy", lambda file: np.save(file, np.zeros((8, 3, 5)))),
        ("images.npy", lambda file: np.save(file, np.array([{}] * 8))),
        ("labels.npy", cut),
        ("labels.npy", spoil_label),
        ("labels.npy", lambda file: np.save(file, np.zeros(7, np.int32))),
        ("about.json", cut),
        ("about.json", lambda file: file.write_bytes(b"[]")),
        ("about.json", lambda file: file.write_bytes(b"\xff")),
        ("images.npy", flip(0.3)),
        ("images.npy", flip(0.999)),
        ("labels.npy", flip(0.9)),
        ("about.json", flip(0.4)),
        ("about.json", change("train", 0)),
        ("about.json", change("train", 4)),
        ("about.json", change("class_names", ["dog", "Straße"])),
        ("about.json", change("checksums", {})),
        ("about.json", change("train", "many")),
        ("about.json", change("class_names", None)),
        ("about.json", change("notes", None)),
        ("about.json", lambda file: file.chmod(0o622)),
        ("images.npy", lambda file: file.chmod(0o660)),
        ("labels.npy", lambda file: os.chown(file, 12345, -1)),
        (".", lambda folder: folder.chmod(0o777)),
    ],
)
def test_a_damaged_entry_is_made_again(
    cache: Path, name: str, spoil: Callable[[Path], object]
) -> None:
    make = Maker()
    cached("digits", "key", make)
    entry = only_entry(cache)
    try:
        spoil(entry / name)
    except PermissionError:
        pytest.skip("only root may give a file away")
    events: list[Event] = []
    assert_equal(cached("digits", "key", make, events.append), make.parts)
    assert events == [Note(f"{entry}: damaged; it is made again")]
    assert make.made == 2
    assert_equal(cached("digits", "key", make, refuse), make.parts)
    assert make.made == 2
    assert only_entry(cache).is_dir()


def test_one_flipped_bit_in_any_block_is_noticed(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jcnn.data.cache._BLOCK", 100)
    make = Maker(Splits(dataset(40, 1), dataset(30, 2)))
    cached("digits", "key", make)
    images = only_entry(cache) / "images.npy"
    for made, place in enumerate(range(20, images.stat().st_size, 97), start=2):
        data = bytearray(images.read_bytes())
        data[place] ^= 1 << place % 8
        images.write_bytes(data)
        events: list[Event] = []
        assert_equal(cached("digits", "key", make, events.append), make.parts)
        assert (len(events), make.made) == (1, made)


def test_a_validation_part_and_its_like_are_kept() -> None:
    own = dataset(2, 3)
    own, test = (replace(part, names=tuple("äbc"[: len(part)])) for part in (own, dataset(3, 2)))
    train = replace(dataset(5, 1), stratify=True, validation=own, names=tuple("vwxyz"))
    make = Maker(Splits(train, replace(test, stratify=True)))
    for _ in range(2):
        found = cached("three", "key", make, refuse)
        assert_equal(found, make.parts)
        assert found[0].stratify
        assert found[0].validation is not None
        assert_equal((found[0].validation, found[1]), Splits(own, test))
    assert make.made == 1


def test_a_file_in_the_place_of_an_entry_is_left_alone(cache: Path) -> None:
    make = Maker()
    cached("digits", "key", make)
    entry = only_entry(cache)
    shutil.rmtree(entry)
    entry.write_text("mine", encoding="utf-8")
    events: list[Event] = []
    assert_equal(cached("digits", "key", make, events.append), make.parts)
    assert [event.text for event in events if isinstance(event, Note)] == [
        f"{cache}: the data set is not cached (Not a directory)"
    ]
    assert entry.read_text(encoding="utf-8") == "mine"


def test_what_fails_while_it_is_made_leaves_nothing(cache: Path) -> None:
    def fail() -> Splits:
        raise ValueError("bad image")

    with pytest.raises(ValueError, match="bad image"):
        cached("digits", "key", fail)
    assert not cache.exists()


def test_what_fails_while_it_is_written_leaves_nothing(cache: Path) -> None:
    # As Ctrl-C does, in the middle of the images.
    def stop(_number: int) -> np.ndarray:
        raise KeyboardInterrupt

    images = StreamedImages(stop, np.arange(4), (3, 5, 1))
    make = Maker(Splits(Dataset(images, np.array([0, 1, 0, 1], np.int32), NAMES), dataset(2)))
    with pytest.raises(KeyboardInterrupt):
        cached("digits", "key", make)
    assert list(cache.iterdir()) == []


def test_a_full_disk_costs_only_the_next_start(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    make, events = Maker(), list[Event]()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert_equal(cached("digits", "key", make, events.append), make.parts)
    assert events == [Note(f"{cache}: the data set is not cached (No space left on device)")]
    assert list(cache.iterdir()) == []
    cached("digits", "key", make, refuse)
    assert make.made == 2


def test_a_cache_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(file))
    make, events = Maker(), list[Event]()
    assert_equal(cached("digits", "key", make, events.append), make.parts)
    assert events == [Note(f"{file}/jcnn/data: the data set is not cached (Not a directory)")]


def test_a_folder_that_others_may_write_is_neither_read_nor_written(cache: Path) -> None:
    make, events = Maker(), list[Event]()
    cached("digits", "key", make)
    cache.chmod(0o777)
    assert_equal(cached("digits", "key", make, events.append), make.parts)
    assert make.made == 2
    reason = "other users may write it (mode 777); remove it, or chmod go-w"
    assert events == [Note(f"{cache}: the data set is not cached ({reason})")]


def test_what_is_kept_is_for_this_user_alone(cache: Path) -> None:
    """Whatever permissions the umask would give to others."""
    make, before = Maker(), os.umask(0)
    try:
        for _ in range(2):
            cached("digits", "key", make, refuse)
    finally:
        os.umask(before)
    assert make.made == 1
    assert {path.stat().st_mode & 0o022 for path in (cache, *cache.rglob("*"))} == {0}


def test_another_process_was_faster(cache: Path) -> None:
    # It writes the same entry while this one is still making it.
    make = Maker()

    def slow() -> Splits:
        cached("digits", "key", make)
        return make.parts

    assert_equal(cached("digits", "key", slow, refuse), make.parts)
    assert make.made == 1
    assert [file.name for file in cache.iterdir()] == [only_entry(cache).name]


def test_what_a_killed_process_left_is_removed_after_a_while(cache: Path) -> None:
    left, busy, slow = (cache / f".digits-{name}.x" for name in ("left", "busy", "slow"))
    long_ago = time.time() - 5000
    for folder in (left, busy, slow):
        folder.mkdir(parents=True)
        (folder / "images.npy").write_bytes(b"half")
    os.utime(left / "images.npy", (long_ago, long_ago))
    for folder in (left, slow):  # in the latter, one large file is still growing
        os.utime(folder, (long_ago, long_ago))
    make = Maker()
    assert_equal(cached("digits", "key", make, refuse), make.parts)
    assert not left.exists()
    assert busy.is_dir()
    assert slow.is_dir()


def test_the_folder_follows_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "jcnn"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "jcnn"
    assert not (tmp_path / "home").exists()
