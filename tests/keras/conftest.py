"""A fixture that imports Keras, which takes seconds, only for the tests that use it."""

import os
from typing import Any

import pytest


@pytest.fixture(scope="session")
def keras() -> Any:
    """The package, on JAX unless the environment selects another backend."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    return pytest.importorskip("keras", reason="Keras is not installed")
