"""The playground in headless Chromium, and the hands of a learner."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.explore.playground_page import playground_page

_NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser_tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One tab for all tests of a file; skipped where there is no browser."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if chromium is None:
        pytest.skip(f"no browser; looked for {', '.join(_NAMES)} on the path")
    file = Path(tmp_path_factory.mktemp("playground")) / "page.html"
    file.write_text(playground_page(), encoding="utf-8")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page()
        page.goto(file.as_uri())
        yield page
        browser.close()


@pytest.fixture
def browser_page(tab: Any) -> Iterator[Any]:
    """The tab loaded anew, at desktop width; the browser must have no complaint."""
    complaints: list[str] = []

    def complain(what: Any) -> None:
        complaints.append(str(getattr(what, "text", what)))

    tab.on("console", complain)
    tab.on("pageerror", complain)
    tab.emulate_media(color_scheme="light")
    tab.set_viewport_size({"width": 1200, "height": 900})
    tab.reload()
    yield tab
    tab.remove_listener("console", complain)
    tab.remove_listener("pageerror", complain)
    assert complaints == []


def choose(page: Any, example: str) -> None:
    page.locator("[name=example]").select_option(example)


def set_field(page: Any, name: str, value: str) -> None:
    field = page.locator(f"input[name={name}]")
    field.fill(value)
    field.blur()


def outputs(page: Any) -> Any:
    """The numbers of the output grids, a grid a channel."""
    return page.eval_on_selector_all(
        ".pg-outputs .pg-grid",
        "grids => grids.map(g => [...g.children].map(row => [...row.children].map("
        "cell => Number(cell.querySelector('[data-value]').dataset.value))))",
    )


def output_cell(page: Any, row: int, column: int, channel: int = 0) -> Any:
    grid = page.locator(".pg-outputs .pg-grid").nth(channel)
    return grid.locator(f"[data-row='{row}'][data-column='{column}']")


def entry(page: Any, label: str, row: int, column: int) -> Any:
    """The field of an input's or kernel's cell, by the label of its grid."""
    grid = page.get_by_role("grid", name=label, exact=True)
    return grid.locator(f"[data-row='{row}'][data-column='{column}']")
