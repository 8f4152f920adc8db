"""HDF5 files are read by a process that may have been started before."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jcnn.system import hdf5
from jcnn.system.hdf5 import read_hdf5, started_reader

h5py: Any = importlib.import_module("h5py")  # it has no types


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as made:
        made.attrs["about"] = "Ä"
        made["a/b"] = np.arange(6, dtype=">i2").reshape(2, 3)
        made["c"] = np.array([1.5], np.float32)
    return path


def test_a_reader_that_was_started_reads_one_file_and_a_new_one_the_next(file: Path) -> None:
    with started_reader():
        (started,) = hdf5._waiting
        trees = [read_hdf5(file, (), 100), read_hdf5(file, ("a",), 100)]
        assert hdf5._waiting == []
    assert started.returncode == 0
    assert trees[0].attributes == {"/": {"about": "Ä"}, "/a": {}}
    assert list(trees[0].arrays) == ["/a/b", "/c"]
    assert list(trees[1].arrays) == ["/a/b"]
    for tree in trees:
        found = tree.array("/a/b")
        assert found is not None
        assert found.dtype == np.dtype("=i2")
        np.testing.assert_array_equal(found, [[0, 1, 2], [3, 4, 5]])


def test_a_reader_that_is_not_needed_ends(file: Path) -> None:
    with pytest.raises(RuntimeError), started_reader():
        (started,) = hdf5._waiting
        raise RuntimeError
    assert started.poll() is not None
    assert hdf5._waiting == []


def test_a_limit_and_damage_are_one_line(file: Path) -> None:
    with started_reader(), pytest.raises(ValueError, match="is more than the 11 bytes left"):
        read_hdf5(file, (), 11)
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(ValueError, match="is damaged: "):
        read_hdf5(file, (), 100)
