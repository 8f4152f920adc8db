"""The playground stands in one screen: grids, kernel, products, sum and controls."""

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.explore.playground_browser import choose
from tests.explore.small import OpenPage, html

PARTS = (
    ".pg-grid, .pg-walk button, .pg-progress, .pg-products, .pg-sum, .pg-choices [name], .pg-top"
)
# The boxes that are not wholly in the window, and pairs of parts that overlap.
_OUTSIDE = """(parts) => {
  const shown = [...document.querySelectorAll(parts)].filter((e) => e.checkVisibility());
  const boxes = shown.map((e) => [e.className || e.name, e.getBoundingClientRect()]);
  const outside = boxes.filter(([, box]) => box.left < 0 || box.top < 0
    || box.right > innerWidth || box.bottom > innerHeight);
  const grids = boxes.filter(([name]) => /pg-grid|pg-products/.test(name)).map(([, box]) => box);
  const overlap = grids.some((a, i) => grids.slice(i + 1).some((b) =>
    a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1));
  return { looked: boxes.length, overlap,
    outside: outside.map(([name, box]) => [name, box.right, box.bottom].join(" ")),
    scroll: [scrollX, scrollY] };
}"""


def outside(page: Page) -> Any:
    found = page.evaluate(_OUTSIDE, PARTS)
    assert found["looked"] > 12
    return found["outside"], found["overlap"], found["scroll"]


@pytest.mark.parametrize("size", [(1280, 800), pytest.param((1920, 1080), marks=pytest.mark.slow)])
def test_every_example_stands_in_one_screen(browser_page: OpenPage, size: tuple[int, int]) -> None:
    page = browser_page(html())
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.locator('#pages button:text-is("Playground")').click()
    names = page.eval_on_selector_all("[name=example] option", "all => all.map((o) => o.value)")
    for name in filter(None, names):
        choose(page, name)
        page.evaluate("document.querySelector('[name=step], [name=hint]').click()")
        assert outside(page) == ([], False, [0, 0]), name
    assert len(names) >= 20


def test_a_large_window_has_large_cells(browser_page: OpenPage) -> None:
    """And a small one keeps cells that can be read."""
    page = browser_page(html())
    page.locator('#pages button:text-is("Playground")').click()
    sides = []
    for width, height in [(1280, 600), (1280, 800), (1920, 1080)]:
        page.set_viewport_size({"width": width, "height": height})
        choose(page, "003_same")
        cell = page.locator(".pg-cell").first.bounding_box()
        assert cell is not None
        assert cell["width"] == pytest.approx(cell["height"])
        sides.append(cell["width"])
    assert 22 <= sides[0] < sides[1] < sides[2]
