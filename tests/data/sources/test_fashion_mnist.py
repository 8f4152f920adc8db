"""The original Fashion-MNIST files, compared with published facts."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from jcnn.data import DataError, load, read_idx
from tests.fashion import fashion_mnist_dir


def test_is_read_as_published() -> None:
    train, test = load(f"idx:{fashion_mnist_dir()}")
    assert train.images.shape == (60000, 28, 28, 1)
    assert test.images.shape == (10000, 28, 28, 1)
    np.testing.assert_array_equal(np.bincount(train.labels), [6000] * 10)
    np.testing.assert_array_equal(np.bincount(test.labels), [1000] * 10)
    assert train.labels[:8].tolist() == [9, 0, 0, 3, 0, 2, 7, 2]
    assert test.labels[:8].tolist() == [9, 2, 1, 1, 6, 1, 4, 6]
    assert train.class_names == test.class_names == tuple("0123456789")
    # 0.2860 and 0.3530 in 0..1: the usual mean and standard deviation for normalisation.
    pixels = np.asarray(train.images)
    assert pixels.mean() == pytest.approx(72.94, abs=0.005)
    assert pixels.std() / 255 == pytest.approx(0.3530, abs=5e-5)
    # Of the unpacked files, by `zcat FILE | tail -c +17 | sha256sum`.
    for part, digest in ((train, "2e487a6c89124f78"), (test, "c867c93ff9536059")):
        content = np.asarray(part.images).tobytes()
        assert hashlib.sha256(content).hexdigest().startswith(digest)


@pytest.mark.parametrize("position", [100, 2000, 5000])
def test_one_flipped_bit_is_refused(tmp_path: Path, position: int) -> None:
    source = fashion_mnist_dir() / "t10k-labels-idx1-ubyte.gz"
    path = tmp_path / source.name
    shutil.copyfile(source, path)
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte\.gz: "):
        read_idx(path)
