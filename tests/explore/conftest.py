"""Open pages in a real browser; errors, console messages and requests fail the test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, ViewportSize

from tests.explore.viewed import Array, Layer, Viewed

OpenPage = Callable[..., Page]
OpenView = Callable[..., Viewed]
DESKTOP: ViewportSize = {"width": 1280, "height": 720}


@pytest.fixture(scope="session")
def shared_tab(chromium: Browser) -> Iterator[Page]:
    """One tab for all tests: a tab of its own for each costs 0.3 s, three fifths of a test."""
    with chromium.new_context(offline=True) as context:
        yield context.new_page()


@pytest.fixture(scope="session")
def kit_tab(chromium: Browser) -> Iterator[Page]:
    """The tab of `kit_page`, beside the shared one, which the other tests of a file navigate."""
    with chromium.new_context(offline=True) as context:
        yield context.new_page()


@pytest.fixture
def new_tab(chromium: Browser, shared_tab: Page) -> Iterator[OpenPage]:
    """`new_tab()` gives an empty tab, offline. The first of a test is the shared one.

    Args:
        viewport: size of the window.
        alone: the tab is not the shared one. For tests that change more than the page, such as
            the clock.
        locale: the language of the browser, in a tab that is not the shared one.
        media: arguments of playwright's `emulate_media`, such as `color_scheme`. Motion is reduced
            unless asked for, so that what is measured stands still.
    """
    contexts: list[BrowserContext] = []
    given: list[Page] = []

    def tab(
        viewport: ViewportSize = DESKTOP,
        alone: bool = False,
        locale: str | None = None,
        **media: Any,
    ) -> Page:
        if given or alone or locale:
            contexts.append(chromium.new_context(offline=True, locale=locale))
            given.append(contexts[-1].new_page())
        else:
            given.append(shared_tab)
        given[-1].set_viewport_size(viewport)
        nothing = {"media": "null", "color_scheme": "null", "reduced_motion": "reduce"}
        given[-1].emulate_media(**(nothing | media))
        return given[-1]

    yield tab
    for context in contexts:
        context.close()


@pytest.fixture
def browser_page(new_tab: OpenPage, tmp_path: Path) -> Iterator[OpenPage]:
    """`browser_page(html)` opens a page from a file, offline, and waits until it is ready.

    Ready is `<body data-ready="true">`. The test fails on any message on the console, any error in
    the page, and any request other than for the file. `address` follows the file's name, such as
    `SPLIT`; further arguments are those of `new_tab`.
    """
    opened: list[tuple[Page, dict[str, Callable[[Any], None]]]] = []
    complaints: list[str] = []

    def open_page(html: str, address: str = "", **options: Any) -> Page:
        file = tmp_path / f"page-{len(opened)}.html"
        file.write_text(html, encoding="utf-8")
        page = new_tab(**options)

        def ask(request: Request) -> None:
            _note(request.url, file.as_uri(), complaints)

        listeners = {
            "console": lambda message: complaints.append(f"console: {message.text}"),
            "pageerror": lambda error: complaints.append(f"error: {error}"),
            "request": ask,
        }
        opened.append((page, listeners))
        _listen(page.on, listeners)
        page.goto(file.as_uri() + address)
        try:
            page.wait_for_selector("body[data-ready=true]", timeout=60_000)
        except Exception:
            assert complaints == []  # more informative than the timeout
            raise
        return page

    yield open_page
    for page, listeners in opened:
        _listen(page.remove_listener, listeners)
    assert complaints == []


@pytest.fixture
def open_view(new_tab: OpenPage) -> Iterator[OpenView]:
    """`open_view(LAYERS, X)` opens one view without the page around it; it must not complain."""
    views: list[Viewed] = []

    def opened(layers: list[Layer], x: Array, **state: Any) -> Viewed:
        views.append(Viewed(new_tab(**state.pop("window", {})), layers, x, **state))
        return views[-1]

    yield opened
    for each in views:
        each.finish()


def _note(url: str, own: str, complaints: list[str]) -> None:
    """Record a request that a self-contained page would not make."""
    if url.partition("#")[0] != own and not url.startswith(("data:", "blob:", "about:srcdoc")):
        complaints.append(f"request: {url}")


def _listen(change: Callable[..., Any], listeners: dict[str, Callable[[Any], None]]) -> None:
    """Add or remove the listeners of a page."""
    for event, listener in listeners.items():
        change(event, listener)
