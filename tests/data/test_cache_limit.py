"""The cache of decoded data has a limit, and forgets what was used least recently."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from jcnn.data import Dataset, Note, Reading, stratified_split
from jcnn.data.cache import cached
from jcnn.data.cache_limit import cache_limit, clear, decoded_sets, other_entries


def read(name: str, images: int = 10) -> list[str]:
    """Read a data set of about `300 * images` bytes; return the notes."""
    events: list[Note | Reading] = []

    def make() -> tuple[Dataset, Dataset]:
        pixels = np.random.default_rng(images).integers(0, 256, (images, 10, 10, 3), np.uint8)
        data = Dataset(pixels, np.arange(images, dtype=np.int32) % 2, ("a", "b"))
        return stratified_split(data, 0.2, 1)

    train, _ = cached(name, name, make, events.append)
    assert len(train) == images - 2 * round(images * 0.1)
    return [event.text for event in events if isinstance(event, Note)]


def names() -> list[str]:
    return [entry.name.rpartition("-")[0] for entry in decoded_sets()]


def age(name: str, seconds: float) -> None:
    """Make the last use of an entry older."""
    (entry,) = [entry for entry in decoded_sets() if entry.name.startswith(f"{name}-")]
    file = entry.path / "about.json"
    os.utime(file, (file.stat().st_atime, file.stat().st_mtime - seconds))


def test_the_least_recently_used_is_forgotten(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("a", 300), ("b", 200), ("c", 100)):
        assert read(name) == []
        age(name, seconds)
    assert names() == ["c", "b", "a"]
    assert read("a") == []  # used again
    assert names() == ["a", "c", "b"]
    size = sum(entry.size for entry in decoded_sets())
    assert size == sum(file.stat().st_size for file in cache.rglob("*") if file.is_file())
    monkeypatch.setenv("JCNN_CACHE_BYTES", str(size))
    (note,) = read("d")
    assert note.startswith(f"{cache}/b-")
    assert note.endswith(": removed; the cache is limited to JCNN_CACHE_BYTES")
    assert names() == ["d", "a", "c"]


def test_the_new_one_stays_however_large(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JCNN_CACHE_BYTES", "0")
    read("a")
    assert names() == ["a"]
    read("b", 500)
    assert names() == ["b"]
    assert read("b", 500) == []


def test_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_limit() == 20 * 2**30
    monkeypatch.setenv("JCNN_CACHE_BYTES", "many")
    with pytest.raises(ValueError, match=r"^JCNN_CACHE_BYTES: got 'many'; accepted: a whole"):
        read("a")


def test_all_is_cleared_but_programs(cache: Path) -> None:
    assert clear() == 0
    read("a")
    for kind in ("folders", "shards", "xla"):
        (cache.parent / kind).mkdir()
        (cache.parent / kind / "x").write_bytes(bytes(100))
    assert [(entry.name, entry.size) for entry in other_entries()] == [
        ("folders", 100),
        ("shards", 100),
    ]
    size = decoded_sets()[0].size
    assert clear() == size + 200
    assert [path.name for path in cache.parent.iterdir()] == ["xla"]
    assert decoded_sets() == other_entries() == []


def test_a_mapped_entry_can_be_forgotten(cache: Path) -> None:
    def make() -> tuple[Dataset, Dataset]:
        data = Dataset(
            np.arange(2000, dtype=np.uint8).reshape(20, 10, 10, 1),
            np.arange(20, dtype=np.int32) % 2,
            ("a", "b"),
        )
        return stratified_split(data, 0.2, 1)

    train, _ = cached("a", "a", make)
    expected = np.array(make()[0].images)
    shutil.rmtree(cache)
    np.testing.assert_array_equal(train.images, expected)
