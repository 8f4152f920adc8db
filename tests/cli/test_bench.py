"""`jcnn bench`: its options, output, files and exit codes."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from jcnn.bench import questions
from jcnn.bench.questions import Question
from jcnn.bench.record import Row
from tests.cli.process import Result

Jcnn = Callable[..., Result]


def asked(monkeypatch: pytest.MonkeyPatch, error: float = 0.0) -> list[tuple[str, int | None]]:
    """Replace the questions with two fakes; return the list of their calls."""
    calls: list[tuple[str, int | None]] = []

    def rows(effort: str, rounds: int | None, notify: Callable[[str], None]) -> list[Row]:
        calls.append((effort, rounds))
        notify("[measuring]")
        return [
            Row("case", "ours", (0.001, 0.002)),
            Row("case", "theirs", (0.004,), error=error, tolerance=1e-3),
        ]

    made = Question("How long?", "ours", rows, lambda rows: [f"{len(rows)} rows"])
    monkeypatch.setattr(questions, "QUESTIONS", {"eager": made, "inside": made})
    return calls


def test_all_questions_are_measured_printed_and_saved(
    jcnn: Jcnn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls = asked(monkeypatch)
    result = jcnn("bench", "--out", tmp_path / "new", "--rounds", "3", "--quick")
    assert result.code == 0
    assert calls == [("quick", 3)] * 2
    for text in ("How long?", "theirs", "4.00 ms", "2.67", "2 rows", "python 3"):
        assert text in result.out
    assert result.err.splitlines() == ["eager: [measuring]", "inside: [measuring]"]
    assert len(list((tmp_path / "new").iterdir())) == 6
    kept = json.loads((tmp_path / "new" / "inside.json").read_text())
    assert kept["command"] == "jcnn bench inside --quick --rounds 3"


def test_one_question(jcnn: Jcnn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls = asked(monkeypatch)
    assert jcnn("bench", "inside", "--full", "--out", tmp_path).code == 0
    assert calls == [("full", None)]
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "inside.json",
        "inside.md",
        "inside.png",
    ]


def test_a_wrong_answer_is_saved_and_changes_the_exit_code(
    jcnn: Jcnn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked(monkeypatch, error=0.2)
    result = jcnn("bench", "eager", "--out", tmp_path)
    assert result.code == 1
    assert result.err.splitlines()[-1] == "jcnn: wrong answers: eager: case, theirs"
    assert "WRONG: 2.0e-01 > 1e-03" in result.out
    assert (tmp_path / "eager.json").exists()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("bench speed", "speed"),
        ("bench --rounds 0", "--rounds: got 0; accepted: an int >= 1"),
        ("bench --rounds many", "--rounds"),
        ("bench --quick --full", "--quick: got --full too; accepted: one of them"),
        ("bench --out FILE", "--out: got FILE, which is a file; accepted: a folder"),
    ],
)
def test_mistakes_are_one_line(
    jcnn: Jcnn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: str, named: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("FILE").touch()
    result = jcnn(*words.split())
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert named in result.err
