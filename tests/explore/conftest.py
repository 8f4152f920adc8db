"""Open pages in a real browser; errors, console messages and requests fail the test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

OpenPage = Callable[..., Page]


@pytest.fixture
def browser_page(chromium: Browser, tmp_path: Path) -> Iterator[OpenPage]:
    """`browser_page(html)` opens a page from a file, offline, and waits until it is ready.

    Ready is `<body data-ready="true">`. The test fails on any message on the console, any error
    in the page, and any request other than for the file. Further arguments are those of
    playwright's `new_context`, such as `viewport` and `color_scheme`.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_page(html: str, **options: Any) -> Page:
        file = tmp_path / f"page-{len(contexts)}.html"
        file.write_text(html, encoding="utf-8")
        context = chromium.new_context(offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("request", lambda request: _note(request.url, file.as_uri(), complaints))
        page.goto(file.as_uri())
        try:
            page.wait_for_selector("body[data-ready=true]", timeout=60_000)
        except Exception:
            assert complaints == []  # more informative than the timeout
            raise
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def _note(url: str, own: str, complaints: list[str]) -> None:
    """Record a request that a self-contained page would not make."""
    if url.partition("#")[0] != own and not url.startswith(("data:", "blob:", "about:srcdoc")):
        complaints.append(f"request: {url}")
