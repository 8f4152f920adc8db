"""The folder of the original Fashion-MNIST files, for tests that need them."""

import os
from pathlib import Path

import pytest

_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
_BESIDE_THE_REPOSITORY = Path(__file__).parents[2] / "shared/data/fashion_mnist"


def fashion_mnist_dir() -> Path:
    """The folder of the four files; skips the test if one is missing."""
    folder = Path(os.environ.get("JCNN_FASHION_MNIST_DIR", _BESIDE_THE_REPOSITORY))
    missing = [name for name in _FILES if not (folder / name).is_file()]
    if missing:
        pytest.skip(f"no {', '.join(missing)} in {folder}; set JCNN_FASHION_MNIST_DIR")
    return folder
