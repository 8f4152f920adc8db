"""On paper: nothing is wider than the sheet, and nothing is scrolled out of sight."""

from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page

from tests.explore.built import built, conv, plain
from tests.explore.small import SPLIT, OpenPage, at, drawn

PAPER = 718  # CSS pixels of A4 without margins of 1 cm
_OUTSIDE = """(paper) => [...document.querySelectorAll(
    "#overview .map, #overview .bar, #overview h2, #detail .cell, #detail td, #detail canvas")]
  .filter((element) => {
    if (element.offsetParent === null) return false;
    const { left, right } = element.getBoundingClientRect();
    return left < -1 || right > paper + 1;
  }).length"""
_CLIPPED = """() => [...document.querySelectorAll(
    "#overview, #overview .cells, .grids, .view-scroll")]
  .filter((e) => getComputedStyle(e).overflowX !== "visible"
    || getComputedStyle(e).overflowY !== "visible" || e.scrollWidth > e.clientWidth + 1)
  .map((e) => e.className || e.id)"""


@pytest.fixture
def wide(browser_page: OpenPage) -> Page:
    """Ten columns, one of which shows all of its 600 maps, at the width of paper."""
    shape = (2, 2, 600)
    chain: list[Any] = [conv("wide", (2, 2, 3), drawn(1, 1, 1, 3, 600), drawn(2, 600))]
    chain += [plain(f"relu{i}", "activation", [*shape], function="relu") for i in range(5)]
    chain += [conv("narrow", shape, drawn(3, 1, 1, 600, 3))]
    chain += [plain("flatten", "flatten", [2, 2, 3], [12])]
    chain += [plain("dense", "dense", [12], [2], arrays={"kernel": drawn(4, 12, 2)})]
    picture = np.random.default_rng(1).integers(0, 256, (1, 2, 2, 3), dtype=np.uint8)
    page = browser_page(built(chain, picture, classes=["a", "b"]), SPLIT, viewport=_size(PAPER))
    page.locator('.column[data-layer="0"] .more').click()
    return page


def _size(width: int) -> Any:
    return {"width": width, "height": 1000}


def test_a_wide_network_is_wholly_on_the_paper(wide: Page) -> None:
    assert wide.evaluate(_OUTSIDE, PAPER) > 100  # on the screen one scrolls
    wide.emulate_media(media="print")
    assert wide.evaluate(_OUTSIDE, PAPER) == 0
    assert wide.evaluate(_CLIPPED) == []
    assert wide.evaluate("document.documentElement.scrollWidth") == PAPER
    assert wide.locator('.column[data-layer="0"] .map').count() == 600
    assert wide.locator("#controls").is_hidden()


@pytest.mark.slow
def test_an_open_unit_is_wholly_on_the_paper(wide: Page) -> None:
    at(wide, 0, 7)
    for words in ("exact=1", "tab=im2col", "tab=im2col&exact=1"):
        at(wide, 0, 7, words)
        wide.emulate_media(media="print")
        assert wide.evaluate(_OUTSIDE, PAPER) == 0, words
        assert wide.evaluate(_CLIPPED) == [], words
        wide.emulate_media(media="screen")
