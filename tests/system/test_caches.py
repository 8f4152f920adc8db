"""The path of the cache, also without a home folder, and the check of its owner."""

import os
import re
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from jcnn.system.caches import cache_folder, check_private, make_private


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def test_without_a_home_folder_it_is_the_users_among_temporary_files(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cache_folder() == home / ".cache" / "jcnn"
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    assert cache_folder() == home.parent / "jcnn-54321"


def test_a_home_folder_that_cannot_be_written_is_none(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache that exists can still be read."""
    monkeypatch.setattr(os, "access", lambda path, mode: path != home)
    assert cache_folder() == home.parent / f"jcnn-{os.getuid()}"
    (home / ".cache" / "jcnn").mkdir(parents=True)
    assert cache_folder() == home / ".cache" / "jcnn"


def test_what_is_made_is_for_this_user_alone(home: Path) -> None:
    before = os.umask(0)
    try:
        make_private(cache_folder() / "native")
    finally:
        os.umask(before)
    for folder in (cache_folder(), cache_folder() / "native"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert home.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("place", ["", "native", "native/file"])
@pytest.mark.parametrize("how", ["mode", "group", "owner"])
def test_what_another_user_could_have_written_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch, place: str, how: str
) -> None:
    folder = cache_folder() / "native"
    make_private(folder)
    (folder / "file").touch(0o600)
    check_private(folder / "file")
    spoilt = cache_folder() / place
    if how == "owner":
        monkeypatch.setattr(os, "geteuid", lambda: 54321)
        owner = os.stat_result((*spoilt.stat()[:4], 777, *spoilt.stat()[5:]))
        kept = Path.stat
        monkeypatch.setattr(Path, "stat", lambda p, **how: owner if p == spoilt else kept(p, **how))
        reason = "belongs to another user (uid 777); remove it"
    else:
        mode = spoilt.stat().st_mode & 0o777 | (0o020 if how == "group" else 0o002)
        spoilt.chmod(mode)
        reason = f"other users may write it (mode {mode:o}); remove it, or chmod go-w"
    with pytest.raises(PermissionError, match=re.escape(reason)) as caught:
        check_private(folder / "file")
    assert caught.value.filename == str(spoilt)
    assert home in spoilt.parents


def test_a_user_whom_the_system_does_not_know(tmp_path: Path) -> None:
    """Without HOME and a user name, a convolution still runs, without output."""
    code = (
        "import os, pwd\n"
        "def unknown(uid): raise KeyError(uid)\n"
        "pwd.getpwuid = unknown\n"
        "import jax.numpy as jnp\n"
        "from jcnn import ops\n"
        "from jcnn.data.sources.tfds.folder import tfds_home\n"
        "print(ops.conv2d(jnp.ones((1, 4, 4, 1)), jnp.ones((3, 3, 1, 1))).sum())\n"
        "print(tfds_home())"
    )
    left = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path), "JAX_PLATFORMS": "cpu"}
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, env=left, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"100.0\n{tmp_path}/jcnn-{os.getuid()}/tensorflow_datasets\n"
