"""The folder of the six-animals images (train/ and test/), for tests that need it."""

import os
from pathlib import Path

import pytest

_BESIDE_THE_REPOSITORY = Path(__file__).parents[2] / "shared/data/animals6"


def animals_dir() -> Path:
    """The folder; skips the test if it is missing."""
    folder = Path(os.environ.get("JCNN_ANIMALS6_DIR", _BESIDE_THE_REPOSITORY))
    if not (folder / "train").is_dir():
        pytest.skip(f"no train in {folder}; set JCNN_ANIMALS6_DIR")
    return folder
