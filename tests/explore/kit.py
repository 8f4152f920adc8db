"""A page with only functions of the explorer's files, to call them from Python."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page

from tests.explore.scripts import joined_files

# A layer whose arrays came as lists, with typed arrays as in the page.
REVIVED = """const revived = (layer) => ({ ...layer, arrays: Object.fromEntries(
  Object.entries(layer.arrays ?? {}).map(([name, { data, shape }]) =>
    [name, { data: Float32Array.from(data), shape }])) });"""


@contextmanager
def kit_page(tab: Page, names: str, *files: str) -> Iterator[Page]:
    """Fill `kit_tab`: its globals are `names` of the files ("runLayer, pool"), and `revived`."""
    script = joined_files(*files).replace("</", "<\\/")
    ready = f"{REVIVED} Object.assign(globalThis, {{revived, {names}}})"
    tab.goto("about:blank")  # without the globals of the page before
    tab.set_content(f"<body><script>{script}; {ready}</script>")
    yield tab
