"""`evaluate`, `report` and `explore` on other data than the run's: classes are matched by name."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from jcnn.data import digits
from jcnn.runs import read_config
from tests.cli.conftest import Trained
from tests.cli.process import Result

Jcnn = Callable[..., Result]

# Where each digit stands among the names of the archive.
ORDER = np.array([3, 1, 4, 0, 5, 9, 2, 6, 8, 7])


def write(file: Path, names: list[str], places: np.ndarray) -> str:
    """The digits as an npz file, with digit `d` as class `places[d]` of `names`."""
    train, test = digits()
    np.savez(
        file,
        class_names=np.array(names),
        x_train=np.asarray(train.images),
        y_train=places[train.labels],
        x_test=np.asarray(test.images),
        y_test=places[test.labels],
    )
    return f"npz:{file}"


def renamed(file: Path) -> str:
    return write(file, [f"letter {k}" for k in range(10)], np.arange(10))


def reordered(file: Path) -> str:
    return write(file, [str(digit) for digit in np.argsort(ORDER)], ORDER)


@pytest.fixture
def run(trained: Trained, tmp_path: Path) -> Path:
    """A copy of the trained run with its report."""
    run = tmp_path / "run"
    shutil.copytree(trained.run, run)
    return run


def test_classes_in_another_order_are_matched_by_name(
    jcnn: Jcnn, trained: Trained, tmp_path: Path
) -> None:
    source = reordered(tmp_path / "other order.npz")
    own = json.loads(jcnn("evaluate", trained.run, "--json").out)
    assert own["accuracy"] > 0.8
    result = jcnn("evaluate", trained.run, "--data", source, "--json")
    assert (result.code, json.loads(result.out)) == (0, own)


@pytest.mark.parametrize("command", ["evaluate", "report", "explore"])
def test_other_classes_are_refused_by_name(
    jcnn: Jcnn, run: Path, tmp_path: Path, command: str
) -> None:
    page = (run / "report" / "index.html").read_bytes()
    before = sorted(run.rglob("*"))
    source = renamed(tmp_path / "letters.npz")
    words = ["--out", tmp_path / "page.html"] if command == "explore" else []
    result = jcnn(command, run, "--data", source, *words)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert result.err.startswith(f"jcnn: data: {source}: has no '0', '1', '2', '3', '4' and 5 more")
    assert "has 'letter 0', 'letter 1'" in result.err
    assert sorted(run.rglob("*")) == before
    assert (run / "report" / "index.html").read_bytes() == page


@pytest.mark.usefixtures("blank_figures")
def test_a_report_on_other_data_leaves_the_runs_page(jcnn: Jcnn, run: Path, tmp_path: Path) -> None:
    own = run / "report" / "index.html"
    page = own.read_bytes()
    pages = set()
    for name in ("a.npz", "b.npz", "a.npz"):
        source = reordered(tmp_path / name)
        result = jcnn("report", run, "--data", source)
        assert (result.code, result.err) == (0, "")
        made = Path(result.out.strip())
        assert made.parent.parent == run
        text = made.read_text(encoding="utf-8")
        assert f"Test images of other data than the run&#x27;s: npz:{name}<" in text
        assert source not in text
        assert own.read_bytes() == page
        pages.add(made)
    assert len(pages) == 2
    # The run's own data by its name is its own data.
    assert jcnn("report", run, "--data", "digits").out == f"{own}\n"


def test_a_run_whose_classes_were_renamed_is_not_resumed(
    jcnn: Jcnn, run: Path, tmp_path: Path
) -> None:
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    config["data"] = renamed(tmp_path / "letters.npz")
    (run / "config.json").write_text(json.dumps(config), encoding="utf-8")
    before = (run / "config.json").read_bytes()
    result = jcnn("train", "--resume", run, "--epochs", "3")
    assert (result.code, result.out) == (2, "")
    assert "letters.npz: has no '0', '1'" in result.err
    assert (run / "config.json").read_bytes() == before


def test_the_data_of_a_run_is_its_own_however_it_is_named(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = read_config(trained.run)
    assert config.with_data(None, None) == config.with_data("digits", None) == config
    monkeypatch.chdir(tmp_path)
    there = config.with_data("npz:a.npz", None)
    assert there.with_data(f"npz:{tmp_path}/a.npz", None).other_data(there) is None
    assert there.other_data(config) == f"npz:{tmp_path}/a.npz"
    moved = config.with_data(None, "elsewhere")
    assert moved.other_data(config) == f"digits in {tmp_path}/elsewhere"
