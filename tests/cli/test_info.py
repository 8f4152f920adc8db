"""`jcnn info` and `jcnn --version`: what a bug report needs, and nothing private."""

import json
import platform
import shutil
from collections.abc import Callable
from pathlib import Path

import jax
import pytest

from jcnn import __version__
from jcnn.ops.conv.native import library as _native
from tests.cli.process import Result

Jcnn = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with a private name and a cache."""
    home = tmp_path / "ada-lovelace"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    monkeypatch.setenv("JCNN_MEMORY_BYTES", "12345")
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    (home / "cache" / "jcnn" / "data" / "digits-1").mkdir(parents=True)
    (home / "cache" / "jcnn" / "data" / "digits-1" / "images.npy").write_bytes(bytes(1000))
    (home / "cache" / "jcnn" / "data" / "about.json").write_bytes(bytes(24))
    (home / "cache" / "jcnn" / "xla").mkdir()
    (home / "cache" / "jcnn" / "xla").chmod(0o777)
    return home


def test_info_as_json(jcnn: Jcnn, home: Path) -> None:
    result = jcnn("info", "--json")
    assert (result.code, result.err) == (0, "")
    found = json.loads(result.out)
    assert found["versions"]["jcnn"] == __version__
    assert found["versions"]["python"] == platform.python_version()
    assert found["versions"]["jax"] == jax.__version__
    assert found["devices"] == [str(device) for device in jax.devices()]
    reason = _native.unavailable()
    assert found["convolution"]["kernels"] == ("plain" if reason else "native")
    assert found["convolution"]["reason"] == reason
    assert [table["file"] for table in found["tables"]] == ["jcnn's own"]
    assert found["tables"][0]["convolutions"] > 100
    caches = {cache["name"]: cache for cache in found["caches"]}
    assert set(caches) == {
        "data",
        "tfds",
        "folders",
        "shards",
        "shapes",
        "bad_images",
        "features",
        "native",
        "xla",
        "conv_table.json",
    }
    path = "~/cache/jcnn/data"
    expected = {"name": "data", "path": path, "files": 2, "bytes": 1024, "problem": None}
    assert caches["data"] == expected
    assert caches["xla"]["problem"].startswith("~/cache/jcnn/xla: other users may write it")
    assert found["picture_memory_bytes"] == 12345
    free = shutil.disk_usage(home).free
    assert found["free_disk_bytes"]["cache"] == pytest.approx(free, rel=0.5)
    assert found["environment"]["JCNN_MEMORY_BYTES"] == "12345"
    for private in ("ada-lovelace", "hunter2"):
        assert private not in result.out


def test_info_for_people(jcnn: Jcnn, home: Path) -> None:
    (home / "cache" / "jcnn" / "xla").chmod(0o700)
    result = jcnn("info")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0] == f"jcnn {__version__}"
    assert "cache: ~/cache/jcnn/data (2 files, 1.0 KiB)" in lines
    assert "JCNN_MEMORY_BYTES=12345" in lines
    assert lines[-1].startswith("in a bug report, include this output, the command with its full")
    assert "ada-lovelace" not in result.out


def test_where_plain_convolutions_are_used_it_says_why(
    jcnn: Jcnn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_native, "unavailable", lambda: "no C++ compiler was found (c++)")
    assert "convolution: plain (no C++ compiler was found (c++))" in jcnn("info").out.splitlines()


def test_the_version(jcnn: Jcnn) -> None:
    assert jcnn("--version") == Result(0, f"jcnn {__version__}\n", "")
