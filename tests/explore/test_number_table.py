"""Patch, kernel and products as a screen reader meets them: tables with headings."""

import re

import numpy as np
import pytest
from playwright.sync_api import Locator

from tests.explore.small import KERNEL, TIMES, OpenPage, at, html, outputs

MINUS = "\N{MINUS SIGN}"


def read(table: Locator) -> list[list[str]]:
    """The text of each cell below its headings, which are checked, by the accessibility tree."""
    columns = table.get_by_role("columnheader").all_text_contents()
    found = []
    for number, row in enumerate(table.get_by_role("row").all()[1:]):
        assert row.get_by_role("rowheader").all_text_contents() == [f"row {number}"]
        cells = row.get_by_role("cell").all_text_contents()
        assert columns == [f"column {c}" for c in range(len(cells))]
        found.append(cells)
    return found


@pytest.mark.parametrize("unit", [2, pytest.param((1 * 8 + 3) * 4 + 2, marks=pytest.mark.slow)])
def test_a_channels_tables(browser_page: OpenPage, unit: int) -> None:
    page = browser_page(html())
    at(page, 0, unit, "exact=1")
    row, column, _ = (int(i) for i in np.unravel_index(unit, (3, 8, 4)))
    padded = np.full((7, 10, 3), np.nan)
    padded[1:, 2:9] = outputs(0)[0]
    patch = padded[2 * row : 2 * row + 3, column : column + 3 : 2]
    for channel in range(3):
        weights = KERNEL[:, :, channel, 2]
        products = patch[..., channel] * weights
        for name, wanted in (("patch", patch[..., channel]), ("kernel", weights)):
            cells = read(page.get_by_role("table", name=f"{name}, channel {channel}", exact=True))
            padding = [["padding: zero" in one for one in line] for line in cells]
            assert padding == np.isnan(wanted).tolist()
            assert _floats(cells) == np.nan_to_num(wanted).tolist()
        cells = read(page.get_by_role("table", name=f"products, channel {channel}", exact=True))
        assert [["padding" in one for one in line] for line in cells] == np.isnan(products).tolist()
        np.testing.assert_allclose(_floats(cells), np.nan_to_num(products), rtol=1e-15)


def _floats(cells: list[list[str]]) -> list[list[float]]:
    return [[float(one.split(" ")[0].replace(MINUS, "-")) for one in line] for line in cells]


def test_a_weight_is_a_button_in_its_cell(browser_page: OpenPage) -> None:
    page = browser_page(html())
    at(page, 0, 2, "lang=ja")
    table = page.get_by_role("table", name="カーネル, チャンネル 1", exact=True)
    buttons = table.get_by_role("cell").get_by_role("button")
    assert buttons.count() == 6
    buttons.nth(3).press("Enter")
    assert table.get_by_role("textbox", name="カーネル, 行 1, 列 1", exact=True).is_visible()


def test_headings_take_no_room(browser_page: OpenPage) -> None:
    """Cells stand one pixel apart, so that a 5 x 5 kernel still fits beside its patch."""
    page = browser_page(html())
    at(page, 0, 2)
    # In one go, because the page scrolls smoothly.
    table, *cells = page.locator('.card[data-channel="0"] [data-grid="kernel"] table').evaluate(
        """(table) => [table, ...table.querySelectorAll(".cell")].map((element) => {
          const { left, right, top, bottom } = element.getBoundingClientRect();
          return { left, right, top, bottom };
        })"""
    )
    assert len(cells) == 6
    assert cells[1]["left"] - cells[0]["right"] == pytest.approx(1, abs=0.01)
    assert cells[2]["top"] - cells[0]["bottom"] == pytest.approx(1, abs=0.01)
    assert cells[0]["left"] == pytest.approx(table["left"], abs=1)
    assert cells[0]["top"] == pytest.approx(table["top"], abs=1)


def test_the_products_of_the_playground_are_a_table(browser_page: OpenPage) -> None:
    page = browser_page(html())
    page.locator("#pages button").last.click()
    page.locator('.pg-outputs [data-row="0"][data-column="0"]').first.click()
    table = page.locator(".pg-part").get_by_role("table").first
    cells = table.get_by_role("row").first.get_by_role("cell").all_text_contents()
    assert len(cells) > 1
    assert all(re.search(rf".+ {TIMES} .+= .+", cell) for cell in cells)
