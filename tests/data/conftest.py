"""Fixtures: a separate cache for each test, and a memory budget that forces streaming."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of cached data sets of this test."""
    home = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    monkeypatch.delenv("JCNN_MEMORY_BYTES", raising=False)
    return home / "jcnn" / "data"


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A function that sets the memory budget to 100 bytes."""
    return lambda: monkeypatch.setenv("JCNN_MEMORY_BYTES", "100")
