"""HDF5 files are read by a process of their own."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jcnn.system.hdf5 import Reading, read_hdf5

h5py: Any = importlib.import_module("h5py")  # it has no types


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as made:
        made.attrs["about"] = "Ä"
        made["a/b"] = np.arange(6, dtype=">i2").reshape(2, 3)
        made["c"] = np.array([1.5], np.float32)
    return path


def test_what_is_below_the_names_is_read(file: Path) -> None:
    trees = [read_hdf5(file, (), 100), read_hdf5(file, ("a",), 100)]
    assert trees[0].attributes == {"/": {"about": "Ä"}, "/a": {}}
    assert list(trees[0].arrays) == ["/a/b", "/c"]
    assert list(trees[1].arrays) == ["/a/b"]
    for tree in trees:
        found = tree.array("/a/b")
        assert found is not None
        assert found.dtype == np.dtype("=i2")
        np.testing.assert_array_equal(found, [[0, 1, 2], [3, 4, 5]])


def test_a_reading_that_is_not_needed_ends(file: Path) -> None:
    with pytest.raises(RuntimeError), Reading(file, (), 100) as reading:
        raise RuntimeError
    assert reading.process.returncode is not None
    assert not Path(reading._folder.name).exists()


def test_a_limit_and_damage_are_one_line(file: Path) -> None:
    with pytest.raises(ValueError, match="is more than the 11 bytes left"):
        read_hdf5(file, (), 11)
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(ValueError, match="is damaged: "):
        read_hdf5(file, (), 100)
