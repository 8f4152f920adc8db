"""Keys, the address, both languages, narrow windows."""

import json
import re

import pytest

from tests.explore.scripts import joined_files
from tests.explore.small import (
    SPLIT,
    OpenPage,
    at,
    html,
    numbers,
    outputs,
)


def test_everything_by_keyboard(browser_page: OpenPage) -> None:
    page = browser_page(html(), SPLIT)
    page.locator('.column[data-layer="-1"] .cells').focus()
    page.keyboard.press("Tab")
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "PageDown", "ArrowUp", "ArrowUp"):
        page.keyboard.press(key)
    said = page.locator("#announce").inner_text()
    assert said.startswith("first, channel 1, row 0, column 2: ")
    page.keyboard.press("Enter")
    assert numbers(page, "#detail .value .numeral") == pytest.approx([outputs(0)[1][0, 2, 1]])
    assert page.evaluate("document.activeElement.closest('#detail') !== null")
    page.keyboard.press("Escape")
    assert page.locator("#detail").is_hidden()
    assert page.evaluate("document.activeElement.closest('.column').dataset.layer") == "0"


def test_the_address_restores_the_view(browser_page: OpenPage) -> None:
    page = browser_page(html(), locale="ja-JP")
    assert page.locator("html").get_attribute("lang") == "ja"
    page.locator(".thumb").nth(1).click()
    page.locator('[data-control="scale"]').select_option("global")
    page.locator('[data-control="exact"]').check()
    page.locator('[data-control="language"]').select_option("en")
    at(page, 4, 1, "picture=1", "scale=global", "exact=1", "lang=en")
    page.reload()
    page.wait_for_selector("body[data-ready=true]")
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator('.thumb[aria-pressed="true"]').get_attribute("title") == "number 1"
    assert page.locator('[data-control="scale"]').input_value() == "global"
    assert numbers(page, "#detail .value .numeral") == pytest.approx([outputs(1)[5][1]])
    assert page.locator("#detail h2").inner_text() == "dense, unit 1 (bee)"
    for nonsense in ("#layer=99&unit=0", "#layer=0&unit=1e9", "#picture=-1&lang=xx&scale=%00"):
        page.evaluate("(hash) => { location.hash = hash; }", nonsense)
        page.wait_for_function("() => location.hash.includes('picture=1')")
        assert page.locator("#detail").is_hidden()


@pytest.mark.slow
def test_the_address_follows_a_pointer_but_not_at_every_step(browser_page: OpenPage) -> None:
    """Browsers accept 100 changes in 30 s, or 200 in 10 s."""
    page = browser_page(html(), SPLIT)
    at(page, 0, 1)
    calls = page.locator('#detail [data-part="map"]').evaluate(
        """async (map) => {
          let calls = 0;
          const replace = history.replaceState;
          history.replaceState = (...words) => {
            calls++;
            replace.apply(history, words);
          };
          const start = performance.now();
          for (let i = 0; performance.now() < start + 2000; i++) {
            const { x, y, width } = map.getBoundingClientRect(); // the panel scrolls into view
            const clientX = x + (width * ((i % 8) + 0.5)) / 8;
            map.dispatchEvent(new PointerEvent("pointermove", { clientX, clientY: y + 3 }));
            await new Promise((done) => setTimeout(done));
          }
          return calls;
        }"""
    )
    assert 1 <= calls <= 20 + 5 + 1
    unit = page.locator("#detail .position").get_attribute("data-position")
    page.wait_for_function(
        "(unit) => location.hash.includes(`unit=${unit}&`)", arg=4 * int(unit or "") + 1
    )


def test_both_languages_have_every_word(browser_page: OpenPage) -> None:
    ready = "document.body.dataset.ready = 'true';"
    page = browser_page(
        f"<body><script>{joined_files('words.js')}; globalThis.tables = LANGUAGES; {ready}</script>"
    )
    tables = json.loads(page.evaluate("JSON.stringify(tables)"))
    assert list(tables["en"]) == list(tables["ja"])
    assert all(tables["en"].values())
    assert all(tables["ja"].values())
    used = set(re.findall(r"\bw\.(\w+)", joined_files("main.js")))
    assert used <= set(tables["en"])


@pytest.mark.parametrize("width", [390, pytest.param(1280, marks=pytest.mark.slow)])
def test_nothing_sticks_out(browser_page: OpenPage, width: int) -> None:
    page = browser_page(html(), viewport={"width": width, "height": 800})
    at(page, 0, 5)
    for exact in (False, True):
        page.locator('[data-control="exact"]').set_checked(exact)
        assert page.evaluate("document.documentElement.scrollWidth") == width
