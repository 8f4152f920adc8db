"""Every experiment runs with --quick and gives the expected numbers."""

import importlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments import drawings, parameters_vs_size
from experiments.command_line import markdown

FOLDER = Path(drawings.__file__).parent
SCRIPTS = sorted(
    file.stem for file in FOLDER.glob("*.py") if "__main__" in file.read_text(encoding="utf-8")
)


def test_the_experiments_are_those_that_the_docs_name() -> None:
    page = (FOLDER.parent / "docs" / "experiments.md").read_text(encoding="utf-8")
    assert SCRIPTS
    assert [name for name in SCRIPTS if f"experiments.{name}" not in page] == []


def test_a_dense_layer_grows_with_the_picture_and_a_convolution_does_not() -> None:
    rows = parameters_vs_size.main([])
    assert [row[1:3] for row in rows] == [
        ["784", "7,850"],
        ["50,176", "501,770"],
        ["1,048,576", "10,485,770"],
    ]
    assert {row[4] for row in rows} == {"320"}
    assert len({row[5] for row in rows}) == 1
    assert rows[0][6] == "192,330"


def test_drawn_pictures_are_seeded_and_differ(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        drawings.draw_folder(tmp_path / name, train=2, test=1, size=32, seed=seed)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.png"))
    assert len(files) == 6 * 3
    pixels = {n: [np.asarray(Image.open(tmp_path / n / file)) for file in files] for n in "abc"}
    np.testing.assert_array_equal(pixels["a"], pixels["b"])
    assert not np.array_equal(pixels["a"], pixels["c"])
    assert len({picture.tobytes() for picture in pixels["a"]}) == len(files)


def test_a_table_in_markdown() -> None:
    assert markdown(["a", "b"], [[1, "x"]]) == "| a | b |\n| --- | --- |\n| 1 | x |"


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_an_experiment_runs_quickly(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    importlib.import_module(f"experiments.{name}").main(["--quick"])
    assert capsys.readouterr().out.strip()
