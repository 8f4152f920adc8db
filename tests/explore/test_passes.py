"""Long passes of a page: in a worker or in slices, the same numbers, seen filling up, replaced."""

import base64
import hashlib
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from flax import nnx
from playwright.sync_api import Page

from jcnn.explore import _page
from jcnn.explore import page as explorer_page
from jcnn.layers import Dense, Flatten, Sequential
from tests.explore.scripts import PAGE
from tests.explore.small import (
    KERNEL,
    PICTURES,
    at,
    html,
    numbers,
    outputs,
    outputs_of,
)

Opened = Callable[..., Page]
# Reports of workers wait until `release(count)`, once `held` is true.
_HOLD = """
const Real = Worker;
const waiting = [];
globalThis.held = true;
globalThis.waits = () => waiting.length;
globalThis.release = (count) => waiting.splice(0, count).forEach((task) => task());
globalThis.Worker = class extends Real {
  set onmessage(listen) {
    super.onmessage = (event) => (held ? waiting.push(() => listen(event)) : listen(event));
  }
};"""


def long(worker: bool = True, before_layer: str = "", **more: Any) -> str:
    """The page of the small network, whose passes count as long.

    `before_layer` is run before each layer of a pass; `layer` is its number.
    """
    text = html(**more)
    start, end = text.index('type="module">') + len('type="module">'), text.rindex("</script>")
    script = text[start:end].replace("const LONG_PASS = 1e8", "const LONG_PASS = -1")
    assert script != text[start:end]
    call = "const y = runLayer(layers[layer], "
    assert script.count(call) == 1
    script = script.replace(call, before_layer + call)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"script-src 'sha256-{digest}'" + ("; worker-src blob:" if worker else "")
    text = text[:start] + script + text[end:]
    return re.sub(r"script-src '[^']*'", lambda _: policy, text, count=1)


def ended(page: Page) -> None:
    page.wait_for_function(
        "() => document.querySelector('#pass').hidden && document.body.dataset.ready"
    )


def edit(page: Page, cell: str, number: float) -> None:
    page.locator(cell).first.dblclick()
    page.locator(f"{cell} input").fill(str(number))
    page.locator(f"{cell} input").press("Enter")


def scores(page: Page) -> list[float]:
    return numbers(page, ".amount")


