"""The playground's numbers in a real browser: every example, and random ones against the oracle."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page

from jcnn import ops
from tests.explore.playground_browser import (
    choose,
    outputs,
    playground,
    playground_as_left,
    playground_tab,
    set_field,
)
from tests.ops.conv import oracle
from tests.ops.conv.refusals import refusal

tab = playground_tab
page = playground
as_left = playground_as_left

FILE = Path(__file__).parents[1] / "cases" / "lecture_examples.json"
EXAMPLES: dict[str, Any] = (
    {example["id"]: example for example in json.loads(FILE.read_text())["examples"]}
    if FILE.exists()
    else {}
)
GRIDS = [name for name, e in EXAMPLES.items() if e["op"] not in ("shape_or_count", "fact")]
COUNTS = [name for name, e in EXAMPLES.items() if e["op"] in ("shape_or_count", "fact")]
needs_file = pytest.mark.skipif(not EXAMPLES, reason=f"the lectures' examples are not at {FILE}")


@needs_file
def test_no_example_of_the_lectures_is_left_out(page: Page) -> None:
    presets = page.evaluate("EXAMPLES.map(({id, lecture}) => [id, lecture])")
    counts = page.evaluate("CALCULATIONS.map(({id, lecture}) => [id, lecture])")
    expected = {name: example["lecture"][0] for name, example in EXAMPLES.items()}
    assert dict(presets) | dict(counts) == expected
    # The picture that the fact counts is a preset, too.
    assert {name for name, _ in presets} == {*GRIDS, "002_count"}
    assert [name for name, _ in presets[:2]] == ["000_exercise_same", "000_exercise_valid"]
    listed = page.eval_on_selector_all("[name=example] option", "all => all.map(o => o.value)")
    more = page.evaluate("MORE_EXAMPLES.map(({id}) => id)")  # without numbers on the slides
    assert sorted(listed) == sorted(["", *(name for name, _ in presets), *more])


@needs_file
@pytest.mark.parametrize("name", GRIDS)
def test_a_preset_gives_what_the_lecture_should_have(as_left: Page, name: str) -> None:
    """Exactly the misprinted cells are marked, each with the printed number."""
    example = EXAMPLES[name]
    choose(as_left, name)
    if as_left.locator(".pg-turn").get_attribute("aria-pressed") == "true":
        assert "exercise" in name
        as_left.locator(".pg-turn").click()
    expected = np.atleast_2d(example["expected"])
    np.testing.assert_array_equal(outputs(as_left)[0], expected)
    play = as_left.evaluate("state.playground")
    np.testing.assert_array_equal(play["inputs"], [np.atleast_2d(example["input"])])
    if "kernel" in example:
        np.testing.assert_array_equal(play["kernels"], [np.atleast_2d(example["kernel"])])
    assert play["choices"]["padding"] == example.get("padding", "valid")
    assert play["choices"]["stride"] == [example.get("stride", 1)] * 2

    printed = np.atleast_2d(example["printed"]) if example.get("printed") is not None else expected
    shown = {
        (row, column): int(printed[row, column])
        for row, column in zip(*np.nonzero(printed != expected[: len(printed)]), strict=True)
    }
    marked = as_left.eval_on_selector_all(
        ".pg-misprint",
        "all => all.map(({dataset, lastChild, ariaLabel}) =>"
        " [Number(dataset.row), Number(dataset.column), lastChild.textContent, ariaLabel])",
    )
    assert {(row, column): int(text) for row, column, text, _ in marked} == shown
    for row, column, text, label in marked:
        right = expected[row, column]
        assert label == f"row {row}, column {column}: {right}; the slide prints {text}"
    notes = as_left.locator(".pg-notes li").all_text_contents()
    assert notes == [
        f"({row}, {column}): the slide prints {text}; the correct value is {expected[row, column]}."
        for (row, column), text in shown.items()
    ]


@needs_file
@pytest.mark.parametrize("name", COUNTS)
def test_a_size_or_count_is_computed(as_left: Page, name: str) -> None:
    example = EXAMPLES[name]
    expected = example["count" if example["op"] == "fact" else "expected"]
    found = as_left.evaluate(f"calculated(CALCULATIONS.find(({{id}}) => id === '{name}').result)")
    assert found == expected
    row = as_left.locator(f"tr[data-example='{name}']")
    values = row.locator("[data-value]").evaluate_all("all => all.map(e => +e.dataset.value)")
    assert values == np.ravel(expected).tolist()
    misprint = as_left.evaluate(f"CALCULATIONS.find(({{id}}) => id === '{name}').printed")
    assert (misprint is None) == (example.get("printed_agrees") is not False)
    assert misprint is None or (misprint in example["printed"] and misprint != expected)


# --- random ones ----------------------------------------------------------------------------------


def random_choices(random: np.random.Generator, operation: str) -> dict[str, Any]:
    """Sizes of which many do not fit; all kinds of padding; for "any" sometimes a zero."""

    def pair(most: int) -> list[int]:
        least = 0 if operation == "any" and random.random() < 0.1 else 1
        return [int(n) for n in random.integers(least, most, 2)]

    return {
        "operation": operation,
        "size": pair(9),
        "kernel": pair(5),
        "stride": pair(4),
        "dilation": pair(4) if operation in ("conv", "any") else [1, 1],
        "padding": random.choice(np.array(["valid", "same", 0, 1, 2, 3, -1], object)),
    }


def python_padding(padding: Any) -> Any:
    return padding.upper() if isinstance(padding, str) else padding


def test_windows_are_those_of_resolve_window(as_left: Page) -> None:
    """The same numbers and the same refusals, word for word."""
    random = np.random.default_rng(1)
    cases = [random_choices(random, "any") for _ in range(1000)]
    cases += [{**cases[0], "size": [4, 5], "kernel": [2, 1.5]}, {**cases[0], "size": [4, ""]}]
    found = as_left.evaluate(
        """cases => cases.map((c) => {
          const window = resolveWindow(c.size, c.kernel, c.stride, c.padding, c.dilation);
          if (!window.refusal) return [window.padding, window.span, window.outSize];
          const { word, values } = window.refusal;
          return playgroundWords.en[word].replace(/\\{(\\w+)\\}/g, (_, name) => values[name]);
        })""",
        cases,
    )
    refused = 0
    for case, answer in zip(cases, found, strict=True):
        size: tuple[int, int] = tuple(case["size"])
        kernel: tuple[int, int] = tuple(case["kernel"])

        def resolve(case: dict[str, Any] = case) -> ops.Window:
            return ops.resolve_window(
                case["size"],
                tuple(case["kernel"]),
                stride=tuple(case["stride"]),
                padding=python_padding(case["padding"]),
                dilation=tuple(case["dilation"]),
            )

        if isinstance(answer, str):
            refused += 1
            assert answer == refusal(resolve)
            continue
        window = resolve()
        assert answer == [
            [list(pads) for pads in window.padding],
            list(window.span),
            list(window.out_size),
        ]
        stride, dilation = tuple(case["stride"]), tuple(case["dilation"])
        padding = python_padding(case["padding"])
        assert tuple(answer[2]) == oracle.out_size(size, kernel, stride, padding, dilation)
    assert 200 < refused < 800


@pytest.mark.parametrize(
    "operation",
    [
        "conv",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("max_pool", "average_pool", "flatten")
        ),
    ],
)
def test_random_numbers_against_the_oracle(as_left: Page, operation: str) -> None:
    """The output on the page, in up to three channels; or the error message of jcnn."""
    random = np.random.default_rng(2)
    refused = 0
    for _ in range(15):
        choices = random_choices(random, operation)
        channels = int(random.integers(1, 4))
        x = random.integers(-40, 60, (*choices["size"], channels)) / 8
        kernel = random.integers(-20, 30, (*choices["kernel"], channels)) / 8
        play = {
            "example": None,
            "choices": choices,
            "inputs": np.moveaxis(x, -1, 0).tolist(),
            "kernels": np.moveaxis(kernel, -1, 0).tolist(),
            "at": None,
            "filled": None,
            "answers": None,
            "hint": False,
        }
        as_left.evaluate("playground => draw({ playground })", play)

        def compute(choices: dict[str, Any] = choices, x: Any = x, kernel: Any = kernel) -> Any:
            words: dict[str, Any] = {
                "stride": tuple(choices["stride"]),
                "padding": python_padding(choices["padding"]),
            }
            window = tuple(choices["kernel"])
            if operation == "conv":
                return ops.conv2d(x[None], kernel[..., None], dilation=choices["dilation"], **words)
            if operation == "flatten":
                return ops.flatten(x[None])
            op = ops.max_pool2d if operation == "max_pool" else ops.avg_pool2d
            return op(x[None].astype("float32"), window, **words)

        if as_left.locator(".pg-refusal").count():
            refused += 1
            assert as_left.locator(".pg-reason").text_content() == refusal(compute)
            assert as_left.locator(".pg-stage").is_hidden()
            continue
        found = np.stack(outputs(as_left), axis=-1)
        np.testing.assert_allclose(found, expected_of(operation, choices, x, kernel), atol=1e-12)
        sizes = as_left.locator(".pg-formula [data-value]").evaluate_all(
            "all => all.map(e => Number(e.dataset.value))"
        )
        assert sizes == ([found.size] if operation == "flatten" else list(found.shape[:2]))
    assert refused > 1 or operation == "flatten"


def expected_of(operation: str, choices: dict[str, Any], x: Any, kernel: Any) -> Any:
    if operation == "flatten":
        return x.reshape(1, -1, 1)
    stride = tuple(choices["stride"])
    padding = python_padding(choices["padding"])
    if operation == "conv":
        dilation = tuple(choices["dilation"])
        return oracle.conv2d(
            x[None], kernel[..., None], stride=stride, padding=padding, dilation=dilation
        )[0]
    op = oracle.max_pool2d if operation == "max_pool" else oracle.avg_pool2d
    return op(x[None], tuple(choices["kernel"]), stride=stride, padding=padding)[0]


def test_what_is_too_large_for_the_page_is_refused(page: Page) -> None:
    set_field(page, "size_0", "17")
    reason = "in_hw: got 17; accepted: up to 16, as many cells as this page draws"
    assert page.locator(".pg-reason").text_content() == reason
    set_field(page, "size_0", "16")
    assert np.shape(outputs(page)) == (1, 14, 3)
    set_field(page, "dilation_0", "9")
    page.locator("[name=padding]").select_option("same")
    reason = "padding: the padded input would be 34x7; accepted: up to 32x32, as many cells as"
    assert reason in (page.locator(".pg-reason").text_content() or "")
