"""A layer of many maps shows the most active ones, all on demand, and always what is selected."""

import numpy as np
import pytest

from tests.explore.built import built, conv, plain
from tests.explore.small import SPLIT, OpenPage, at, bytes_of, drawn, numbers

FILTERS = 90
PICTURES = np.random.default_rng(3).integers(0, 256, (2, 3, 2, 1), dtype=np.uint8)
KERNEL = drawn(1, 1, 1, 1, FILTERS)
MAPS = '.column[data-layer="0"] canvas.map'


def html() -> str:
    first = conv("a", (3, 2, 1), KERNEL)
    chain = [first, plain("b", "activation", first["out"], function="tanh")]
    return built(chain, PICTURES, classes=["x"])


def strongest(count: int) -> list[int]:
    return sorted(int(k) for k in np.argsort(-np.abs(KERNEL.ravel()))[:count])


def test_the_most_active_channels_are_shown_and_all_on_demand(browser_page: OpenPage) -> None:
    page = browser_page(html(), SPLIT)
    shown = page.locator(MAPS).count()
    assert 6 <= shown <= 12
    more = page.locator('.column[data-layer="0"] .more')
    assert more.inner_text() == f"{shown} of {FILTERS} \N{MIDDLE DOT} all"
    for place, channel in ((0, strongest(shown)[0]), (shown - 1, strongest(shown)[-1])):
        page.locator(MAPS).nth(place).hover(position={"x": 1, "y": 1})
        assert f"channel {channel}," in page.locator("#readout").inner_text()
        (value,) = numbers(page, "#readout .numeral")
        x = float(np.float32(PICTURES[0, 0, 0, 0] / 255))
        assert value == pytest.approx(x * KERNEL[0, 0, 0, channel], rel=1e-6)
    more.click()
    assert page.locator(MAPS).count() == FILTERS
    page.locator('.column[data-layer="0"] .more').click()
    assert page.locator(MAPS).count() == shown


def test_what_is_selected_is_shown(browser_page: OpenPage) -> None:
    """By address: a channel that is not among the most active; its mark is where it is drawn."""
    page = browser_page(html(), SPLIT)
    weakest = int(np.abs(KERNEL.ravel()).argmin())
    before = page.locator(MAPS).count()
    at(page, 0, 5 * FILTERS + weakest)
    assert page.locator(MAPS).count() == before
    place = sorted([*strongest(before - 1), weakest]).index(weakest)
    apart = page.evaluate(
        """(place) => {
          const target = document.querySelector("svg.over .target").getBoundingClientRect();
          const map = document.querySelectorAll('.column[data-layer="0"] canvas.map')[place]
            .getBoundingClientRect();
          return [map.right - target.right, map.bottom - target.bottom];
        }""",
        place,
    )
    assert apart == pytest.approx([0, 0], abs=1)


def test_another_picture_is_drawn(browser_page: OpenPage) -> None:
    page = browser_page(html(), SPLIT)
    before = bytes_of(page, f"{MAPS} >> nth=2", 3)
    page.locator(".thumb").nth(1).click()
    other = bytes_of(page, f"{MAPS} >> nth=2", 3)
    assert (other != before).any()
    page.locator(".thumb").nth(0).click()
    assert (bytes_of(page, f"{MAPS} >> nth=2", 3) == before).all()
