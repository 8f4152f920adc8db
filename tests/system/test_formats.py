"""The format of a file by its first bytes; a sound file of each, as its own library writes it."""

import importlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper
from safetensors.numpy import save_file

from jcnn.system.formats import Format, check_file, format_of, shown

h5py: Any = importlib.import_module("h5py")  # it has no types


def onnx_bytes(producer: str) -> bytes:
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 2))
    node = helper.make_node("Identity", ["x"], ["y"])
    end = helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 2))
    model = helper.make_model(helper.make_graph([node], "g", [value], [end]))
    model.producer_name = producer
    return bytes(model.SerializeToString())


def archive(name: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as made:
            made.writestr(name, "{}")

    return write


def hdf5(path: Path) -> None:
    with h5py.File(path, "w") as made:
        made["a"] = [1, 2]


def long_header(path: Path) -> None:
    """Its length, 0x120108, has the first bytes of ONNX: a version and the tag of a name."""
    header = json.dumps({"__metadata__": {"a": ""}, "x": {"dtype": "U8", "shape": [0]}}).encode()
    path.write_bytes((0x120108).to_bytes(8, "little") + header.ljust(0x120108))


WAYS: dict[str, tuple[Callable[[Path], object], Format | None]] = {
    "onnx": (lambda path: path.write_bytes(onnx_bytes("pytorch")), "onnx"),
    "onnx of nobody": (lambda path: path.write_bytes(onnx_bytes("")), "onnx"),
    "keras": (archive("config.json"), "keras"),
    "torch": (archive("model/data.pkl"), "torch"),
    "torch before 1.6": (lambda path: path.write_bytes(b"\x80\x02\x8a\nl\xfc"), "torch before 1.6"),
    "hdf5": (hdf5, "hdf5"),
    "safetensors": (lambda path: save_file({"a": np.zeros(3)}, path), "safetensors"),
    "safetensors with a long header": (long_header, "safetensors"),
    "nothing": (lambda path: path.write_bytes(b""), None),
    "text": (lambda path: path.write_bytes(b"hello, world"), None),
    "two bytes of onnx": (lambda path: path.write_bytes(b"\x08\x08"), None),
    "a field that onnx has not": (lambda path: path.write_bytes(b"\x08" * 9), None),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_format_is_known_by_its_bytes(way: str, tmp_path: Path) -> None:
    write, expected = WAYS[way]
    write(tmp_path / "file")
    assert format_of(tmp_path / "file") == expected


def test_a_damaged_archive_is_not_of_keras(tmp_path: Path) -> None:
    path = tmp_path / "file.keras"
    archive("config.json")(path)
    path.write_bytes(path.read_bytes()[:-10])
    assert format_of(path) == "torch"  # whose reader says what is damaged


def test_a_folder_or_no_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"not a file; accepted: a model$"):
        check_file(tmp_path, "a model")
    with pytest.raises(FileNotFoundError, match="no such file"):
        check_file(tmp_path / "none", "a model")
    assert shown(Path("a\nb")) == "'a\\nb'"
