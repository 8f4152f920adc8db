"""A page that cannot be shown says why, in English and Japanese, and what to do."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from jcnn.explore import example_page
from tests.explore.small import html

Opened = Callable[..., Page]


@pytest.fixture
def opened(new_tab: Opened, tmp_path: Path) -> Opened:
    """`opened(HTML)` is the tab with a page that need not be ready; `before` is a script."""
    tabs: list[Page] = []

    def open_page(text: str, before: str = "") -> Page:
        file = tmp_path / f"page-{len(tabs)}.html"
        file.write_text(text, encoding="utf-8")
        tabs.append(new_tab(alone=bool(before)) if before or not tabs else tabs[0])
        if before:
            tabs[-1].add_init_script(before)
        tabs[-1].goto(file.as_uri())
        return tabs[-1]

    return open_page


def said(page: Page) -> list[str]:
    """The sentences, once they are visible."""
    page.locator("#trouble").wait_for(state="visible", timeout=8_000)
    return page.locator("#trouble p").all_inner_texts()


def test_without_javascript(chromium: Browser, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(html(), encoding="utf-8")
    with chromium.new_context(offline=True, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(file.as_uri())
        english, japanese = page.locator("noscript p").all_inner_texts()
        assert page.locator("noscript p").first.is_visible()
        assert page.locator("#trouble").is_hidden()
    assert "JavaScript, which is switched off here: allow it" in english
    assert "JavaScript で計算しますが、無効になっています" in japanese


@pytest.mark.parametrize("end", ["numbers", "script", "network"])
def test_a_file_that_was_cut(opened: Opened, end: str) -> None:
    """In the numbers, the script or the description; waiting for 4 s would make the test slow."""
    text = html()
    places = {"numbers": 'id="numbers"', "script": 'type="module"', "network": 'id="network"'}
    at = text.index(places[end]) + 60
    page = opened(re.sub(r"0s 4s both", "0s 10ms both", text[:at]), "")
    (english, japanese) = said(page)
    assert english.endswith("copy the whole file again, and open it in a current browser.")
    assert "ファイルが途中で切れている" in japanese


@pytest.mark.parametrize("made", [html, lambda: example_page([], "An exercise")])
def test_a_file_that_was_cut_early(opened: Opened, made: Callable[[], str]) -> None:
    """Anywhere after the block, which stands at the beginning: in the styles, or after them."""
    text = made()
    block = text.index("</div>")
    assert block < 3_000
    assert len(text[:block].encode()) < 3_500
    styles = text.rindex("</style>")
    for at in (block, (2 * block + styles) // 3, styles - 1, text.index("<header")):
        page = opened(text[:at].replace("0s 4s both", "0s 10ms both"))
        english, japanese = said(page)
        assert english.endswith("copy the whole file again, and open it in a current browser.")
        assert "ファイルが途中で切れている" in japanese


def test_an_error_in_a_page_of_examples(opened: Opened) -> None:
    english, _ = said(opened(example_page([{"no": "example"}], "An exercise")))
    assert english.startswith("The page stopped with an error")


def test_the_sentence_waits_while_a_page_is_read(opened: Opened) -> None:
    page = opened(html()[:-900])
    assert page.locator("#trouble").is_hidden()
    animation = page.locator("#trouble").evaluate("(e) => getComputedStyle(e).animationDelay")
    assert animation == "4s"


def test_a_browser_that_cannot_unpack(opened: Opened) -> None:
    english, japanese = said(opened(html(), "delete globalThis.DecompressionStream"))
    assert "it has no DecompressionStream): open the file in a current Chrome" in english
    assert "DecompressionStream がなく" in japanese


def test_damaged_numbers(opened: Opened) -> None:
    text = html()
    at = text.index('type="text/plain">') + 200
    for damaged in (text[:at] + "AAAA" + text[at + 4 :], text[:at] + text[at + 41 :]):
        english, _ = said(opened(damaged))
        assert english.startswith("The numbers of this page cannot be read, so the file is damaged")


def test_a_page_that_is_whole_says_nothing(browser_page: Opened) -> None:
    page = browser_page(html())
    assert page.locator("#trouble").is_hidden()
    assert page.locator("noscript").is_hidden()
