"""Training from shards has the bits of a folder: in memory, streamed, after an interruption."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from flax import nnx

from jcnn.config import TrainConfig
from jcnn.data import Dataset, StreamedImages, load
from jcnn.data.blocks import keep_blocks
from jcnn.data.pack import pack
from jcnn.layers import Dense, Dropout, Flatten, Sequential
from jcnn.train import Event, Progress, fit, loop, order
from jcnn.train.programs import seed_keys
from tests.data.sources.image_folders import write_classes
from tests.data.sources.shard_files import write_parquet
from tests.train import small

CONFIG = TrainConfig(epochs=2, batch_size=8, steps_per_call=1, seed=3, validation_split=0.2)


def model(seed: int = 0) -> Sequential:
    rngs = nnx.Rngs(seed)
    return Sequential([Flatten(), Dropout(0.2, rngs=rngs), Dense(24, 2, rngs=rngs)])


def trained(data: Dataset, config: TrainConfig = CONFIG) -> Sequential:
    found = model()
    fit(found, data, config)
    return found


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of pictures, the same packed as tar, and others in Parquet, in small blocks."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(order, "keep_blocks", partial(keep_blocks, least=12))
    write_classes(tmp_path / "pictures", {"a": 30, "b": 30})
    pack(f"folder:{tmp_path}/pictures", tmp_path / "tar", shard_bytes=20_000)
    write_parquet(tmp_path / "train.parquet", [0, 1] * 24, names=["a", "b"], rows=7)
    write_parquet(tmp_path / "test.parquet", [0, 1], first=80, names=["a", "b"])
    return tmp_path


def read(files: Path, name: str) -> Dataset:
    return load(f"{name.partition(':')[0]}:{files}/{name.partition(':')[2]}")[0]


def test_shards_give_the_bits_of_the_folder(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = trained(read(files, "folder:pictures"))
    small.assert_same_bits(expected, trained(read(files, "tar:tar/*.tar")))
    monkeypatch.setenv("JCNN_MEMORY_BYTES", "500")
    streamed = read(files, "tar:tar/*.tar")
    assert isinstance(streamed.images, StreamedImages)
    small.assert_same_bits(expected, trained(streamed))


def test_blocks_give_the_same_order_in_memory_and_streamed(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = read(files, "parquet:*.parquet")
    expected = trained(data)
    other = trained(replace(data, blocks=None))
    assert not np.array_equal(expected.dense.kernel[...], other.dense.kernel[...])
    monkeypatch.setenv("JCNN_MEMORY_BYTES", "500")
    streamed = read(files, "parquet:*.parquet")
    assert isinstance(streamed.images, StreamedImages)
    small.assert_same_bits(expected, trained(streamed))


def test_blocks_without_shuffling_keep_the_order_of_the_rows(files: Path) -> None:
    data, config = read(files, "parquet:*.parquet"), replace(CONFIG, shuffle=False)
    small.assert_same_bits(trained(data, config), trained(replace(data, blocks=None), config))


def test_an_epoch_reads_each_block_once(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = read(files, "parquet:*.parquet")
    assert data.blocks is not None
    config = replace(CONFIG, epochs=1, validation_split=0.0)
    orders = order.order_of(data, config, seed_keys(np.asarray(3)))
    for epoch in (1, 2):
        rows = np.asarray(orders(epoch))
        assert sorted(rows) == list(range(48))
        for block in range(7):
            places = np.flatnonzero(data.blocks[rows] == block)
            assert places.max() - places.min() < 14  # of two blocks of 7
    assert (np.asarray(orders(1)) != np.asarray(orders(2))).any()


@pytest.mark.parametrize("name", ["tar:tar/*.tar", "parquet:*.parquet"])
def test_a_resumed_training_has_the_same_bits(
    files: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("JCNN_MEMORY_BYTES", "500")
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)
    expected = trained(read(files, name))

    def interrupt(event: Event) -> None:
        if isinstance(event, Progress) and (event.epoch, event.step) == (2, 3):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(model(), read(files, name), CONFIG, run=files / "run", on_event=interrupt)
    resumed = model(9)
    fit(resumed, read(files, name), CONFIG, run=files / "run", resume=True)
    small.assert_same_bits(expected, resumed)
