"""Lecture mode: large type, one screen without scrolling, a presenter's keys."""

from typing import Any

import pytest
from playwright.sync_api import Page, ViewportSize

from jcnn.explore._example import example_page
from tests.explore.small import OpenPage
from tests.explore.small import html as small_html
from tests.explore.test_tour import STOPS
from tests.explore.tour_models import show, toured

SCREEN: ViewportSize = {"width": 1280, "height": 800}
SIZES = """() => ({
  scrolls: [document.documentElement.scrollWidth - innerWidth,
    document.documentElement.scrollHeight - innerHeight],
  type: parseFloat(getComputedStyle(document.querySelector("#prediction")).fontSize),
  controls: document.querySelector("#controls").checkVisibility(),
})"""
# Parts of a page that do not stand wholly in the window, beside the card.
OUTSIDE = """(parts) => {
  const card = document.querySelector("#tour");
  const shows = card?.checkVisibility();
  const { left, top } = shows ? card.getBoundingClientRect() : { left: 0, top: innerHeight };
  const [right, below] = left > 0 ? [left, innerHeight] : [innerWidth, top];
  const shown = [...document.querySelectorAll(parts)].filter((e) => e.checkVisibility());
  return [shown.length, shown.filter((e) => {
    const box = e.getBoundingClientRect();
    return box.left < 0 || box.top < 0 || box.right > right + 1 || box.bottom > below + 1;
  }).map((e) => e.className)];
}"""
OF_NETWORK = ".column canvas.map, .column .bar, .column h2"
OF_PLAYGROUND = ".pg-grid, .pg-walk button, .pg-products, .pg-sum"


def outside(page: Page, parts: str) -> Any:
    """The parts that stick out; there must be some parts."""
    count, found = page.evaluate(OUTSIDE, parts)
    assert count > 4
    return found


def test_the_network_in_lecture_mode(browser_page: OpenPage) -> None:
    page = browser_page(toured("conv4").html, "#view=network", viewport=SCREEN)
    usual = page.evaluate(SIZES)
    assert usual["controls"]
    show(page, "#view=network&lecture=1")
    sizes = page.evaluate(SIZES)
    assert sizes["scrolls"] == [0, 0]
    assert sizes["type"] >= 1.24 * usual["type"]
    assert not sizes["controls"]
    assert outside(page, OF_NETWORK) == []


def test_no_stop_scrolls_the_page(browser_page: OpenPage) -> None:
    page = browser_page(toured("conv4").html, "#tour=1&lecture=1", viewport=SCREEN)
    for stop in STOPS["conv4"]:
        assert page.locator("#tour").get_attribute("data-stop") == stop
        assert page.evaluate(SIZES)["scrolls"] == [0, 0], stop
        assert page.locator(".tour-mark").count() > 0, stop
        card = page.locator("#tour").evaluate("(e) => [e.scrollHeight, e.clientHeight]")
        assert card[0] <= card[1], stop
        if stop in ("numbers", "network", "classes", "draw"):
            assert outside(page, OF_NETWORK) == [], stop
        page.keyboard.press("PageDown")


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080)])
def test_the_playground_in_lecture_mode(browser_page: OpenPage, size: tuple[int, int]) -> None:
    """Every example in one screen, with cells at least as large as usual."""
    viewport = {"width": size[0], "height": size[1]}
    page = browser_page(small_html(), "#view=playground", viewport=viewport)
    names = page.eval_on_selector_all("[name=example] option", "all => all.map((o) => o.value)")
    cell = "document.querySelector('.pg-cell').getBoundingClientRect().width"
    larger = 0
    for name in filter(None, names):
        show(page, f"#view=playground&example={name}&at=0-0-0&lecture=0")
        before = page.evaluate(cell)
        show(page, f"#view=playground&example={name}&at=0-0-0&lecture=1")
        assert page.evaluate(SIZES)["scrolls"] == [0, 0], name
        assert outside(page, OF_PLAYGROUND) == [], name
        larger += page.evaluate(cell) >= before
    assert larger > 0.7 * len(names)


def test_a_presenters_keys(browser_page: OpenPage) -> None:
    page = browser_page(toured("conv4").html, "#view=network&tour=2", viewport=SCREEN)
    page.evaluate("globalThis.same = true")
    lecture = "document.documentElement.classList.contains('lecture')"
    page.evaluate("document.documentElement.requestFullscreen = undefined")
    page.keyboard.press("b")
    assert page.locator(".blank").is_hidden()  # a key of lecture mode alone
    page.keyboard.press("F5")
    assert page.evaluate(lecture)
    assert "lecture=1" in page.evaluate("location.hash")
    for key in ("b", "."):
        page.keyboard.press(key)
        assert page.locator(".blank").is_visible()
        page.keyboard.press("PageDown")  # wakes the screen, and nothing else
        assert page.locator(".blank").is_hidden()
    assert page.locator("#tour").get_attribute("data-stop") == "network"
    page.keyboard.press("PageDown")
    assert page.locator("#tour").get_attribute("data-stop") == "filter"
    page.keyboard.press("Escape")
    assert not page.evaluate(lecture)
    page.keyboard.press("F5")
    page.keyboard.press("F5")
    assert not page.evaluate(lecture)
    assert page.evaluate("globalThis.same")  # the page was not loaded again
    assert page.locator("#tour").is_visible()


def test_pages_without_a_tour_go_on_by_the_same_keys(browser_page: OpenPage) -> None:
    page = browser_page(small_html(), "#view=network&lecture=1", viewport=SCREEN)
    page.keyboard.press("PageDown")
    pressed = page.locator(".thumb").evaluate_all("(all) => all.map((e) => e.ariaPressed)")
    assert pressed == ["false", "true"]
    page.keyboard.press("PageUp")
    assert page.locator(".thumb").first.get_attribute("aria-pressed") == "true"
    show(page, "#view=playground&example=000_valid&lecture=1")
    for position in (1, 2):
        page.keyboard.press("PageDown")
        assert (page.locator(".pg-progress").text_content() or "").startswith(f"{position} ")
    page.keyboard.press("PageUp")
    assert (page.locator(".pg-progress").text_content() or "").startswith("1 ")


def test_the_full_screen_is_asked_for_where_there_is_one(browser_page: OpenPage) -> None:
    page = browser_page(small_html(), viewport=SCREEN)
    page.evaluate(
        """() => {
          globalThis.asked = 0;
          document.documentElement.requestFullscreen = () => {
            asked++;
            return Promise.reject(new Error("not allowed"));
          };
        }"""
    )
    page.locator('[data-guide="lecture"]').click()
    assert page.evaluate("asked") == 1
    assert page.evaluate("document.documentElement.classList.contains('lecture')")
    page.locator('[data-guide="lecture"]').click()
    assert not page.evaluate("document.documentElement.classList.contains('lecture')")


def test_a_page_of_examples_has_lecture_mode(browser_page: OpenPage) -> None:
    page = browser_page(example_page([], "Exercises"), "#lecture=1", viewport=SCREEN)
    assert page.evaluate("document.documentElement.classList.contains('lecture')")
    assert page.locator('[data-guide="tour"]').count() == 0
    assert outside(page, OF_PLAYGROUND) == []
    page.keyboard.press("PageDown")
    assert page.locator(".pg-products").count() == 1
    page.keyboard.press("Escape")
    assert not page.evaluate("document.documentElement.classList.contains('lecture')")
