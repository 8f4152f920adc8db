"""`jcnn data pack` and `jcnn data cache`; commands on a run that was trained from shards."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.cli.killed import check_killed_and_resumed
from tests.cli.process import Result, finish, start
from tests.data.sources.image_folders import write_classes
from tests.data.sources.shard_files import write_parquet

Jcnn = Callable[..., Result]
TRAIN = [
    "train",
    "--model",
    "mlp",
    "--image-size",
    "4",
    "6",
    "--color",
    "grey",
    "--batch-size",
    "8",
]


@pytest.fixture
def shards(tmp_path: Path, jcnn: Jcnn) -> Path:
    folder = write_classes(tmp_path / "pictures", {"ant": 20, "bee": 20})
    result = jcnn("data", "pack", f"folder:{folder}", "--out", tmp_path / "out")
    size = (tmp_path / "out/all-00000.tar").stat().st_size / 2**20
    read = f"read them with --data 'tar:{tmp_path}/out/*.tar'"
    said = f"40 pictures of 2 classes in 1 shards ({size:.1f} MiB); {read}\n"
    assert (result.code, result.out) == (0, said)
    return tmp_path / "out"


@pytest.mark.usefixtures("blank_figures")
def test_a_run_from_shards_is_evaluated_reported_and_shown(
    shards: Path, jcnn: Jcnn, tmp_path: Path
) -> None:
    name, run = f"tar:{shards}/*.tar", tmp_path / "run"
    trained = jcnn(
        *TRAIN, "--data", name, "--epochs", "1", "--validation-split", "0.2", "--out", run
    )
    assert trained.code == 0, trained.err
    assert str(shards) not in (run / "report/index.html").read_text(encoding="utf-8")
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    assert (config["data"], config["class_names"]) == (name, ["ant", "bee"])
    own = json.loads(jcnn("evaluate", run, "--json").out)
    of_folder = ("--data", f"folder:{shards.parent}/pictures")
    assert json.loads(jcnn("evaluate", run, "--json", *of_folder).out) == own
    assert jcnn("report", run).code == 0
    assert jcnn("data", "show", name, "--out", tmp_path / "sheet.png", "--count", "2").code == 0
    write_parquet(tmp_path / "test.parquet", ["bee", "ant"] * 10)
    other = jcnn("evaluate", run, "--json", "--data", f"parquet:{tmp_path}/test.parquet")
    assert json.loads(other.out)["n"] == 4
    picture = shards.parent / "pictures/ant/00.png"
    assert jcnn("predict", run, picture).out.startswith(f"{picture}: ")


def test_what_cannot_be_packed_is_one_line(jcnn: Jcnn, tmp_path: Path) -> None:
    for words, reason in (
        (["mnist5k", "--out", tmp_path / "x"], "data: got 'mnist5k'; accepted: folder:DIR"),
        ([f"folder:{tmp_path}", "--out", tmp_path], f"out: {tmp_path} exists; name a new folder"),
        (["folder:a", "--out", tmp_path / "x", "--shard-size", "0"], "--shard-size: got 0; accept"),
        (["tar:*.tar", "--out", tmp_path / "x"], "*.tar: no file that ends in .tar matches"),
        (["folder:a"], "missing: --out"),
    ):
        result = jcnn("data", "pack", *words)
        assert (result.code, result.out) == (2, "")
        assert result.err.startswith(f"jcnn: {reason}")
        assert len(result.err.splitlines()) == 1


def test_the_cache_is_listed_and_cleared(
    jcnn: Jcnn, shards: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own"))
    empty = f"{tmp_path}/own/jcnn: 0 bytes of 20.0 GiB for decoded data sets\n"
    assert jcnn("data", "cache") == Result(0, empty, "")
    jcnn("data", "show", f"tar:{shards}/*.tar", "--out", tmp_path / "sheet.png")
    found = json.loads(jcnn("data", "cache", "--json").out)
    (entry,) = found["data"]
    assert entry["name"].startswith("tar-")
    assert abs(entry["used"] - time.time()) < 60
    assert (found["folder"], found["limit"]) == (f"{tmp_path}/own/jcnn", 20 * 2**30)
    assert f"data/{entry['name']}" in jcnn("data", "cache").out
    cleared = jcnn("data", "cache", "--clear")
    assert (cleared.code, cleared.err) == (0, "")
    assert cleared.out.endswith(f" KiB removed from {tmp_path}/own/jcnn\n")
    assert jcnn("data", "cache").out == empty
    monkeypatch.setenv("JCNN_CACHE_BYTES", "-1")
    wrong = jcnn("data", "cache")
    assert wrong == Result(
        2, "", "jcnn: JCNN_CACHE_BYTES: got '-1'; accepted: a whole number >= 0\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_a_killed_training_from_shards_is_resumed_to_the_same_end(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("JCNN_MEMORY_BYTES", "2000")  # streamed
    labels = np.random.default_rng(0).integers(0, 2, 400).tolist()
    write_parquet(tmp_path / "x.parquet", labels, rows=50)
    data = f"parquet:{tmp_path}/x.parquet"
    if kind == "tar":
        packed = finish(start(cache, "data", "pack", data, "--out", str(tmp_path / "out")))
        assert packed.code == 0
        data = f"tar:{tmp_path}/out/*.tar"
    whole, run = tmp_path / "whole", tmp_path / "run"
    words = [*TRAIN, "--data", data, "--epochs", "30"]
    check_killed_and_resumed(cache, words, whole, run, steps=[3 * 40, 12 * 40])