@pytest.mark.parametrize("worker", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_the_same_bits_after_every_change(
    browser_page: Opened, new_tab: Opened, tmp_path: Any, worker: bool
) -> None:
    """In a worker, and in slices where the policy refuses workers."""

    def steps(page: Page) -> list[list[float]]:
        found = [scores(page)]
        page.locator(".thumb").nth(1).click()
        ended(page)
        found.append(scores(page))
        at(page, 0, 0)
        edit(page, "[data-grid=kernel] .cell", 1.25)
        ended(page)
        found.append(scores(page))
        page.locator("[data-tool=draw]").click()
        page.locator(".pad-frame").press("Enter")
        page.wait_for_function("() => document.querySelectorAll('.thumb').length === 3")
        ended(page)
        found.append(scores(page))
        page.locator("[data-tool=reset]").click()
        ended(page)
        found.append(scores(page))
        return found

    plain = steps(browser_page(html()))
    assert len({tuple(one) for one in plain}) == 4  # the reset gives the second again
    np.testing.assert_allclose(plain[0], outputs(0)[-1], atol=1e-12)
    file = tmp_path / "long.html"
    file.write_text(long(worker))
    page = new_tab(alone=True)  # a refused worker is a message on the console
    page.goto(file.as_uri())
    ended(page)
    assert steps(page) == plain


def test_a_pass_goes_on_in_the_page_where_its_worker_fails(new_tab: Opened, tmp_path: Any) -> None:
    file = tmp_path / "long.html"
    fail = "if (layer === 3 && !globalThis.document) throw new Error('no memory');"
    file.write_text(long(before_layer=fail))
    page = new_tab(alone=True)  # the failure is a message on the console
    for picture in (0, 1):
        page.goto(f"{file.as_uri()}#picture={picture}")
        ended(page)
        np.testing.assert_allclose(scores(page), outputs(picture)[-1], atol=1e-12)


def test_the_check_of_a_long_network_says_the_same(browser_page: Opened) -> None:
    checks = [[y.astype(np.float32) for y in outputs(k)[1:]] for k in (0, 1)]
    checks[1][3] = checks[1][3] + np.float32(1)  # a wrong one

    def said(page: Page) -> list[str]:
        page.wait_for_function("() => document.querySelector('#badge').dataset.verdict === 'ok'")
        page.locator(".thumb").nth(1).click()
        page.wait_for_function("() => document.querySelector('#badge').dataset.verdict === 'bad'")
        return page.locator(".badge").all_inner_texts()

    plain = said(browser_page(html(checks=checks)))
    assert said(browser_page(long(checks=checks))) == plain


@pytest.fixture
def held(new_tab: Opened, tmp_path: Any) -> Page:
    """A tab with the long page whose first pass has computed nothing yet."""
    file = tmp_path / "long.html"
    file.write_text(long())
    page = new_tab(alone=True)
    page.add_init_script(_HOLD)
    page.goto(file.as_uri())
    page.wait_for_function("() => globalThis.waits?.() === 6")
    return page


def release(page: Page, count: int) -> None:
    page.evaluate("(count) => release(count)", count)


def begun(page: Page, reports: int) -> None:
    page.wait_for_function("(count) => waits() === count", arg=reports)


def test_the_network_fills_up_from_left_to_right(held: Page) -> None:
    waiting = "all => all.map((one) => one.classList.contains('waiting'))"
    assert held.locator("#pass").inner_text() == "computing: layer 0 of 6"
    assert held.locator("body[data-ready]").count() == 0
    assert held.locator("main").evaluate("(e) => e.inert")
    assert held.locator("#badge").is_hidden()
    columns = held.locator(".column")
    assert columns.evaluate_all(waiting) == [False] + [True] * (columns.count() - 1)
    blank = held.locator(".column").nth(1).locator("canvas").first.evaluate("(e) => e.toDataURL()")
    release(held, 2)
    assert held.locator("#pass").inner_text() == "computing: layer 2 of 6"
    assert columns.evaluate_all(waiting)[:3] == [False, False, True]
    drawn_now = columns.nth(1).locator("canvas").first.evaluate("(e) => e.toDataURL()")
    assert drawn_now != blank
    assert held.locator(".amount").first.is_hidden()  # no number that is not computed
    release(held, 4)
    ended(held)
    assert columns.evaluate_all(waiting) == [False] * columns.count()
    assert not held.locator("main").evaluate("(e) => e.inert")
    np.testing.assert_allclose(scores(held), outputs(0)[-1], atol=1e-12)


def test_a_newer_picture_replaces_an_older_one(held: Page) -> None:
    release(held, 6)
    ended(held)
    before = scores(held)
    held.locator(".thumb").nth(1).click()
    assert held.locator(".thumb").nth(1).get_attribute("aria-pressed") == "true"
    begun(held, 6)
    release(held, 3)
    assert scores(held) == before  # numbers of one picture stay together
    assert "picture=0" in held.url
    held.locator(".thumb").nth(0).click()
    held.locator(".thumb").nth(1).click()
    held.evaluate("held = false")
    release(held, 100)
    ended(held)
    np.testing.assert_allclose(scores(held), outputs(1)[-1], atol=1e-12)
    assert "picture=1" in held.url


def test_edits_and_strokes_during_a_pass_are_all_kept(held: Page) -> None:
    release(held, 6)
    ended(held)
    at(held, 0, 0)
    edit(held, "[data-grid=kernel] .cell", 1.25)
    begun(held, 6)
    held.locator("[data-tool=draw]").click()
    pad = held.locator(".pad-frame")
    for key in ("Home", "Enter", "ArrowRight", "ArrowRight", "ArrowDown", "Enter"):
        pad.press(key)
    held.evaluate("held = false")
    release(held, 100)
    held.wait_for_function("() => document.querySelectorAll('.thumb').length === 3")
    ended(held)
    pixels = held.locator(".pad-frame canvas").evaluate(
        """(canvas) => {
          const { width, height } = canvas;
          return [...canvas.getContext("2d").getImageData(0, 0, width, height).data];
        }"""
    )
    painted = np.reshape(pixels, (6, 7, 4))[..., :3].astype(np.uint8)
    assert 4 < (painted != PICTURES[0]).any(-1).sum() <= 8  # two squares of the pen
    kernel = KERNEL.copy()
    kernel[0, 0, 0, 0] = 1.25
    np.testing.assert_allclose(scores(held), outputs_of(painted, kernel)[-1], atol=1e-12)


def test_only_a_long_model_may_have_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's own threshold is that of the script; a model just above it has a worker."""
    assert f"const LONG_PASS = {_page._LONG:.0e}".replace("e+0", "e") in (
        PAGE / "passes.js"
    ).read_text(encoding="utf-8")
    model = Sequential([Flatten(), Dense(16, 3, rngs=nnx.Rngs(0))])
    images = PICTURES[:1, :4, :4, :1]
    assert "worker-src" not in explorer_page(model, images, ["a", "b", "c"]).html
    monkeypatch.setattr(_page, "_LONG", 16 * 3)
    assert "worker-src" not in explorer_page(model, images, ["a", "b", "c"]).html
    monkeypatch.setattr(_page, "_LONG", 16 * 3 - 1)
    assert "worker-src blob:; " in explorer_page(model, images, ["a", "b", "c"]).html
