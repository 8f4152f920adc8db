"""The page in a real browser: not blank, fits a phone, and no browser message."""

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize

from tests.report.conftest import Reported

Show = Callable[..., Page]


@pytest.fixture
def show(chromium: Browser) -> Iterator[Show]:
    """Open a page in a window of this width, without browser messages."""
    contexts: list[BrowserContext] = []

    def open_page(file: Path, width: int, scheme: Literal["light", "dark"] = "light") -> Page:
        said: list[str] = []
        size: ViewportSize = {"width": width, "height": 3000}
        contexts.append(chromium.new_context(offline=True, viewport=size, color_scheme=scheme))
        page = contexts[-1].new_page()
        page.on("console", lambda message: said.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        page.goto(file.as_uri())
        assert said == []
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize(
    ("width", "dark"),
    [pytest.param(1200, False, marks=pytest.mark.slow), (1200, True), (400, False)],
)
def test_it_is_drawn(show: Show, reported: Reported, width: int, dark: bool) -> None:
    page = show(reported.page.file, width, "dark" if dark else "light")
    image = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
    assert image.shape == (3000, width, 3)
    paper, ink = ((20, 25, 31), (228, 232, 236)) if dark else ((253, 253, 251), (29, 38, 48))
    assert image[3, 3].tolist() == list(paper)
    heading = image[: 90 if width == 1200 else 120]
    assert (np.abs(heading.astype(int) - ink).max(axis=-1) < 30).sum() > 300
    # Something is drawn in every part of the window's height.
    for part in np.split(image, 10):
        assert (np.abs(part.astype(int) - paper).max(axis=-1) > 40).sum() > 500


@pytest.mark.parametrize("width", [1200, 400])
def test_its_text_is_there_and_nothing_sticks_out(
    show: Show, reported: Reported, width: int
) -> None:
    page = show(reported.page.file, width)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate("[...document.images].filter((i) => !i.naturalWidth).length") == 0
    text = re.sub(r"\s+", " ", page.locator("body").inner_text())
    for words in ("conv2pool on digits", "Worst mistakes", "<script>alert(1)</script>"):
        assert words in text


def test_a_complaint_would_be_seen(show: Show, reported: Reported, tmp_path: Path) -> None:
    """The content security policy blocks other content, and the browser reports it."""
    file = tmp_path / "bad.html"
    bad = reported.page.html.replace("</body>", "<script>1</script></body>")
    file.write_text(bad, encoding="utf-8")
    with pytest.raises(AssertionError, match="Content Security Policy"):
        show(file, 400)


def test_a_wide_window_has_no_empty_half(show: Show, reported: Reported) -> None:
    page = show(reported.page.file, 1440)
    ends = page.evaluate(
        """[...document.querySelectorAll("section")].map((section) => {
          const box = section.getBoundingClientRect();
          const shown = [...section.querySelectorAll("img, table, dl, pre")];
          const right = Math.max(...shown.map((e) => e.getBoundingClientRect().right));
          return [section.id, (right - box.left) / box.width];
        })"""
    )
    assert len(ends) == 10
    assert {name: share for name, share in ends if share < 0.95} == {}
