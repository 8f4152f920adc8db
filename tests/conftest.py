"""Settings of every test: random cases are new each run, and a failing one can be replayed."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from jcnn.caches import cache_folder
from jcnn.ops import _native

# No deadline: the first call of a shape compiles. A failure prints the line that replays it.
settings.register_profile("jcnn", deadline=None, print_blob=True)
settings.load_profile("jcnn")


@pytest.fixture(scope="session", autouse=True)
def cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The user's cache folder holds what would change results: a tuned table of convolutions."""
    cache = tmp_path_factory.mktemp("cache")
    give_native(cache)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        yield


def give_native(cache: Path) -> None:
    """Copy the compiled library into another cache, whose processes need not compile it again."""
    _native.unavailable()  # compiled once for all sessions, in the user's folder
    compiled = cache_folder() / "native"
    if compiled.is_dir():
        (cache / "jcnn").mkdir(mode=0o700)
        shutil.copytree(compiled, cache / "jcnn" / "native")
