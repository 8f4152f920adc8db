"""Keras, imported by the tests that run and by no others; it takes seconds."""

import os
from typing import Any

import pytest


@pytest.fixture(scope="session")
def keras() -> Any:
    """The package, on JAX unless the environment names another backend."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    return pytest.importorskip("keras", reason="Keras is not installed")
