"""One trained run for all tests of the command line, and a temporary cache."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import jax
import numpy as np
import pytest

from jcnn.cli import main
from jcnn.report import figure, population, run_page
from tests.cli.process import Result, environment, finish, start
from tests.conftest import give_native

_SETTINGS = (
    "jax_compilation_cache_dir",
    "jax_persistent_cache_min_compile_time_secs",
    "jax_persistent_cache_min_entry_size_bytes",
)


@dataclass(frozen=True)
class Trained:
    """A run folder that tests only read, and the output of its training."""

    run: Path
    result: Result


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder shared by all tests of the session."""
    cache = tmp_path_factory.mktemp("cache")
    give_native(cache)
    return cache


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Trained:
    """Two epochs of `conv1` on the small digits, in a separate process."""
    run = tmp_path_factory.mktemp("trained") / "RUN"
    words = "train --model conv1 --data digits --epochs 2 --batch-size 64 --seed 0 --out"
    return Trained(run, finish(start(cache, *words.split(), str(run))))


@pytest.fixture(autouse=True)
def _own_settings(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Restore JAX's configuration, which `main` changes."""
    before = {name: getattr(jax.config, name) for name in _SETTINGS}
    for name, value in environment(cache).items():
        monkeypatch.setenv(name, value)
    yield
    for name, value in before.items():
        jax.config.update(name, value)


@pytest.fixture
def jcnn(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """`jcnn(WORDS)`, in this process."""

    def call(*words: str | Path) -> Result:
        capsys.readouterr()
        code = main([str(word) for word in words])
        return Result(code, *capsys.readouterr())

    return call


@pytest.fixture
def blank_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports with white figures, for tests that only read their text: Matplotlib takes a second.

    Reports with their figures are made by `trained`, and tested in tests/report.
    """
    blank = figure.Picture("blank", figure.png_bytes(np.full((1, 1, 3), 255, np.uint8)), 96, "")
    for name in ("confusion_matrix", "reliability_diagram", "mistakes_sheet"):
        monkeypatch.setattr(run_page, name, lambda _, name=name: replace(blank, name=name))
    for module in (run_page, population):
        monkeypatch.setattr(module, "learning_curves", lambda _: [blank])
