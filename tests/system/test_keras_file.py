"""A Keras file is read once where several ask for it, by a process that was started before."""

import importlib
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jcnn.system import hdf5, keras_file
from jcnn.system.keras_file import read_ahead, read_stored

h5py: Any = importlib.import_module("h5py")  # it has no types


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "weights", "w") as made:
        made["layers/dense/vars/0"] = np.array([1.5, -2.0], np.float32)
        made["elsewhere"] = np.zeros(3)
    path = tmp_path / "net.keras"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", '{"a": "Ä"}')
        file.write(tmp_path / "weights", "model.weights.h5")
    return path


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the numbers were wanted, for each process."""
    found: list[bool] = []

    class Counted(hdf5.Reading):
        def __init__(self, *args: Any, **settings: Any) -> None:
            found.append(settings["numbers"])
            super().__init__(*args, **settings)

    monkeypatch.setattr(keras_file, "Reading", Counted)
    return found


def test_an_archive_is_read_once_in_the_context(archive: Path, started: list[bool]) -> None:
    with read_ahead(archive), read_ahead(archive):
        assert started == [True]
        trees = [read_stored(archive), read_stored(archive, numbers=False)]
    assert started == [True]
    trees.append(read_stored(archive))
    assert started == [True, True]
    for tree in trees:
        assert tree.files == {"config.json": '{"a": "Ä"}'.encode()}
        assert list(tree.arrays) == ["/layers/dense/vars/0"]
        found = tree.array("/layers/dense/vars/0")
        assert found is not None
        np.testing.assert_array_equal(found, [1.5, -2.0])


def test_other_files_and_none_are_left_alone(tmp_path: Path, started: list[bool]) -> None:
    (tmp_path / "text").write_text("x", encoding="utf-8")
    for path in (None, tmp_path, tmp_path / "missing", tmp_path / "text"):
        with read_ahead(path):
            pass
    assert started == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model.weights.h5": None}, "it has no config.json or no model.weights.h5"),
        ({"config.json": None}, "it has no config.json or no model.weights.h5"),
        ({"model.weights.h5": b"no HDF5"}, "is damaged: "),
        ({"metadata.json": b" " * (2**20 + 1)}, "metadata.json declares 1,048,577 bytes"),
    ],
)
def test_a_wrong_archive_is_one_line_each_time(
    change: dict[str, bytes | None], said: str, archive: Path, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.keras"
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(wrong, "w", 8, compresslevel=9) as new:
        for name, content in ({name: old.read(name) for name in old.namelist()} | change).items():
            if content is not None:
                new.writestr(name, content)
    with read_ahead(wrong):
        for _ in range(2):
            with pytest.raises(ValueError, match=said) as caught:
                read_stored(wrong)
            assert len(str(caught.value).splitlines()) == 1
