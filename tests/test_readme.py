"""Every Python example of the README runs unchanged and prints what the text says."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def run(block: str, capsys: pytest.CaptureFixture[str]) -> str:
    exec(compile(block, "README.md", "exec"), {})
    return capsys.readouterr().out


@pytest.mark.slow
def test_the_first_example_trains_conv4(capsys: pytest.CaptureFixture[str]) -> None:
    printed = run(BLOCKS[0], capsys)
    assert float(printed.split()[-1]) > 0.93


def test_a_list_of_layers_is_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    lines = run(BLOCKS[1], capsys).splitlines()
    assert int(lines[0]) == (3 * 3 + 1) * 16 + (4 * 4 * 16 + 1) * 10
    assert float(lines[1]) > 0.85
    assert "'max_pooling2d': (1, 4, 4, 16)" in lines[-1]


def test_the_ops_give_the_lectures_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    printed = run(BLOCKS[2], capsys)
    assert printed.count("[4. 3. 5.]") == 3
    assert "False" not in printed


def test_what_auto_takes_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    printed = run(BLOCKS[3], capsys)
    assert [line.split(":")[0] for line in printed.splitlines()] == [
        "forward",
        "by input",
        "by kernel",
    ]


def test_a_model_is_one_page(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run(BLOCKS[4], capsys)
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_there_is_no_other_example() -> None:
    assert len(BLOCKS) == 5
