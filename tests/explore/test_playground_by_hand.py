"""Interaction with the playground: windows, animation, the exercise."""

from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page

from tests.explore.playground_browser import (
    choose,
    entry,
    output_cell,
    outputs,
    playground,
    playground_as_left,
    playground_tab,
    set_field,
)
from tests.ops.conv import oracle

tab = playground_tab
page = playground
as_left = playground_as_left

# A setInterval under control of the test: `tick()` runs the callback, null if none is set.
_BY_HAND = """() => {
  globalThis.tick = null;
  globalThis.setInterval = (turn) => ((globalThis.tick = turn), 1);
  globalThis.clearInterval = () => (globalThis.tick = null);
}"""


def said(page: Page) -> str:
    last: str = page.evaluate("said.at(-1)")
    return last


def marked_inputs(page: Page) -> Any:
    """The marked cells of the padded inputs, one grid per channel."""
    return page.eval_on_selector_all(
        ".pg-line figure:first-child .pg-grid",
        "grids => grids.map(g => [...g.children].map(row => [...row.children].map("
        "cell => cell.classList.contains('pg-marked'))))",
    )


def values(page: Page, selector: str) -> list[float]:
    found: list[float] = page.eval_on_selector_all(
        selector,
        "all => all.map(e => Number((e.querySelector('[data-value]') ?? e).dataset.value))",
    )
    return found


# --- the window and its working -------------------------------------------------------------------


def test_a_cell_marks_its_window_and_shows_its_products(page: Page) -> None:
    """Three channels, stride, dilation and uneven padding, against the cells the oracle reads."""
    random = np.random.default_rng(3)
    x = random.integers(-9, 10, (3, 6, 5)) / 4
    kernel = random.integers(-9, 10, (3, 2, 2)) / 4
    choices = {"operation": "conv", "size": [6, 5], "kernel": [2, 2], "stride": [2, 1]}
    choices |= {"dilation": [3, 1], "padding": "same"}
    play = {"example": None, "choices": choices, "inputs": x.tolist(), "kernels": kernel.tolist()}
    play |= {"at": None, "filled": None, "answers": None, "hint": False}
    page.evaluate("playground => draw({ playground })", play)
    touches = list(oracle.touches((6, 5), (2, 2), (2, 1), "SAME", (3, 1)))
    for place in [(0, 0), (1, 2), (2, 4)]:
        output_cell(page, *place).hover()
        cells = {touch.tap: touch.cell for touch in touches if touch.out == place}
        marked = np.array(marked_inputs(page))
        assert marked.shape == (3, 8, 6)  # a row on both sides, a column after
        assert (marked.sum(axis=(1, 2)) == 4).all()
        inside = marked[:, 1:7, :5]
        assert {tuple(cell) for cell in np.argwhere(inside[0]).tolist()} == set(cells.values())
        assert (marked == marked[0]).all()
        products = [
            x[(channel, *cells[i, j])] * kernel[channel, i, j] if (i, j) in cells else 0
            for channel in range(3)
            for i in range(2)
            for j in range(2)
        ]
        np.testing.assert_array_equal(values(page, ".pg-result"), products)
        sums = np.sum(np.reshape(products, (3, 4)), axis=1)
        np.testing.assert_array_equal(values(page, ".pg-channel-sum"), sums)
        assert values(page, ".pg-total") == [sums.sum()]
        assert outputs(page)[0][place[0]][place[1]] == sums.sum()
        padded = page.locator(".pg-product.pg-padding").count()
        assert padded == 3 * (4 - len(cells))


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        ("max_pool", "largest of 5, \u22122, 4, 3 = 5"),
        ("average_pool", "(5 + (\u22122) + 4 + 3) ÷ 4 = 2.5"),
        ("flatten", "slot (0 \u00d7 4 + 3) \u00d7 1 + 0 = 3"),
    ],
)
def test_other_operations_say_what_they_do(page: Page, operation: str, text: str) -> None:
    choose(page, "000_pool")
    for column, number in [(2, "5"), (3, "-2")]:
        entry(page, "Input", 0, column).fill(number)
    entry(page, "Input", 1, 3).fill("3")
    page.locator("[name=operation]").select_option(operation)
    output_cell(page, 0, 3 if operation == "flatten" else 1).focus()
    assert page.locator(".pg-working .pg-sum").text_content() == text
    marked = np.argwhere(marked_inputs(page)[0]).tolist()
    assert marked == ([[0, 3]] if operation == "flatten" else [[0, 2], [0, 3], [1, 2], [1, 3]])


def test_numbers_are_typed(page: Page) -> None:
    """Every key takes effect immediately; text that is not a number is refused; Esc restores."""
    field = entry(page, "Input", 0, 2)
    field.fill("10.5")
    assert outputs(page)[0][0] == [12.5, 0, 1]
    assert page.locator("[name=example]").input_value() == ""
    field.press("Escape")
    assert field.input_value() == "1"
    assert outputs(page)[0][0] == [3, 0, 1]
    field.fill("ten")
    assert field.get_attribute("aria-invalid") == "true"
    assert outputs(page)[0][0] == [3, 0, 1]
    field.blur()
    assert said(page) == "row 0, column 2: got 'ten'; accepted: a number such as 2, -1 or 0.5"
    assert field.input_value() == "1"
    entry(page, "Kernel", 2, 0).fill("\u22122")  # as a minus is printed
    assert outputs(page)[0][0] == [0, 0, 1]


