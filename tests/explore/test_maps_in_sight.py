"""A network of many maps: those far to the right are drawn when they come into sight."""

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.explore.built import built, conv, plain
from tests.explore.small import OpenPage, at, bytes_of, drawn, numbers

FILTERS = 900
PICTURES = np.random.default_rng(3).integers(0, 256, (2, 3, 2, 1), dtype=np.uint8)


def html() -> str:
    """The columns of 900 maps are 57 maps wide; the third is beyond 2,000 maps and out of sight."""
    first = conv("a", (3, 2, 1), drawn(1, 1, 1, 1, FILTERS))
    same = first["out"]
    chain = [
        first,
        plain("b", "activation", same, function="relu"),
        plain("c", "activation", same, function="tanh"),
        plain("d", "activation", same, function="sigmoid"),
    ]
    return built(chain, PICTURES, classes=["x"])


def widths(page: Page) -> list[float]:
    script = "(all) => all.map((one) => one.getBoundingClientRect().width)"
    return [float(width) for width in page.locator(".column").evaluate_all(script)]


def test_maps_are_drawn_when_they_come_into_sight(browser_page: OpenPage) -> None:
    page = browser_page(html())
    counts = [page.locator(f'.column[data-layer="{i}"] canvas.map').count() for i in range(4)]
    assert counts == [FILTERS, FILTERS, 0, 0]
    before = widths(page)
    page.locator("#overview").evaluate("(box) => { box.scrollLeft = box.scrollWidth; }")
    last = page.locator('.column[data-layer="3"] canvas.map')
    expect(last).to_have_count(FILTERS)
    # Their place was kept, up to the rounding of 57 widths of 22.67 pixels.
    assert widths(page) == pytest.approx(before, abs=1)
    page.locator('[data-control="scale"]').select_option("unit")
    shown = bytes_of(page, '.column[data-layer="3"] canvas.map >> nth=7', 3)
    # Another picture is drawn where it is in sight, and elsewhere when it comes into sight.
    page.locator(".thumb").nth(1).click()
    other = bytes_of(page, '.column[data-layer="3"] canvas.map >> nth=7', 3)
    assert (other != shown).any()
    page.locator(".thumb").nth(0).click()
    assert (bytes_of(page, '.column[data-layer="3"] canvas.map >> nth=7', 3) == shown).all()


def test_what_is_selected_and_read_is_drawn(browser_page: OpenPage) -> None:
    """By address, far from what is in sight; the marks are where the units are drawn."""
    page = browser_page(html(), viewport={"width": 390, "height": 844})
    unit = 4 * FILTERS + 30
    at(page, 3, unit)
    for layer in (2, 3):
        assert page.locator(f'.column[data-layer="{layer}"] canvas.map').count() == FILTERS
    # Unit 4 of 3 x 2 is in the last row. Marks follow a scroll one frame later.
    page.wait_for_function(
        """() => {
          const target = document.querySelector("svg.over .target").getBoundingClientRect();
          const maps = document.querySelectorAll('.column[data-layer="3"] canvas.map');
          const map = maps[30].getBoundingClientRect();
          const apart = map.y + map.height * 5 / 6 - target.y - target.height / 2;
          return Math.abs(apart) < 1;
        }"""
    )
    x = PICTURES[0].ravel()[4] / 255 * drawn(1, 1, 1, 1, FILTERS)[0, 0, 0, 30]
    wanted = 1 / (1 + np.exp(-np.tanh(max(x, 0))))
    assert abs(numbers(page, "#detail .value .numeral")[0] - wanted) < 1e-6
