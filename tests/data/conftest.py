"""Every test of data has a cache of its own, and the memory of the machine."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where the data sets read by this test are kept."""
    home = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    monkeypatch.delenv("JCNN_MEMORY_BYTES", raising=False)
    return home / "jcnn" / "data"


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From the call on, there is memory for no more than 100 bytes of images."""
    return lambda: monkeypatch.setenv("JCNN_MEMORY_BYTES", "100")
