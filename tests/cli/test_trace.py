"""`jcnn trace`: its output; errors are one line."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.process import Result

Jcnn = Callable[..., Result]
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(autouse=True)
def _eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)


CHECKED = """\
Convolution: input 3x4, kernel 3x3, stride 1x1, padding 0, dilation 1x1, bias 0
Cross-correlation: the kernel is not flipped, as in every CNN library.

input         kernel
0 2 3 1       1 2 2        output
4 2 1 2   *   0 0 1    =   18 20
2 2 1 3       2 1 1

output = floor((n + p - d(k - 1) - 1) / s) + 1, with n the input, p the padding
  of both sides together, d the dilation, k the kernel, s the stride
rows: floor((3 + 0 - 1(3 - 1) - 1) / 1) + 1 = floor(0 / 1) + 1 = 1
columns: floor((4 + 0 - 1(3 - 1) - 1) / 1) + 1 = floor(1 / 1) + 1 = 2

Check of the printed figures

printed   right
 18 !22   18 20

(0,1): printed 22, is 20 = 2 + 6 + 2 + 0 + 0 + 2 + 4 + 1 + 3
1 of 2 printed figures agree, 1 is wrong.
! wrong
"""
LECTURE = ["--input", "0 2 3 1; 4 2 1 2; 2 2 1 3", "--kernel", "1 2 2; 0 0 1; 2 1 1"]


def test_a_misprint_is_exposed(jcnn: Jcnn) -> None:
    """The example of docs/explorer.md."""
    result = jcnn("trace", "conv", *LECTURE, "--check", "18 22")
    assert result == Result(1, CHECKED, "jcnn: --check: 1 of 2 printed figures wrong\n")


def test_the_docs_show_parts_of_it_in_order() -> None:
    page = (Path(__file__).parents[2] / "docs" / "explorer.md").read_text(encoding="utf-8")
    command, shown = re.findall(r"(jcnn trace conv .*)\n```\n```\n((?s:.*?))```", page)[0]
    assert shlex.split(command)[3:] == [*LECTURE, "--check", "18 22"]
    parts = re.split(r"^\.\.\.\n", shown, flags=re.MULTILINE)
    assert len(parts) == 3
    assert parts[0] == ""  # the README omits its first lines
    assert re.search(".*\n".join(map(re.escape, parts)), CHECKED, re.DOTALL)


def test_right_figures_are_exit_code_0(jcnn: Jcnn) -> None:
    result = jcnn("trace", "conv", *LECTURE, "--check", "18 20")
    assert (result.code, result.err) == (0, "")
    assert "2 of 2 printed figures agree." in result.out
    assert "wrong" not in result.out


def test_every_step_in_order(jcnn: Jcnn) -> None:
    words = ["--stride", "2", "1", "--padding", "1", "--dilation", "1", "2", "--bias", "-1"]
    result = jcnn("trace", "conv", *LECTURE, *words, "--steps")
    assert (result.code, result.err) == (0, "")
    steps = re.findall(r"Output (.*): input rows (.*), columns (.*)\n", result.out)
    assert steps == [
        ("(0,0)", "-1, 0, 1", "-1, 1, 3"),
        ("(0,1)", "-1, 0, 1", "0, 2, 4"),
        ("(1,0)", "1, 2, 3", "-1, 1, 3"),
        ("(1,1)", "1, 2, 3", "0, 2, 4"),
    ]
    third = result.out.split("Output (1,0)")[1].split("Output")[0]
    assert "(0)  2   2        1 2 2        0 4 4\n" in third
    assert "(0)  2   3    \N{MULTIPLICATION SIGN}   0 0 1    =   0 0 3\n" in third
    assert "(0) (0) (0)       2 1 1        0 0 0\n" in third
    assert "sum: 0 + 4 + 4 + 0 + 0 + 3 + 0 + 0 + 0 + bias -1 = 10\n" in third
    assert result.out.endswith("( ) padding\n")


@pytest.mark.parametrize(
    "channels",
    [
        ["--input", "1 2", "--input", "3 4", "--kernel", "5 6", "--kernel", "7 8"],
        ["--input", "1 2 | 3 4", "--kernel", "5 6\n\n7 8"],
    ],
)
def test_channels_are_summed_and_then_added(jcnn: Jcnn, channels: list[str]) -> None:
    out = jcnn("trace", "conv", *channels, "--steps").out
    assert "channel 0: 5 + 12 = 17\n" in out
    assert "channel 1: 21 + 32 = 53\n" in out
    assert "sum: 17 + 53 = 70\n" in out


def test_pooling_marks_the_maximum(jcnn: Jcnn) -> None:
    out = jcnn("trace", "pool", "--input", "4 8; 7 1").out
    assert " 4  [8]        8\n" in out
    average = jcnn("trace", "pool", "--input", "4 8; 7 2", "--average", "--steps").out
    assert "(4 + 8 + 7 + 2) / 4 = 5.25\n" in average
    assert "[" not in average


def test_pooling_with_padding(jcnn: Jcnn) -> None:
    words = ["--input", "-4 -8 -7", "--size", "1", "2", "--padding", "same", "--steps"]
    out = jcnn("trace", "pool", *words).out
    assert "[-7]  (-)\n" in out
    assert "max(-7) = -7\n" in out


def test_flatten(jcnn: Jcnn) -> None:
    out = jcnn("trace", "flatten", "--input", "7 6; 5 4 | 3 2; 1 0").out
    assert "i = (r*W + c)*C + k, with W = 2, C = 2\n" in out
    assert "i          0     1     2     3     4     5     6     7\n" in out
    assert "r,c,k  0,0,0 0,0,1 0,1,0 0,1,1 1,0,0 1,0,1 1,1,0 1,1,1\n" in out
    assert "value      7     3     6     2     5     1     4     0\n" in out


def test_dense(jcnn: Jcnn) -> None:
    words = ["--input", "1 2", "--weights", "3 0.5; -4 6", "--bias", "0 9"]
    result = jcnn("trace", "dense", *words, "--check", "-5 21")
    assert "sum: 3 - 8 = -5\n" in result.out
    assert "sum: 0.5 + 12 + bias 9 = 21.5\n" in result.out
    assert "(0,1): printed 21, is 21.5 = 0.5 + 12 + bias 9\n" in result.out
    assert result.code == 1


def test_softmax(jcnn: Jcnn) -> None:
    result = jcnn("trace", "softmax", "--input", "1 2 3", "--check", "0.09 0.24 0.66")
    assert "3    0                1       ≈0.665241\n" in result.out
    assert "sum: ≈0.135335 + ≈0.367879 + 1 = ≈1.50321\n" in result.out
    assert "(0,2): printed 0.66, is ≈0.665241 = exp(0) / ≈1.50321\n" in result.out
    assert result.code == 1


def test_im2col_checks_the_patch_matrix(jcnn: Jcnn) -> None:
    words = ["--input", "1 2 3; 4 5 6", "--kernel", "1 0; 0 10"]
    result = jcnn("trace", "im2col", *words, "--check", "1 2 4 5; 2 3 5 7")
    assert "(0,1)  2 3 5 6" in result.out
    assert "(1,3): printed 7, is 6 = input (1,2)\n" in result.out
    assert result.code == 1


def test_a_picture_through_a_scale(jcnn: Jcnn, tmp_path: Path) -> None:
    Image.fromarray(np.array([[[51, 255, 0]]], np.uint8)).save(tmp_path / "a.png")
    words = ["trace", "flatten", "--input", tmp_path / "a.png"]
    out = jcnn(*words, "--color", "rgb", "--scale", "255").out
    said = "an image in red, green and blue, values 0 to 255, every number divided by 255."
    assert said in " ".join(out.split())
    assert re.search(r"value +0\.2 +1 +0\n", out)
    grey = jcnn(*words).out
    assert "Input: an image in grey (luminance), values 0 to 255.\n" in grey
    assert re.search(r"value +165\n", grey)  # 0.299 * 51 + 0.587 * 255


def test_numbers_that_begin_with_a_sign(jcnn: Jcnn) -> None:
    for kernel in (["--kernel", "-1 0"], ["--kernel", "-1"], ["--kernel=-1,0"]):
        result = jcnn("trace", "conv", "--input", "-2 5", *kernel)
        assert (result.code, result.err) == (0, "")
        assert "Input:" not in result.out
        assert re.search(r"= +2\b", result.out)


@pytest.mark.parametrize("columns", [50, 80])
def test_lines_keep_to_the_terminal(
    jcnn: Jcnn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    picture = np.random.default_rng(6).integers(0, 256, (9, 28))
    np.save(tmp_path / "a.npy", picture)
    words = ["--input", tmp_path / "a.npy", "--kernel", "1 -2; 3 -4", "--padding", "same"]
    for layer in ("conv", "im2col"):
        out = jcnn("trace", layer, *words).out
        assert max(map(len, out.splitlines())) <= columns
    blocks = re.findall(r"input, columns (\d+) to (\d+)\n((?:[ \d]+\n)+)", out)
    assert len(blocks) > 1
    rows = [[line.split() for line in block.splitlines()] for _, _, block in blocks]
    together = np.concatenate([np.array(block, int) for block in rows], axis=1)
    np.testing.assert_array_equal(together, picture)


@pytest.mark.parametrize("way", ["", "--markdown", "--html"])
def test_no_colour_but_in_a_terminal(jcnn: Jcnn, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    words = ["trace", "conv", *LECTURE, "--check", "18 22", "--padding", "0", *way.split()]
    plain = jcnn(*words).out
    assert "\x1b" not in plain
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")  # as Rich reads it: this is a terminal
    coloured = jcnn(*words).out
    assert ESCAPE.sub("", coloured) == plain
    if not way:
        assert "\x1b[1;31m!22\x1b[0m" in coloured
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", jcnn(*words).out)


GRID = ["--input", "1 2; 3 4"]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([], "conv, pool, flatten, dense, softmax, im2col"),
        (["conf"], "conf"),
        (["conv"], "--input: got none; accepted: numbers such as '0 1; 1 0', or a file"),
        (["conv", *GRID], "--kernel: got none"),
        (["conv", "--input", "1 2; 3", "--kernel", "1"], "--input: row 1 has 1 numbers"),
        (["conv", *GRID, "--kernel", "none.csv"], "none.csv: no such file"),
        (["conv", *GRID, "--kernel", "1 | 2"], "kernel: got 2 channels; accepted: 1"),
        (["conv", *GRID, "--kernel", "1 2 3"], "kernel: a window of 1x3"),
        (["conv", *GRID, "--kernel", "1", "--bias", "b"], "--bias: got 'b'; accepted: a number"),
        (["conv", *GRID, "--kernel", "1", "--stride", "0"], "--stride: got 0; accepted: one or"),
        (["conv", *GRID, "--kernel", "1", "--stride", "1", "1", "1"], "--stride: got 1 1 1;"),
        (["conv", *GRID, "--kernel", "1", "--dilation", "0"], "--dilation: got 0;"),
        (["conv", *GRID, "--kernel", "1", "--padding", "full"], "--padding: got 'full'; accepted"),
        (["conv", *GRID, "--kernel", "1", "--padding", "-1"], "--padding"),
        (["conv", *GRID, "--kernel", "1", "--at", "0", "0"], "--at: got no --check"),
        (["conv", *GRID, "--kernel", "1", "--check", "1"], "check: got 1x1 figures; accepted: 2x2"),
        (["conv", *GRID, "--kernel", "1", "--check", "x y"], "--check: row 0: got 'x'"),
        (["conv", *GRID, "--kernel", "1", "--html", "--markdown"], "--markdown: got --html too"),
        (
            ["conv", "--input", ";".join(["1 " * 18] * 18), "--kernel", "1", "--steps"],
            "steps: got 324 output cells; accepted: up to 300: take a part of the input",
        ),
        (
            ["conv", "--input", "1", "--kernel", "1", "--padding", "600"],
            "input: its windows have 1,442,401 numbers in all",
        ),
        (
            ["im2col", "--input", ";".join(["1 " * 60] * 60), "--kernel", "1 1 1"],
            "input: its patch matrix is 3480x3; accepted: up to 10,000 cells",
        ),
        (["pool", "--input", "1"], "kernel: a window of 2x2"),
        (["pool", *GRID, "--padding", "2"], "padding: got 2 for a window of 2x2"),
        (["pool", *GRID, "--size", "0"], "--size: got 0"),
        (["flatten", *GRID, "--scale", "0"], "--scale: got 0; accepted: a number that is not 0"),
        (["flatten", "--input", "1", "--input", "1 2"], "--input: got a channel of 1x2"),
        (["dense", *GRID], "--weights: got none"),
        (["dense", *GRID, "--weights", "1"], "weights: got 1 rows in 1 channels; accepted: 4 rows"),
        (["dense", "--input", "1", "--weights", "1", "--bias", "1 2"], "bias: got 2 numbers"),
        (["dense", "--count", "0", "1"], "count: got 0 1; accepted: two ints >= 1"),
        (["dense", "--count", "1", "1", *GRID], "--count: got --input"),
        (["dense", *GRID, "--weights", "1", "--no-bias"], "--no-bias: got no --count"),
    ],
)
def test_a_mistake_is_one_line(
    jcnn: Jcnn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], named: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = jcnn("trace", *words)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("jcnn: ")
    assert result.err.count("\n") == 1
    assert named in result.err
