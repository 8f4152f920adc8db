"""A report is written atomically, and a failure leaves the run unchanged."""

import dataclasses
import re
import shutil
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from jcnn import runs
from jcnn.models import build
from jcnn.report import write_report
from jcnn.report.figure import Picture
from jcnn.report.folder import put_report
from jcnn.runs import RunError
from tests.disks import small_disk
from tests.report.conftest import Reported
from tests.report.pages import read_page

PICTURE = Picture("one", b"first", 10, "")


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_new_report_takes_the_place_of_the_old(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    file = put_report(tmp_path, "old ö", [PICTURE, dataclasses.replace(PICTURE, name="two")])
    assert file == tmp_path / "report" / "index.html"
    put_report(tmp_path, "new", [dataclasses.replace(PICTURE, png=b"second")])
    assert content(tmp_path) == {
        "config.json": b"{}",
        "report/index.html": b"new",
        "report/one.png": b"second",
    }
    assert (tmp_path / "report").stat().st_mode & 0o055 == 0o055


@pytest.mark.parametrize(
    ("older", "name"),
    [
        (True, "one.png"),
        (False, "index.html"),
        pytest.param(True, "index.html", marks=pytest.mark.slow),
        pytest.param(False, "one.png", marks=pytest.mark.slow),
    ],
)
def test_a_disk_that_is_full(tmp_path: Path, name: str, older: bool) -> None:
    """The error names the file that did not fit, by its final path."""
    with small_disk(tmp_path / "disk", "256k") as run:
        (run / "config.json").write_text("{}", encoding="utf-8")
        if older:
            put_report(run, "old", [PICTURE])
        before = content(run)
        large = "x" * 300_000
        picture = dataclasses.replace(PICTURE, png=large.encode() if name == "one.png" else b"png")
        with pytest.raises(OSError, match="No space left on device") as caught:
            put_report(run, large if name == "index.html" else "new", [picture])
        assert caught.value.filename == str(run / "report" / name)
        assert content(run) == before
        assert {p.name for p in run.iterdir()} == {"config.json", *(["report"] if older else [])}


@pytest.mark.parametrize("older", [True, False])
def test_a_report_that_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, older: bool
) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    if older:
        put_report(tmp_path, "old", [PICTURE])
    before = content(tmp_path)
    kept = Path.replace

    def full(self: Path, target: Path) -> Path:
        if self.name != "new":  # moving the older report aside works
            return kept(self, target)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        put_report(tmp_path, "new", [PICTURE])
    monkeypatch.undo()
    assert content(tmp_path) == before
    assert {p.name for p in tmp_path.iterdir()} == {"config.json", *(["report"] if older else [])}


def test_a_failing_figure_leaves_the_run(
    reported: Reported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    shutil.copytree(reported.run, run)
    before = content(run)

    def broken(*_args: object) -> NoReturn:
        raise RuntimeError("no figure")

    monkeypatch.setattr("jcnn.report.run_page.confusion_matrix", broken)
    with pytest.raises(RuntimeError, match="no figure"):
        write_report(run, reported.model, reported.test, reported.probabilities)
    assert content(run) == before


def test_a_model_without_convolution_and_without_mistakes(
    reported: Reported, tmp_path: Path
) -> None:
    config = dataclasses.replace(runs.read_config(reported.run), model="mlp")
    run = tmp_path / "run"
    runs.create(run, config)
    rows = (reported.run / "history.jsonl").read_text(encoding="utf-8")
    (run / "history.jsonl").write_text(rows, encoding="utf-8")
    perfect = np.eye(10, dtype=np.float32)[reported.test.labels]
    page = read_page(write_report(run, build("mlp", (8, 8, 1), 10), reported.test, perfect))
    sections = [section.attributes["id"] for section in page.root.all("section")]
    assert "filters" not in sections
    assert "maps" not in sections
    assert "None: every prediction is right." in page.section("mistakes").text
    assert page.section("confusion").all("table") == []
    names = {file.name for file in page.file.parent.iterdir()}
    assert names == {
        "index.html",
        *(f"{n}.png" for n in ["accuracy", "loss", "confusion", "calibration"]),
    }


def test_mistakes_have_the_names_of_their_files(reported: Reported, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(reported.run, run)
    files = tuple(f"test/<{i}>.png" for i in range(len(reported.test)))
    test = dataclasses.replace(reported.test, names=files)
    page = read_page(write_report(run, reported.model, test, reported.probabilities))
    unnamed = reported.page.section("mistakes").all("li")
    for item, other in zip(page.section("mistakes").all("li"), unnamed, strict=True):
        row = int(other.all("small")[0].text.removeprefix("no. "))
        assert item.all("small")[0].text == files[row]
    assert "<0>" not in page.html
    assert re.search(r"Test image (\d+), test/<\1>\.png: ", page.section("maps").text)


def test_what_cannot_be_reported_on(reported: Reported, tmp_path: Path) -> None:
    arguments = (reported.model, reported.test, reported.probabilities)
    with pytest.raises(RunError, match="is no run folder"):
        write_report(tmp_path, *arguments)
    shutil.copy(reported.run / "config.json", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"history\.jsonl: no such file"):
        write_report(tmp_path, *arguments)
    for text, reason in (("", "holds no epoch"), ('{"epoch": 1}\n', "is not a history: ")):
        (tmp_path / "history.jsonl").write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=f"history\\.jsonl: {reason}"):
            write_report(tmp_path, *arguments)
    with pytest.raises(ValueError, match=r"^labels: got shape \(359,\)"):
        write_report(reported.run, reported.model, reported.test, reported.probabilities[:5])