def test_a_refused_choice_says_why_and_is_mended(page: Page) -> None:
    set_field(page, "kernel_0", "7")
    reason = (
        "kernel: a window of 7x3 (kernel 7x3, dilation 1x1) does not fit an input of 5x5 "
        "with padding ((0, 0), (0, 0))"
    )
    assert page.locator(".pg-reason").text_content() == reason
    assert said(page) == f"Invalid setting: {reason}"
    invalid = page.locator("form [aria-invalid]")
    names = [invalid.nth(i).get_attribute("name") for i in range(invalid.count())]
    assert names == ["kernel_0", "kernel_1", "dilation_0", "dilation_1"]
    page.locator("[name=padding]").select_option("number")
    assert page.locator(".pg-refusal").is_hidden()
    assert said(page) == "The output has 1 \u00d7 5 cells."
    assert page.locator("form [aria-invalid]").count() == 0


def test_the_walk_visits_all_positions_in_order(page: Page) -> None:
    """Later cells are empty until the window reaches them; pause, back and reset."""
    page.evaluate(_BY_HAND)
    choose(page, "000_valid")

    def filled() -> list[int]:
        cells = page.locator(".pg-outputs .pg-cell span")
        return [i for i in range(9) if cells.nth(i).is_visible()]

    assert filled() == list(range(9))
    page.locator("button[name=play]").click()
    for step in range(9):
        assert filled() == list(range(step + 1))
        heading = page.locator(".pg-working h3").text_content()
        assert heading == f"Output ({step // 3}, {step % 3})"
        assert said(page).startswith(f"row {step // 3}, column {step % 3}: ")
        assert page.locator("button[name=play]").text_content() == ("Pause" if step < 8 else "Play")
        page.evaluate("tick?.()")
    assert page.evaluate("tick") is None
    page.locator("button[name=back]").click()
    assert filled() == list(range(8))
    page.locator("button[name=reset]").click()
    assert filled() == list(range(9))
    assert page.locator(".pg-marked").count() == 0
    page.locator("button[name=step]").click()
    page.locator("button[name=step]").click()
    assert filled() == [0, 1]
    page.locator("button[name=play]").click()
    page.locator("button[name=play]").click()
    assert page.evaluate("tick") is None
    assert filled() == [0, 1, 2]


# --- the exercise ---------------------------------------------------------------------------------


def test_the_exercise_marks_right_and_wrong(page: Page) -> None:
    choose(page, "000_exercise_same")
    expected = [[1, 0, 2, 0, 0], [0, 1, 0, 3, 0], [2, 0, 2, 0, 2], [0, 3, 0, 1, 0], [0, 0, 2, 0, 1]]
    cells = page.locator(".pg-outputs input")
    assert [cells.nth(i).input_value() for i in range(cells.count())] == [""] * 25

    def answer(row: int, column: int, text: str) -> str | None:
        field = output_cell(page, row, column)
        field.fill(text)
        field.blur()
        return field.locator("xpath=..").get_attribute("data-mark")

    assert answer(0, 0, "1") == "right"
    assert said(page) == "row 0, column 0: right. 1 of 25 right"
    assert answer(0, 1, "1") == "wrong"
    assert said(page) == "row 0, column 1: not yet. 1 of 25 right"
    assert output_cell(page, 0, 1).get_attribute("aria-invalid") == "true"
    assert answer(0, 2, "two") == "no_number"
    assert answer(0, 2, "2") == "right"  # full width, as a Japanese keyboard has it
    assert answer(0, 2, "") == "empty"

    output_cell(page, 0, 2).focus()
    assert page.locator(".pg-product").count() == 0
    page.locator("button[name=hint]").click()
    assert sum(values(page, ".pg-result")) == 2
    assert page.locator(".pg-working strong").count() == 0  # the sum is not shown
    assert said(page).endswith("Add up these products.")
    page.locator("button[name=show_me]").click()
    assert output_cell(page, 0, 2).input_value() == "2"
    assert page.locator(".pg-progress").text_content() == "2 of 25 right, 1 of them shown"
    assert values(page, ".pg-working strong") == [2]

    for row, column in np.ndindex(5, 5):
        if (row, column) not in {(0, 0), (0, 2)}:
            assert answer(row, column, str(expected[row][column])) == "right"
    assert said(page).endswith("25 of 25 right, 1 of them shown All right!")
    page.locator("button[name=start_again]").click()
    assert cells.nth(0).input_value() == ""
    assert page.locator(".pg-progress").text_content() == "0 of 25 right"


@pytest.mark.parametrize(
    ("answer", "right", "mark"),
    [
        ("3", 3, "right"),
        (" 3.0 ", 3, "right"),
        ("\u22123", -3, "right"),
        ("ー3.5", -3.5, "right"),
        ("0.3", 0.1 * 3, "right"),
        ("0.33", 1 / 3, "right"),
        ("0.34", 1 / 3, "wrong"),
        ("0.3", 1 / 3, "wrong"),
        ("3", 3.001, "wrong"),
        ("", 0, "empty"),
        ("0x1", 1, "no_number"),
        ("1 2", 12, "no_number"),
        ("Infinity", 1, "no_number"),
        ("1e999", 1, "no_number"),
    ],
)
def test_an_answer_is_judged(as_left: Page, answer: str, right: float, mark: str) -> None:
    assert as_left.evaluate("([answer, right]) => judged(answer, right)", [answer, right]) == mark


def test_misprints_are_not_told_to_who_works_it_out(page: Page) -> None:
    choose(page, "003_valid")
    assert page.locator(".pg-misprint").count() == 2
    page.locator(".pg-turn").click()
    assert page.locator(".pg-misprint").count() == 0
    assert page.locator(".pg-notes").text_content() == ""
    page.locator(".pg-turn").click()
    assert page.locator(".pg-notes li").count() == 2
