"""`jcnn trace` with several filters, activation functions and dropout."""

import re
from collections.abc import Callable

import pytest

from tests.cli.process import Result

Jcnn = Callable[..., Result]


@pytest.fixture(autouse=True)
def _eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("FORCE_COLOR", raising=False)


FILTERS = ["--input", "1 2; 3 4", "--kernel", "1 2", "--kernel", "3 -4"]


def test_each_kernel_is_a_filter_with_its_bias(jcnn: Jcnn) -> None:
    words = [*FILTERS, "--bias", "-1", "--bias", "5", "--steps", "--check", "4; 10 | 0; -3"]
    result = jcnn("trace", "conv", *words)
    assert "2 kernels of 1x2, stride 1x1, padding 0, dilation 1x1, bias -1 and 5\n" in (
        result.out.replace("\n  ", " ")
    )
    assert re.findall(r"Filter (\d), output \((\d),0\)", result.out) == [
        ("0", "0"),
        ("0", "1"),
        ("1", "0"),
        ("1", "1"),
    ]
    assert "sum: 3 - 16 + bias 5" not in result.out
    assert "sum: 9 - 16 + bias 5 = -2\n" in result.out
    assert "channel 1 (1,0): printed -3, is -2 = 9 - 16 + bias 5\n" in result.out
    assert (result.code, result.err) == (1, "jcnn: --check: 1 of 4 printed figures wrong\n")


def test_im2col_has_a_column_for_each_filter(jcnn: Jcnn) -> None:
    out = jcnn("trace", "im2col", *FILTERS, "--bias", "0", "--bias", "5").out
    assert "(1,0)  3 4     \N{MULTIPLICATION SIGN}    2 -4     +          =   11 -2\n" in out


def test_four_channels_and_two_filters(jcnn: Jcnn) -> None:
    grids = "1 0; 2 1 | 0 3; 1 1 | 2 2; 0 1 | 1 1; 1 0"
    kernels = ["--kernel", "1 | 2 | 0 | -1", "--kernel", "0 | 1 | 1 | 1"]
    result = jcnn("trace", "conv", "--input", grids, *kernels, "--check", "0 5; 3 3 | 3 6; 2 2")
    assert (result.code, result.err) == (0, "")
    assert "8 of 8 printed figures agree." in result.out


def test_relu_step_by_step(jcnn: Jcnn) -> None:
    result = jcnn("trace", "relu", "--input", "-1 2; 3 -4", "--steps", "--check", "0 2; 3 4")
    assert "y = max(x, 0)\n" in result.out
    assert " 3 -4   ->   3 0\n" in result.out
    assert "(1,1): max(-4, 0) = 0\n" in result.out
    assert "(1,1): printed 4, is 0 = max(-4, 0)\n" in result.out
    assert result.code == 1


def test_other_functions_have_their_names(jcnn: Jcnn) -> None:
    out = jcnn("trace", "leaky_relu", "--input", "-5 2").out
    assert "-5  2   ->   -1  2\n" in out
    assert "y = max(x, 0.2 * x)\n" in out
    markdown = jcnn("trace", "sigmoid", "--input", "0 | 2", "--markdown").out
    assert "| 0 | -\\> | 0.5 |\n" in markdown
    assert "<table" in jcnn("trace", "hard_swish", "--input", "0", "--html").out


def test_dropout_shows_the_mask_and_the_scale(jcnn: Jcnn) -> None:
    """`jax.random.bits(key(3), (1, 2, 2, 1), uint16)` is below a half for the last two."""
    result = jcnn("trace", "dropout", "--input", "1 2; 3 4", "--seed", "3", "--steps")
    assert (result.code, result.err) == (0, "")
    rows = re.findall(r"\((\d),(\d)\): (\d) \* ([01]) / \(1 - 0\.5\) = (\d)\n", result.out)
    assert [int(value) for *_, value in rows] == [2 * int(n) * int(on) for *_, n, on, _ in rows]
    assert len(rows) == 4
    dropped = [on for *_, on, _ in rows].count("0")
    assert f"The mask drops {dropped} of 4 numbers." in result.out
    again = jcnn("trace", "dropout", "--input", "1 2; 3 4", "--seed", "3", "--html").out
    assert again.count("<table") == 4
    rounded = jcnn("trace", "dropout", "--input", "1", "--rate", "0.3").out
    assert "round the rate to ≈0.300003" in rounded.replace("\n  ", " ")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["conv", *FILTERS, "--bias", "1"], "bias: got 1 numbers; accepted: none, or 2"),
        (["conv", *FILTERS, "--kernel", "1"], "kernel: got 1x1 in filter 2; accepted: 1x2"),
        (["im2col", *FILTERS, "--kernel", "1 2 | 3 4"], "kernel: got 2 channels; accepted: 1"),
        (["dropout", "--input", "1", "--rate", "1"], "rate: got 1; accepted: 0 <= rate < 1"),
        (["dropout", "--input", "1", "--rate", "x"], "--rate: got 'x'; accepted: a number"),
        (["dropout", "--input", "1", "--seed", "-1"], "seed: got -1; accepted: 0 to"),
        (["relu"], "--input: got none"),
        (["relu", "--input", ";".join(["1 " * 18] * 18), "--steps"], "steps: got 324 numbers"),
    ],
)
def test_a_mistake_is_one_line(jcnn: Jcnn, words: list[str], named: str) -> None:
    result = jcnn("trace", *words)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("jcnn: ")
    assert result.err.count("\n") == 1
    assert named in result.err
