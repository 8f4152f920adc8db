"""The playground in headless Chromium, and functions to operate it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page

from tests.explore.playground_page import playground_page


@pytest.fixture(scope="module")
def playground_tab(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """One tab for all tests of a file, offline."""
    file = Path(tmp_path_factory.mktemp("playground")) / "page.html"
    file.write_text(playground_page(), encoding="utf-8")
    context = chromium.new_context(offline=True)
    page = context.new_page()
    page.goto(file.as_uri())
    yield page
    context.close()


@pytest.fixture
def playground(tab: Page) -> Iterator[Page]:
    """The reloaded tab, at desktop width; the browser must not report anything."""
    with _quiet(tab):
        tab.reload()
        yield tab


@pytest.fixture
def playground_as_left(tab: Page) -> Iterator[Page]:
    """As `playground`, not reloaded, which takes longer than a small test.

    For tests that choose an example or give a whole state first, or ask only for functions.
    """
    with _quiet(tab):
        yield tab


@contextmanager
def _quiet(tab: Page) -> Iterator[None]:
    complaints: list[str] = []

    def complain(what: Any) -> None:
        complaints.append(str(getattr(what, "text", what)))

    tab.on("console", complain)
    tab.on("pageerror", complain)
    tab.emulate_media(color_scheme="light")
    tab.set_viewport_size({"width": 1200, "height": 900})
    yield
    tab.remove_listener("console", complain)
    tab.remove_listener("pageerror", complain)
    assert complaints == []


def choose(page: Page, example: str) -> None:
    page.locator("[name=example]").select_option(example)


def set_field(page: Page, name: str, value: str) -> None:
    field = page.locator(f"input[name={name}]")
    field.fill(value)
    field.blur()


def outputs(page: Page) -> Any:
    """The numbers of the output grids, one grid per channel."""
    return page.eval_on_selector_all(
        ".pg-outputs .pg-grid",
        "grids => grids.map(g => [...g.children].map(row => [...row.children].map("
        "cell => Number(cell.querySelector('[data-value]').dataset.value))))",
    )


def output_cell(page: Page, row: int, column: int, channel: int = 0) -> Locator:
    grid = page.locator(".pg-outputs .pg-grid").nth(channel)
    return grid.locator(f"[data-row='{row}'][data-column='{column}']")


def entry(page: Page, label: str, row: int, column: int) -> Locator:
    """The field of an input's or kernel's cell, by the label of its grid."""
    grid = page.get_by_role("grid", name=label, exact=True)
    return grid.locator(f"[data-row='{row}'][data-column='{column}']")
