"""Settings of every test: random cases are new each run, and a failing one can be replayed."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from jcnn.ops import _native

# No deadline: the first call of a shape compiles. A failure prints the line that replays it.
settings.register_profile("jcnn", deadline=None, print_blob=True)
settings.load_profile("jcnn")


@pytest.fixture(scope="session", autouse=True)
def cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The user's cache folder holds what would change results: a tuned table of convolutions."""
    _native.unavailable()  # compiled once for all sessions, in the user's folder
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield
