"""The state of the playground is in the address, and is restored from it."""

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.explore.playground_browser import choose, entry, output_cell, outputs, set_field
from tests.explore.small import OpenPage, html

STATE = """() => ({
  options: [...document.querySelectorAll(".pg-choices [name], [name=example]")].map((e) => e.value),
  cells: [...document.querySelectorAll(".pg-grid [data-row]")].map(
    (cell) => [cell.closest(".pg-grid").ariaLabel, cell.dataset.row, cell.dataset.column,
      cell.value ?? cell.querySelector("[data-value]")?.dataset.value]),
  turn: document.querySelector(".pg-turn").getAttribute("aria-pressed"),
  working: document.querySelector(".pg-working").textContent,
})"""


@pytest.fixture
def opened(browser_page: OpenPage) -> Page:
    page: Page = browser_page(html())
    page.locator('#pages button:text-is("Playground")').click()
    return page


def comes_back(page: Page) -> dict[str, Any]:
    """Load the address in a new page, and compare everything visible."""
    before = page.evaluate(STATE)
    page.reload()
    page.wait_for_selector("body[data-ready=true]")
    assert page.evaluate(STATE) == before
    return dict(before)


def test_an_example_and_the_place_in_it(opened: Page) -> None:
    choose(opened, "003_valid")
    output_cell(opened, 1, 2).click()
    before = comes_back(opened)
    assert "example=003_valid" in opened.url
    assert "at=1-2-0" in opened.url
    assert "(1, 2)" in str(before["working"]) or "row 1" in str(before["working"])


def test_choices_and_numbers_of_ones_own(opened: Page) -> None:
    for name, value in [
        ("size_0", "4"),
        ("size_1", "7"),
        ("kernel_1", "2"),
        ("stride_1", "2"),
        ("dilation_0", "1"),
    ]:
        set_field(opened, name, value)
    opened.locator(".pg-choices [name=channels]").select_option("2")
    opened.locator(".pg-choices [name=padding]").select_option("same")
    field = entry(opened, "Input, channel 1", 2, 3)
    field.fill("\u22121.25")
    field.blur()
    assert "example=" not in opened.url
    before = comes_back(opened)
    assert ["Input, channel 1", "2", "3", "\u22121.25"] in before["cells"]


def test_the_turn_is_kept_and_the_answers_are_not(opened: Page) -> None:
    opened.locator(".pg-turn").click()
    entry(opened, "Output", 0, 0).fill("3")
    opened.reload()
    opened.wait_for_selector("body[data-ready=true]")
    assert opened.locator(".pg-turn").get_attribute("aria-pressed") == "true"
    assert entry(opened, "Output", 0, 0).input_value() == ""


NONSENSE = (
    "example=nonsense",
    "operation=conv&size=99x99&kernel=3x3&stride=1x1&dilation=1x1&padding=valid&inputs=1",
    "operation=conv&size=5x5&kernel=6x6&stride=1x1&dilation=1x1&padding=valid&inputs=1&kernels=1",
    "operation=alert&size=5x5&kernel=3x3&stride=1x1&dilation=1x1&padding=valid&inputs=1",
    "operation=conv&size=5x5&kernel=3x3&stride=1x1&dilation=1x1&padding=valid&inputs=x",
    "operation=conv&size=5&kernel=3x3&stride=1x1&dilation=1x1&padding=valid&inputs=1",
    "operation=max_pool",
)


def test_an_address_that_says_nothing_sensible_changes_nothing(opened: Page) -> None:
    expected = outputs(opened)
    for words in NONSENSE:
        opened.evaluate("(hash) => { location.hash = hash; }", f"#view=playground&{words}")
        opened.wait_for_function("location.hash.includes('example=000_valid')")
        assert outputs(opened) == expected, words


def test_a_place_outside_is_no_place(opened: Page) -> None:
    for place in ("3-0-0", "0-3-0", "0-0-1", "-1-0-0", "0-0"):
        address = f"#view=playground&example=000_valid&at={place}"
        opened.evaluate("(hash) => { location.hash = hash; }", address)
        opened.wait_for_function("location.hash.includes('turn=0')")
        assert "at=" not in opened.url


def test_grids_that_do_not_fit_the_choices_are_cut_and_filled(opened: Page) -> None:
    """The sum of 1, 2 and two zeros."""
    words = "operation=conv&size=2x2&kernel=2x2&stride=1x1&dilation=1x1&padding=0"
    address = f"#view=playground&{words}&inputs=1,2,9&kernels=1,1,9;1,1;7"
    opened.evaluate("(hash) => { location.hash = hash; }", address)
    opened.wait_for_function("location.hash.includes('turn=0')")
    assert outputs(opened) == [[[3]]]
