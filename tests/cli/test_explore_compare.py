"""`jcnn explore A B`: two runs on the same images, or a line that says why not."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from jcnn.models import build
from jcnn.runs import save
from tests.cli.conftest import Trained
from tests.cli.process import Result
from tests.cli.test_explore import content_of

Jcnn = Callable[..., Result]
TEN = [*"0123456789"]


@pytest.fixture
def second(tmp_path: Path) -> Path:
    save(build("mlp", (8, 8, 1), 10), tmp_path / "second", class_names=TEN, input_shape=(8, 8, 1))
    return tmp_path / "second"


def test_two_runs(jcnn: Jcnn, trained: Trained, second: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    result = jcnn("explore", trained.run, second, "--index", "3", "--out", out)
    assert result == Result(0, f"{out}\n", "")
    content = content_of(out)
    assert content["title"].startswith("RUN (conv1 on digits) and second (")
    assert content["compare"]["names"] == ["RUN", "second"]
    kinds = [layer["kind"] for layer in content["compare"]["layers"]]
    assert kinds == ["flatten", "dense", "activation", "dense", "softmax"]
    assert len(content["compare"]["checks"][0]["outputs"]) == 5


def test_runs_of_one_name_are_told_apart(jcnn: Jcnn, trained: Trained, tmp_path: Path) -> None:
    copy = tmp_path / "copy" / trained.run.name
    shutil.copytree(trained.run, copy)
    words = ["--index", "3", "--out", tmp_path / "page.html"]
    assert jcnn("explore", trained.run, copy, *words).code == 0
    content = content_of(tmp_path / "page.html")
    assert content["compare"]["names"] == [f"{trained.run.parent.name}/RUN", "copy/RUN"]
    assert content["title"] == f"conv1 on digits: {trained.run.parent.name}/RUN and copy/RUN"
    assert str(tmp_path) not in json.dumps(content)


def test_runs_that_cannot_be_compared(
    jcnn: Jcnn, trained: Trained, second: Path, tmp_path: Path
) -> None:
    run, out = trained.run, tmp_path / "page.html"

    def refused(*words: str | Path) -> str:
        result = jcnn("explore", *words, "--out", out)
        assert (result.code, result.out) == (2, "")
        assert not out.exists()
        return result.err.removeprefix("jcnn: ")

    other = tmp_path / "large"
    save(build("mlp", (9, 8, 1), 10), other, class_names=TEN, input_shape=(9, 8, 1))
    assert refused(run, other) == (
        f"{other}: takes images of 9x8x1, {run} of 8x8x1; accepted: two runs for the same images\n"
    )
    names = tmp_path / "names"
    save(build("mlp", (8, 8, 1), 10), names, class_names=[*"0123465789"], input_shape=(8, 8, 1))
    assert refused(run, names) == (
        f"{names}: has class '6' where {run} has '5'; accepted: two runs of equal classes\n"
    )
    few = tmp_path / "few"
    save(build("mlp", (8, 8, 1), 9), few, class_names=TEN[:9], input_shape=(8, 8, 1))
    assert f"has class none where {run} has '9'" in refused(run, few)
    assert refused(run, "mlp") == (
        "RUN: got mlp, which is no run folder; accepted: two run folders\n"
    )
    assert refused(run, second, "--over-epochs").startswith("--over-epochs: got two runs; accepted")


def test_learning_is_for_one_model(jcnn: Jcnn, trained: Trained) -> None:
    result = jcnn("explore", trained.run, trained.run, "--learn", "5")
    assert (
        result.err == "jcnn: --learn: got two runs, too; accepted: one model, without its epochs\n"
    )
    assert result.code == 2
    result = jcnn("explore", trained.run, "--over-epochs", "--learn", "5")
    assert "--learn: got --over-epochs, too; accepted" in result.err
