"""`jcnn trace --check` detects every misprint of the lectures and accepts correct numbers."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.cli.process import Result
from tests.ops.test_lecture import EXAMPLES

Jcnn = Callable[..., Result]

# Figures of one dense layer; the weights alone, or with the biases.
DENSE = {
    "003_dense784": ("784", "10", "--no-bias"),
    "003_dense224": ("50176", "10", "--no-bias"),
    "003_dense1024": ("1048576", "10", "--no-bias"),
    "003_params_dense": ("25088", "10"),
}
# A size without a grid: nothing is traced (`jcnn summary` tells shapes and counts of models).
OTHER = {
    "001_map",
    "001_quiz",
    "002_pixels",
    "003_params_conv",
    "003_totals",
    "003_steps",
    "003_quarter",
    "004_features",
    "004_similarity",
    "004_shapes",
    "002_count",
}


def text(figures: Any) -> str:
    rows = np.atleast_2d(np.array(figures))
    return "; ".join(" ".join(map(str, row)) for row in rows.tolist())


def words(name: str) -> list[str]:
    """The command that traces an example."""
    example = EXAMPLES[name]
    if name in DENSE:
        return ["trace", "dense", "--count", *DENSE[name]]
    given = ["--input", text(example["input"])]
    match example["op"]:
        case "conv2d_correlation":
            window = ["--padding", example["padding"], "--stride", str(example["stride"])]
            return ["trace", "conv", *given, "--kernel", text(example["kernel"]), *window]
        case "conv1d_correlation":
            return ["trace", "conv", *given, "--kernel", text(example["kernel"])]
        case "maxpool2d":
            window = ["--size", str(example["pool"]), "--stride", str(example["stride"])]
            return ["trace", "pool", *given, *window]
        case _:
            return ["trace", "flatten", *given]


TRACED = [name for name in EXAMPLES if name not in OTHER]


def tables(name: str, key: str) -> list[Any]:
    """The printed tables of an example; every number of a count is a separate table."""
    found = EXAMPLES[name][key]
    return list(found) if name in DENSE and isinstance(found, list) else [found]


@pytest.mark.parametrize("name", TRACED)
def test_the_right_figures_are_accepted(jcnn: Jcnn, name: str) -> None:
    for expected in tables(name, "expected"):
        result = jcnn(*words(name), "--check", text(expected))
        assert (result.code, result.err) == (0, "")
        count = np.size(np.array(expected))
        assert f"\n{count} of {count} printed figures agree.\n" in result.out


@pytest.mark.parametrize("name", [n for n in TRACED if EXAMPLES[n]["printed"] is not None])
def test_the_misprints_and_no_others_are_exposed(jcnn: Jcnn, name: str) -> None:
    example = EXAMPLES[name]
    codes = []
    for table in tables(name, "printed"):
        printed = np.atleast_2d(np.array(table))
        right = np.atleast_2d(np.array(example["expected"]))[: len(printed)]
        result = jcnn(*words(name), "--check", text(table), "--at", "0", "0")
        found = re.findall(r"\n\((\d+),(\d+)\): printed (\d+), is (\d+) = ", result.out)
        expected = [
            (str(r), str(c), str(printed[r, c]), str(right[r, c]))
            for r, c in np.argwhere(printed != right)
        ]
        assert found == expected
        assert result.code == (1 if expected else 0)
        codes.append(result.code)
    assert (max(codes) == 0) == example["printed_agrees"]


def test_the_misprints_are_those_that_are_known() -> None:
    wrong = {name for name, example in EXAMPLES.items() if example.get("printed_agrees") is False}
    assert wrong == {
        "003_valid",
        "003_same",
        "003_second_patch",
        "002_pool_cell",
        "003_dense784",
    }
    assert wrong <= set(TRACED)


def test_no_example_is_left_out() -> None:
    assert set(DENSE) <= set(TRACED)
    assert set(EXAMPLES) == set(TRACED) | OTHER
    assert {EXAMPLES[name]["op"] for name in OTHER} == {"shape_or_count", "fact"}


def test_a_quiz_of_the_size(jcnn: Jcnn) -> None:
    """Width 5, kernel 3, stride 1, no padding; and six filters of 5x5x3 on 32x32x3."""
    quiz = jcnn("trace", "conv", "--input", "1 2 3 4 5", "--kernel", "1 2 3").out
    assert f"= {EXAMPLES['001_quiz']['expected']}\n" in quiz.split("columns: ")[1]


def test_the_slides_own_sum_of_the_second_patch(jcnn: Jcnn) -> None:
    """It multiplies 3 by 1 where the image has 2; the correct products are listed."""
    out = jcnn(*words("003_second_patch"), "--check", "22").out
    assert "(0,0): printed 22, is 20 = 2 + 6 + 2 + 0 + 0 + 2 + 4 + 1 + 3\n" in out
