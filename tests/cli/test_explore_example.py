"""`jcnn explore --example`: a lecturer's own exercises as a page; errors name the line."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.process import Result

Jcnn = Callable[..., Result]

FILE = """\
# Two exercises.
title: Mean <b>of</b> neighbours
lecture: B
slide: 12
input: 1 2 3; 4 5 6
kernel: 0.5 0.5
kernel: 1 -1
bias: 0 2
relu: yes
exercise: yes

---
operation: max_pool
input: 1 2 3 4; 4 5 6 7 | 0 0 1 1; 2 2 3 3
note: The windows do not overlap.
---
operation: dropout
rate: 0.25
seed: 7
input: 1 2 3
"""


def examples_of(page: Path) -> list[dict[str, Any]]:
    found = re.search(r'<script id="examples".*?>(.*?)</script>', page.read_text("utf-8"), re.S)
    assert found is not None
    examples: list[dict[str, Any]] = json.loads(found.group(1))
    return examples


def test_the_examples_are_in_the_page(jcnn: Jcnn, tmp_path: Path) -> None:
    file, out = tmp_path / "week3.txt", tmp_path / "page.html"
    file.write_text(FILE, encoding="utf-8")
    assert jcnn("explore", "--example", file, "--out", out) == Result(0, f"{out}\n", "")
    first, second, third = examples_of(out)
    assert (first["title"], first["lecture"], first["slide"]) == (
        "Mean <b>of</b> neighbours",
        "B",
        "12",
    )
    assert first["inputs"] == [[[1, 2, 3], [4, 5, 6]]]
    assert first["kernels"] == [[[[0.5, 0.5]]], [[[1, -1]]]]
    assert (first["bias"], first["more"], first["exercise"]) == (
        [0, 2],
        {"relu": True, "bias": True},
        True,
    )
    assert (second["title"], second["stride"], len(second["inputs"])) == ("week3 2", [2, 2], 2)
    assert (third["more"]["rate"], third["more"]["seed"]) == (0.25, 7)
    text = out.read_text("utf-8")
    assert "<title>week3</title>" in text
    assert str(tmp_path) not in text


GIVEN = "input: 1 2; 3 4\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty; accepted: lines such as 'input: 0 1; 1 0'"),
        ("inputs: 1\n", "line 1: got 'inputs'; accepted: NAME: VALUE with a name of title"),
        ("inputs: 1\n", "did you mean 'input'?"),
        ("\n# x\nhello\n", "line 3: got 'hello'; accepted: NAME: VALUE"),
        ("kernel: 1\n", "line 1: input: got none; accepted: numbers"),
        (GIVEN, "line 1: kernel: got none"),
        (GIVEN + "kernel: 1 x\n", "line 2: kernel: row 0: got 'x'; accepted: a number"),
        (GIVEN + "kernel: 1 2; 3\n", "line 2: kernel: row 1 has 1 numbers; accepted: 2"),
        (GIVEN + "kernel: 1\nkernel: 1 2\n", "line 3: kernel: got 1x2; accepted: 1x1"),
        (GIVEN + "kernel: 1 | 2\n", "line 2: kernel: got 2 channels; accepted: 1"),
        (GIVEN + "kernel: 1 2 3\n", "line 2: kernel: a window of 1x3"),
        (GIVEN + "kernel: 1\nbias: 1 2\n", "line 3: bias: got 2 numbers; accepted: 1"),
        (GIVEN + "kernel: 1\nstride: 0\n", "line 3: stride: got '0'; accepted: one or two ints"),
        (GIVEN + "kernel: 1\npadding: full\n", "line 3: padding: got 'full'; accepted: valid"),
        (GIVEN + "kernel: 1\nrelu: maybe\n", "line 3: relu: got 'maybe'; accepted: yes, no"),
        (GIVEN + "kernel: 1\ninput: 2\n", "line 3: input: got twice; accepted: once"),
        (GIVEN + "kernel: 1\nrate: 0.5\n", "line 3: rate: is not taken by conv; accepted"),
        (GIVEN + "operation: pool\n", "line 2: operation: got 'pool'; accepted: conv, max_pool"),
        (GIVEN + "operation: dropout\nrate: 1\n", "line 3: rate: got '1'; accepted: 0 <= rate"),
        (GIVEN + "operation: dropout\nseed: 0.5\n", "line 3: seed: got '0.5'; accepted: an int"),
        (GIVEN + "operation: dense\nweights: 1\n", "line 3: weights: got 1 rows; accepted: 4"),
        (GIVEN + "operation: max_pool\nwindow: 3\n", "line 3: window: a window of 3x3"),
        (GIVEN + "operation: max_pool\npadding: 2\n", "line 3: padding: got 2; accepted: less"),
        ("input: " + "1 " * 17 + "\nkernel: 1\n", "line 1: input: got 1x17; accepted: up to 16"),
        (GIVEN + "kernel: 1\n---\nkernel: 1\n", "line 4: input: got none"),
        (GIVEN + "kernel: 1\nkernel: 2\nprinted: 1 2; 3 4\n", "line 4: printed: got an output of"),
    ],
)
def test_a_fault_is_one_line_that_names_the_line(
    jcnn: Jcnn, tmp_path: Path, text: str, message: str
) -> None:
    file, out = tmp_path / "a.txt", tmp_path / "page.html"
    file.write_text(text, encoding="utf-8")
    result = jcnn("explore", "--example", file, "--out", out)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("jcnn: ")
    assert result.err.count("\n") == 1
    assert message in result.err
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "RUN|MODEL: got none; accepted: a run folder"),
        (["conv1", "--example", "a.txt"], "--example: got a model or images too"),
        (["--half", "--example", "a.txt"], "--example: got a model or images too"),
        (["--maximise", "1", "--example", "a.txt"], "--example: got a model or images too"),
        (["--over-epochs", "--example", "a.txt"], "--example: got a model or images too"),
        (["--top-images", "5", "--example", "a.txt"], "--example: got a model or images too"),
        (["--trust", "--example", "a.txt"], "--example: got a model or images too"),
        (["--example", "none.txt"], "none.txt: no such file"),
        (["--example", "."], "not a regular file"),
    ],
)
def test_what_the_command_refuses(
    jcnn: Jcnn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = jcnn("explore", *words)
    assert result.code == 2
    assert message in result.err
    assert result.err.count("\n") == 1


def test_a_file_that_is_not_text(jcnn: Jcnn, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"input: \xff\xfe")
    result = jcnn("explore", "--example", tmp_path / "a.txt")
    assert "a.txt: not text in UTF-8; accepted: a text file" in result.err
