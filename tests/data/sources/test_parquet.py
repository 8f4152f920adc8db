"""Parquet shards in the layout of Hugging Face: the pictures, labels, class names and blocks."""

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from jcnn.data import StreamedImages, load
from jcnn.data.pack import pack
from jcnn.data.sources import parquet
from jcnn.data.sources.parquet import RowGroups
from tests.data.sources.image_folders import pixels
from tests.data.sources.shard_files import write_parquet


@pytest.mark.parametrize("streams", [False, True])
def test_rows_in_the_order_of_the_files(
    tmp_path: Path, stream: Callable[[], None], streams: bool
) -> None:
    names = ["dog", "cat", "Ölfisch"]
    labels = [[2, 0, 1, 0, 2, 0, 1], [1, 2, 0]]
    for n, part in enumerate(labels):
        path = tmp_path / f"train-0000{n}-of-00002.parquet"
        write_parquet(path, part, first=10 * n, names=names, rows=3)
    write_parquet(tmp_path / "validation-00000-of-00001.parquet", [0, 1], first=40, names=names)
    write_parquet(tmp_path / "test-00000-of-00001.parquet", [1, 2], first=50, names=names)
    if streams:
        stream()
    for _ in range(2):  # made, then cached
        train, test = load(f"parquet:{tmp_path}/*.parquet")
        assert isinstance(train.images, StreamedImages) == streams
        seeds = [*range(7), 10, 11, 12]
        np.testing.assert_array_equal(
            np.asarray(train.images)[..., 0], [pixels(seed) for seed in seeds]
        )
        assert train.labels.tolist() == [*labels[0], *labels[1]]
        assert train.class_names == ("dog", "cat", "Ölfisch")
        assert [*(train.names or ())] == [f"{seed}.png" for seed in seeds]
        assert train.blocks is not None
        assert train.blocks.tolist() == [0, 0, 0, 1, 1, 1, 2, 3, 3, 3]
        assert train.validation is not None
        np.testing.assert_array_equal(np.asarray(test.images)[0, ..., 0], pixels(50))
        np.testing.assert_array_equal(np.asarray(train.validation.images)[1, ..., 0], pixels(41))


def test_names_for_labels_and_a_split_for_test(tmp_path: Path, stream: Callable[[], None]) -> None:
    write_parquet(tmp_path / "x.parquet", ["b", "a"] * 10, rows=7)
    stream()
    train, test = load(f"parquet:{tmp_path}/x.parquet")
    assert train.class_names == ("a", "b")
    assert np.bincount(test.labels).tolist() == [2, 2]
    for part in (train, test):
        for n, name in enumerate(part.names or ()):
            seed = int(name.removesuffix(".png"))
            np.testing.assert_array_equal(part.images[np.array([n])][0, ..., 0], pixels(seed))
            assert part.labels[n] == (seed + 1) % 2


def test_the_column_that_the_schema_names(tmp_path: Path) -> None:
    extra = {"cls": pa.array([0] * 6), "caption": pa.array(["x"] * 6)}
    write_parquet(tmp_path / "x.parquet", [0, 1] * 3, names=["a", "b"], columns=extra)
    assert load(f"parquet:{tmp_path}/x.parquet")[0].class_names == ("a", "b")


def test_a_row_group_is_read_once(
    tmp_path: Path, stream: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_parquet(tmp_path / "train.parquet", [0, 1] * 10, rows=4)
    write_parquet(tmp_path / "test.parquet", [0, 1], first=30)
    read: list[int] = []
    plain = parquet._read_group

    def counted(arrow: object, path: Path, image: str, group: int) -> object:
        read.append(group)
        return plain(arrow, path, image, group)

    monkeypatch.setattr(parquet, "_read_group", counted)
    stream()
    train, _ = load(f"parquet:{tmp_path}/*.parquet", image_shape=(4, 6, 1))
    read.clear()
    order = np.random.default_rng(0).permutation(20)
    np.testing.assert_array_equal(train.images[order][..., 0], [pixels(seed) for seed in order])
    assert sorted(read) in ([0, 1, 2, 3, 4], [1, 2, 3, 4])  # the first was looked at for its size


def test_old_row_groups_are_forgotten() -> None:
    groups, read = RowGroups(), list[int]()

    def get(number: int) -> int:
        def work() -> int:
            read.append(number)
            return number

        return int(groups.get((Path("x"), number), 1000, work))

    for number in (0, 1, 2, 3, 4, 0, 5, 1, 0):  # 2 x 2048 + 1000 rows are five groups
        assert get(number) == number
    assert read == [0, 1, 2, 3, 4, 5, 1]


def test_threads_wait_for_a_row_group_and_its_error() -> None:
    groups, begun = RowGroups(), threading.Event()
    errors: list[Exception] = []

    def fail() -> None:
        begun.wait(5)
        raise OSError("bad sector")

    def ask() -> None:
        try:
            groups.get((Path("x"), 0), 5, fail)
        except OSError as error:
            errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    begun.set()
    for thread in threads:
        thread.join()
    assert len(errors) == 3
    assert groups.get((Path("x"), 0), 5, lambda: 7) == 7  # it is tried again


def test_parquet_is_packed_into_tar(tmp_path: Path) -> None:
    names = ["dog", "cat"]
    write_parquet(tmp_path / "train-0.parquet", [0, 1] * 4, names=names)
    write_parquet(tmp_path / "train-1.parquet", [0, 1], names=names)  # 0.png and 1.png again
    write_parquet(tmp_path / "test-0.parquet", [1, 0], first=20, names=names)
    packed = pack(f"parquet:{tmp_path}/*.parquet", tmp_path / "out")
    assert [shard.name for shard in packed.shards] == ["train-00000.tar", "test-00000.tar"]
    one, other = load(f"parquet:{tmp_path}/*.parquet"), load(f"tar:{tmp_path}/out/*.tar")
    for left, right in zip(one, other, strict=True):
        assert left.class_names == right.class_names
        order = np.lexsort((np.array(left.names), left.labels))
        np.testing.assert_array_equal(np.asarray(left.images)[order], np.asarray(right.images))
        np.testing.assert_array_equal(left.labels[order], right.labels)
        assert [left.names[n] for n in order] == [*(right.names or ())] if left.names else False
