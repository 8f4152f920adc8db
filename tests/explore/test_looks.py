"""Contrast in light and dark, widths, and motion, of the whole page in every view."""

from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Page as Tab

from jcnn.explore import page
from tests.explore.built import built, plain
from tests.explore.models import drawn, of_every_layer
from tests.explore.small import OpenPage
from tests.explore.small import drawn as normal
from tests.explore.test_opened import RECORDED
from tests.explore.test_page import pictures

# One unit of every kind of layer of `of_every_layer`, and the tab of its view.
VIEWS = [
    "layer=0&unit=60",
    "layer=0&unit=60&tab=im2col",
    "layer=1&unit=3",
    "layer=2&unit=60",
    "layer=3&unit=60",
    "layer=4&unit=20",
    "layer=5&unit=20",
    "layer=10&unit=20",
    "layer=11&unit=20",
    "layer=12&unit=20",
    "layer=13&unit=2",
    "layer=16&unit=2",
    "layer=4&unit=20&tab=field",
    "view=occlusion",
    "method=gradient&view=occlusion",
    "method=gradcam&view=occlusion",
    "view=playground&example=003_valid&at=1-2-0",
    "view=playground&example=000_exercise_same",
]

CONTRASTS = (Path(__file__).parent / "contrasts.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def made() -> str:
    images = pictures(2, 12, 11, 3)
    return page(drawn(of_every_layer), images, ["ant", "bee", "cat", "dog"], title="Looks").html


def go(tab: Tab, words: str) -> None:
    """Show what an address names."""
    tab.evaluate("(hash) => { location.hash = hash; }", f"#{words}")
    first = words.split("&")[0]
    tab.wait_for_function("(word) => location.hash.includes(word + '&')", arg=first)


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_every_text_can_be_read(
    made: str, browser_page: OpenPage, scheme: Literal["light", "dark"]
) -> None:
    tab = browser_page(made, color_scheme=scheme)
    tab.wait_for_function("document.querySelector('#badge').textContent !== ''")
    for words in VIEWS:
        go(tab, words)
        found: list[tuple[float, str]] = tab.evaluate(CONTRASTS)
        assert len(found) > 40, words
        assert [(round(ratio, 2), text) for ratio, text in found if ratio < 4.5] == [], words


def test_the_measure_of_contrast(browser_page: OpenPage) -> None:
    """Known ratios: black on white 21, #777 on white 4.48 (WCAG's own example), half of each."""
    tab = browser_page(
        "<body data-ready=true style='background: white'>"
        "<p style='color: black'>a</p><p style='color: #777'>b</p>"
        "<p style='color: white; background: linear-gradient(black, #777)'>c</p>"
        "<p style='color: #0008'>d</p><p hidden>e</p>"
    )
    found: list[tuple[float, str]] = tab.evaluate(CONTRASTS)
    ratios = {text.removeprefix(": "): ratio for ratio, text in found}
    assert ratios == pytest.approx({"a": 21, "b": 4.48, "c": 4.48, "d": 4.48}, abs=0.01)


@pytest.mark.parametrize("exact", [pytest.param("0", marks=pytest.mark.slow), "1"])
@pytest.mark.parametrize("language", [pytest.param("en", marks=pytest.mark.slow), "ja"])
def test_no_view_is_wider_than_a_phone(
    made: str, browser_page: OpenPage, language: str, exact: str
) -> None:
    tab = browser_page(made, viewport={"width": 390, "height": 844})
    for words in VIEWS:
        go(tab, f"{words}&lang={language}&exact={exact}")
        assert tab.evaluate("document.documentElement.scrollWidth") == 390, words


def test_names_and_numbers_of_any_length_have_room(browser_page: OpenPage) -> None:
    """One word of 200 letters, 200 letters of short words; all digits of sums of many terms."""
    chain = [
        plain("flatten", "flatten", [24, 24, 1], [576]),
        plain("dense", "dense", [576], [2], arrays={"kernel": normal(1, 576, 2)}),
        plain("softmax", "softmax", [2]),
    ]
    names = ["W" * 200, "two words " * 20]
    html = built(chain, pictures(1, 24, 24, 1), classes=names)
    tab = browser_page(html, viewport={"width": 390, "height": 844})
    for words in ("layer=1&unit=0", "layer=2&unit=0", "layer=2&unit=1", "view=occlusion"):
        go(tab, f"{words}&exact=1")
        assert tab.evaluate("document.documentElement.scrollWidth") == 390, words
    go(tab, "layer=2&unit=0&view=network&exact=0")
    table = tab.locator("#detail .view-table").bounding_box()
    assert table is not None
    assert table["width"] < 800
    assert table["height"] < 800  # nor a letter a line


def test_colours_are_printed(made: str, browser_page: OpenPage) -> None:
    """Bars and cells are backgrounds, which browsers do not print by default."""
    tab = browser_page(made)
    go(tab, "layer=0&unit=60")
    tab.emulate_media(media="print")
    found = tab.evaluate(
        """() => [...document.querySelectorAll(".fill, #detail .cell")].map((one) =>
          getComputedStyle(one).printColorAdjust)"""
    )
    assert len(found) > 20
    assert set(found) == {"exact"}


# How long each movement lasts, in milliseconds, and how many elements have transitions.
MOTION = """() => ({
  lasts: globalThis.moved.map(([, duration]) => duration),
  transitions: [...document.querySelectorAll("*")].filter((element) =>
    getComputedStyle(element).transitionDuration.split(", ").some((time) => parseFloat(time) > 0),
  ).length,
})"""


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_motion_only_where_it_is_welcome(
    made: str, browser_page: OpenPage, motion: Literal["reduce", "no-preference"]
) -> None:
    tab = browser_page(made, reduced_motion=motion)
    tab.evaluate(RECORDED)
    tab.evaluate("document.documentElement.style.minHeight = '3000px'; scrollTo(0, 40)")
    tab.locator(".column").nth(1).locator(".map").first.click(position={"x": 3, "y": 3})
    seen: dict[str, Any] = tab.evaluate(MOTION)
    tab.locator("#detail .view").wait_for()
    assert tab.evaluate("scrollY") == 40  # nothing jumps
    if motion == "reduce":
        assert seen == {"lasts": [], "transitions": 0}
    else:
        assert len(seen["lasts"]) > 5
        assert all(200 <= lasts <= 500 for lasts in seen["lasts"])
        assert seen["transitions"] > 0
    tab.keyboard.press("Escape")
    assert tab.evaluate("scrollY") == 40
