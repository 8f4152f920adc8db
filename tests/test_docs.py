"""Every Python example of README and docs runs as written and prints what its text promises."""

import re
from pathlib import Path

import pytest

from jcnn.interop.pretrained import weights_file
from jcnn.models import count_params
from jcnn.models.file import ModelFile

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def run(block: str, capsys: pytest.CaptureFixture[str]) -> str:
    exec(compile(block, "example", "exec"), {})
    return capsys.readouterr().out


def after_training(printed: str) -> list[str]:
    """The lines without those of `fit`."""
    lines = printed.splitlines()
    return [x for x in lines if not x.startswith(("compiling ...", "epoch ", "note: "))]


@pytest.mark.slow
def test_the_first_example_trains_conv4(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = blocks("README.md")
    assert float(run(block, capsys).split()[-1]) > 0.93


def test_a_list_of_layers_is_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    block, *_ = blocks("docs/models.md")
    lines = after_training(run(block, capsys))
    assert int(lines[0]) == (3 * 3 + 1) * 16 + (4 * 4 * 16 + 1) * 10
    assert float(lines[1]) > 0.85
    assert "'max_pooling2d': (1, 4, 4, 16)" in lines[-1]


def test_a_model_file_builds_a_model() -> None:
    _, block, *_ = blocks("docs/models.md")
    assert count_params(ModelFile("net.py", "small", block).build((8, 8, 1), 10)) == 10410


def test_a_model_is_saved_and_loaded(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = (text for text in blocks("docs/training.md") if "runs.save" in text)
    run(block, capsys)
    assert (tmp_path / "runs" / "given" / "config.json").exists()


def test_a_residual_block_is_a_module(capsys: pytest.CaptureFixture[str]) -> None:
    _, _, block, *_ = blocks("docs/models.md")
    assert run(block, capsys) == "(2, 8, 8, 16)\n"


def test_an_own_loss_trains_two_tags(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = (text for text in blocks("docs/training.md") if "sigmoid" in text)
    assert float(run(block, capsys).split()[-1]) > 0.85


def test_the_ops_give_the_lectures_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    printed = run(blocks("docs/convolution.md")[0], capsys)
    assert printed.count("[4. 3. 5.]") == 3
    assert "False" not in printed


def test_the_choice_of_auto_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    printed = run(blocks("docs/convolution.md")[1], capsys)
    names = [line.split(":")[0] for line in printed.splitlines()]
    assert [name for name in names if name in ("forward", "by input", "by kernel")] == [
        "forward",
        "by input",
        "by kernel",
    ]


def test_a_model_is_one_page(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = blocks("docs/explorer.md")
    run(block, capsys)
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_trained_network_says_what_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    *_, block, _ = blocks("docs/models.md")
    try:
        weights_file("efficientnet_lite0")
    except ValueError as error:
        pytest.skip(str(error))
    said = "resized to 224 x 224 (crop), RGB, (x / 255 - 0.498) / 0.502\n"
    assert run(block, capsys) == said


def test_a_model_as_a_graph(capsys: pytest.CaptureFixture[str]) -> None:
    *_, block = blocks("docs/models.md")
    assert run(block, capsys) in (ROOT / "docs/models.md").read_text(encoding="utf-8")


def test_a_model_for_other_libraries(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = blocks("docs/interop.md")
    names = tuple(str(digit) for digit in range(10))
    assert run(block, capsys) == f"{names} None ()\n"
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == ["conv1.onnx", "conv1.onnx.json"]


def test_there_is_no_other_example() -> None:
    assert sum(len(blocks(str(page.relative_to(ROOT)))) for page in PAGES) == 12


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_files_that_the_docs_name_exist() -> None:
    """A path in backticks with a folder and a suffix is a file of the repository."""
    for page in (*PAGES, ROOT / "CONTRIBUTING.md"):
        text = page.read_text(encoding="utf-8")
        for path in re.findall(r"`([a-z_]+/[\w./-]+\.(?:py|cc|js|json|md))`", text):
            if "NAME" in path:  # of a recipe
                continue
            places = (ROOT, ROOT / "jcnn", ROOT / "jcnn/ops/conv")
            assert any((place / path).exists() for place in places), f"{page.name}: {path}"
