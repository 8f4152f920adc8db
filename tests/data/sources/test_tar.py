"""Tar shards: the pictures, labels, names, splits and index; the same data set as the folder's."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jcnn.data import Dataset, Note, Reading, StreamedImages, load, split_validation
from jcnn.data.pack import pack
from jcnn.data.sources import tar
from jcnn.data.sources.tar_members import TarIndex
from tests.animals import animals_dir
from tests.data.sources.image_folders import COUNTS, notes, pixels, write_classes
from tests.data.sources.shard_files import png, samples, write_tar


def assert_same(one: tuple[Dataset, Dataset], other: tuple[Dataset, Dataset]) -> None:
    pairs = [*zip(one, other, strict=True)]
    if one[0].validation is not None:
        assert other[0].validation is not None
        pairs.append((one[0].validation, other[0].validation))
    for left, right in pairs:
        np.testing.assert_array_equal(np.asarray(left.images), np.asarray(right.images))
        np.testing.assert_array_equal(left.labels, right.labels)
        assert left.names is not None
        assert right.names is not None
        assert [*left.names] == [*right.names]
        assert (left.class_names, left.stratify) == (right.class_names, right.stratify)


def never(*_: Any) -> TarIndex:
    raise AssertionError("scanned")


def test_rows_are_sorted_by_class_and_name(tmp_path: Path) -> None:
    write_tar(tmp_path / "train-1.tar", samples([1, 0, 1], first=5))
    write_tar(tmp_path / "train-0.tar", samples([1, 0], first=8))
    write_tar(tmp_path / "test-0.tar", samples([0, 1], first=20))
    train, test = load(f"tar:{tmp_path}/*.tar")
    assert train.labels.tolist() == [0, 0, 1, 1, 1]
    assert [*(train.names or ())] == ["006.png", "009.png", "005.png", "007.png", "008.png"]
    expected = [pixels(seed) for seed in (6, 9, 5, 7, 8)]
    np.testing.assert_array_equal(np.asarray(train.images)[..., 0], expected)
    np.testing.assert_array_equal(np.asarray(test.images)[..., 0], [pixels(20), pixels(21)])
    assert train.class_names == ("0", "1")


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("divided", [False, True])
def test_packed_shards_are_the_folder(
    tmp_path: Path, stream: Callable[[], None], divided: bool, streams: bool
) -> None:
    folder = tmp_path / "pictures"
    parts = (("train", 0), ("val", 50), ("test", 80)) if divided else ((".", 0),)
    for name, seed in parts:
        write_classes(folder / name, COUNTS, seed)
    # A name with dots would end at the first one.
    inner = next(folder.rglob("ant/00.png"))
    inner.rename(inner.with_name("zz.v2.0.PNG"))
    (inner.parent / "zz_v2.png").write_bytes(png(99))
    pack(f"folder:{folder}", tmp_path / "out", shard_bytes=20_000)
    if streams:
        stream()
    of_folder, of_shards = load(f"folder:{folder}"), load(f"tar:{tmp_path}/out/*.tar")
    assert isinstance(of_shards[0].images, StreamedImages) == streams
    assert_same(of_folder, of_shards)
    if not divided:
        cuts = [split_validation(one[0], 0.25, 3) for one in (of_folder, of_shards)]
        (a, b, words), (c, d, same_words) = cuts
        assert b is not None
        assert d is not None
        assert_same((a, b), (c, d))
        assert words == same_words


def test_labels_from_json_and_class_names(tmp_path: Path) -> None:
    members: dict[str, bytes | str] = {}
    for n, label in enumerate(['{"label": 1, "class_name": "dog"}', '{"cls": 0}'] * 5):
        members |= {f"a/{n}.jpg": png(n), f"a/{n}.json": label, f"a/{n}.txt": "a caption"}
    write_tar(tmp_path / "x.tar", members)
    events: list[Note | Reading] = []
    train, test = load(f"tar:{tmp_path}/x.tar", notify=events.append)
    assert train.class_names == ("0", "dog")
    assert np.bincount([*train.labels, *test.labels]).tolist() == [5, 5]
    left_out = "left out 10 members that are neither a picture nor its label, such as a/0.txt"
    assert notes(events) == [
        f"{tmp_path}/x.tar: no test shards; a fifth of each class is for test",
        f"{tmp_path}/x.tar: {left_out}",
    ]


def test_names_for_labels_and_a_list_of_classes(tmp_path: Path) -> None:
    write_tar(tmp_path / "x.tar", samples(["dog", "Ölfisch", "dog", "cat"] * 3))
    assert load(f"tar:{tmp_path}/x.tar")[0].class_names == ("cat", "dog", "Ölfisch")
    (tmp_path / "classes.txt").write_text("dog\ncat\nÖlfisch\n", encoding="utf-8")
    train, test = load(f"tar:{tmp_path}/x.tar")
    assert train.class_names == ("dog", "cat", "Ölfisch")
    assert np.bincount([*train.labels, *test.labels]).tolist() == [6, 3, 3]


def test_a_number_wins_in_cls_and_hidden_members_are_left_out(tmp_path: Path) -> None:
    members: dict[str, bytes | str] = {
        "./._000.png": b"x",
        "__MACOSX/._1.png": b"",
        "./.DS_Store": "",
    }
    for name, content in samples([0, 1] * 3).items():
        members[f"./{name}"] = content
    members["./000.json"] = '{"label": 1}'
    write_tar(tmp_path / "x.tar", members)
    train, test = load(f"tar:{tmp_path}/x.tar")
    assert sorted([*(train.names or ()), *(test.names or ())]) == [f"{n:03}.png" for n in range(6)]
    assert np.bincount([*train.labels, *test.labels]).tolist() == [3, 3]


@pytest.mark.parametrize(
    ("files", "sizes"),
    [
        (["imagenet-train-000.tar", "imagenet-validation-000.tar"], (3, 3, None)),
        (["train/00.tar", "val/00.tar", "test/00.tar"], (3, 3, 3)),
        (["b-test.tar", "a_training-00.tar"], (3, None, 3)),
    ],
)
def test_splits_from_names(
    tmp_path: Path, files: list[str], sizes: tuple[int, int | None, int | None]
) -> None:
    for n, name in enumerate(files):
        write_tar(tmp_path / name, samples([0, 1] * 3, first=10 * n))
    train, test = load(f"tar:{tmp_path}/**/*.tar")
    count, validation, tested = sizes
    own = None if train.validation is None else len(train.validation)
    if tested is None:  # a fifth of each class of train
        assert (len(train), own, len(test)) == (4, 6, 2)
    else:
        assert (len(train), own, len(test)) == (6, 6 if validation else None, 6)
    assert count == 3


def test_an_archive_is_read_through_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stream: Callable[[], None], cache: Path
) -> None:
    path = write_tar(tmp_path / "x.tar", samples([0, 1] * 5))
    stream()
    first = load(f"tar:{path}")
    with monkeypatch.context() as patch:
        patch.setattr(tar, "scan", never)
        assert_same(load(f"tar:{path}"), first)
    write_tar(tmp_path / "x.tar", samples([1, 0] * 5))
    os.utime(path, (10**9, 10**9))
    assert load(f"tar:{path}")[0].labels.sum() == first[0].labels.sum()
    for index in (cache.parent / "shards").iterdir():
        index.write_bytes(index.read_bytes()[:-3])
    load(f"tar:{path}")  # a damaged index is made again


def test_the_index_beside_is_used_while_it_is_newer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_classes(tmp_path / "pictures", COUNTS)
    packed = pack(f"folder:{tmp_path}/pictures", tmp_path / "out")
    (shard,) = packed.shards
    with monkeypatch.context() as patch:
        patch.setattr(tar, "scan", never)
        first = load(f"tar:{shard}")
        os.utime(shard)
        with pytest.raises(AssertionError, match="scanned"):
            load(f"tar:{shard}")
    assert_same(load(f"tar:{shard}"), first)


def test_the_animals(tmp_path: Path, stream: Callable[[], None]) -> None:
    folder = animals_dir() / "test"
    packed = pack(f"folder:{folder}", tmp_path / "out", shard_bytes=2**19)
    assert len(packed.shards) == 3
    stream()
    shape = (16, 16, 3)
    of_folder = load(f"folder:{folder}", image_shape=shape)
    of_shards = load(f"tar:{tmp_path}/out/*.tar", image_shape=shape)
    rows = np.arange(0, 120, 7)
    for left, right in zip(of_folder, of_shards, strict=True):
        np.testing.assert_array_equal(left.labels, right.labels)
        np.testing.assert_array_equal(left.images[rows], right.images[rows])
