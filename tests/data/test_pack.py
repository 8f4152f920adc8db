"""`pack`: what other programs see in the shards, the same bytes each time, nothing half written."""

import tarfile
from pathlib import Path

import pytest

from jcnn.data import DataError, Note, Reading
from jcnn.data import pack as module
from jcnn.data.pack import pack
from tests.data.sources.image_folders import COUNTS, write, write_classes


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_other_programs_find_each_picture_beside_its_class(tmp_path: Path) -> None:
    folder = write_classes(tmp_path / "pictures", COUNTS)
    events: list[Note | Reading] = []
    packed = pack(f"folder:{folder}", tmp_path / "out", shard_bytes=12_000, notify=events.append)
    classes = (tmp_path / "out/classes.txt").read_text().splitlines()
    assert classes == [*COUNTS]
    found: dict[str, bytes] = {}
    order: list[str] = []
    for shard in packed.shards:
        assert shard.stat().st_size <= 12_000
        with tarfile.open(shard, "r:") as archive:
            members = archive.getmembers()
            assert {(one.mtime, one.uid, one.uname, one.mode) for one in members} == {
                (0, 0, "", 0o644)
            }
            for image, label in zip(members[::2], members[1::2], strict=True):
                assert label.name == image.name.removesuffix(".png") + ".cls"
                stream = archive.extractfile(label)
                assert stream is not None
                name = image.name.split("/")[0]
                assert classes[int(stream.read())] == name
                order.append(name)
                picture = archive.extractfile(image)
                assert picture is not None
                found[image.name] = picture.read()
    paths = sorted(folder.rglob("*.png"))
    assert found == {str(path.relative_to(folder)): path.read_bytes() for path in paths}
    assert order != sorted(order)  # mixed
    assert (packed.pictures, packed.classes) == (18, 3)
    assert len(packed.shards) > 1
    assert packed.size == sum(shard.stat().st_size for shard in packed.shards)
    last = [event for event in events if isinstance(event, Reading)][-1]
    assert (last.done, last.total) == (18, 18)


def test_the_bytes_are_the_same_each_time(tmp_path: Path) -> None:
    for name in ("one", "other"):
        write_classes(tmp_path / name / "in", COUNTS)
        pack(f"folder:{tmp_path}/{name}/in", tmp_path / name / "out", shard_bytes=9000)
    assert contents(tmp_path / "one/out") == contents(tmp_path / "other/out")


def test_a_large_picture_has_a_shard_of_its_own(tmp_path: Path) -> None:
    write_classes(tmp_path / "in", {"a": 3, "b": 3})
    write(tmp_path / "in/a/large.png", 9, 100, 100)
    packed = pack(f"folder:{tmp_path}/in", tmp_path / "out", shard_bytes=4096)
    sizes = [shard.stat().st_size for shard in packed.shards]
    assert sorted(sizes)[-2] <= 4096 < sorted(sizes)[-1]


def test_what_is_refused(tmp_path: Path) -> None:
    folder = write_classes(tmp_path / "in", {"a": 3, "b": 3})
    with pytest.raises(ValueError, match=r"^data: got 'mnist5k'; accepted: folder:DIR, tar:GLOB"):
        pack("mnist5k", tmp_path / "out")
    with pytest.raises(ValueError, match=r"^out: .*/in exists; name a new folder$"):
        pack(f"folder:{folder}", folder)
    with pytest.raises(FileNotFoundError, match=r"^out: .*/no: no such folder$"):
        pack(f"folder:{folder}", tmp_path / "no/out")
    with pytest.raises(ValueError, match=r"^shard_bytes: got 5; accepted: an int >= 1024$"):
        pack(f"folder:{folder}", tmp_path / "out", shard_bytes=5)
    (folder / "a/broken.png").symlink_to("nothing")
    with pytest.raises(DataError, match=r"broken\.png: a broken link"):
        pack(f"folder:{folder}", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_classes(tmp_path / "in", {"a": 3, "b": 3})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "save", full)
    with pytest.raises(OSError, match="No space left"):
        pack(f"folder:{folder}", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
