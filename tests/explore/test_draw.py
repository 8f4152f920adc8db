"""Drawing on the input with pointer and keys, and the reset."""

import io
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from playwright.sync_api import Page

from tests.explore.built import built, plain
from tests.explore.small import (
    PICTURES,
    SPLIT,
    OpenPage,
    bytes_of,
    drawn,
    html,
    numbers,
    outputs,
    outputs_of,
)

PAD = ".pad-frame canvas"


def _grey(browser_page: OpenPage, **options: Any) -> tuple[Page, npt.NDArray[np.uint8]]:
    """A page with one dense layer and a grey 7x9 picture, and the picture."""
    picture = np.random.default_rng(5).integers(1, 255, (7, 9, 1), dtype=np.uint8)
    chain = [
        plain("flatten", "flatten", [7, 9, 1], [63]),
        plain("dense", "dense", [63], [2], arrays={"kernel": drawn(6, 63, 2)}),
    ]
    page = browser_page(built(chain, picture[None], classes=["a", "b"]), SPLIT, **options)
    page.locator('[data-tool="draw"]').click()
    return page, picture


def _press(page: Page, *names: str) -> None:
    for name in names:
        page.locator(f'[data-pen="{name}"]').click()


def _drag(page: Page, *cells: tuple[float, float], shape: tuple[int, int]) -> None:
    """Paint a stroke through the centres of cells (row, column), each in one jump."""
    box = page.locator(PAD).bounding_box()
    assert box is not None
    for number, (row, column) in enumerate(cells):
        x = box["x"] + (column + 0.5) * box["width"] / shape[1]
        y = box["y"] + (row + 0.5) * box["height"] / shape[0]
        page.mouse.move(x, y)
        if number == 0:
            page.mouse.down()
    page.mouse.up()
    _frame(page)


def _frame(page: Page) -> None:
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")


def test_a_stroke_paints_and_everything_follows(browser_page: OpenPage) -> None:
    page, picture = _grey(browser_page)
    assert bytes_of(page, PAD, 1).tolist() == picture.tolist()
    wanted = picture.copy()
    _press(page, "size-1")
    _drag(page, (2, 1), (2, 7), (5, 7), shape=(7, 9))  # two straight lines without gaps
    wanted[2, 1:8] = 255
    wanted[2:6, 7] = 255
    assert bytes_of(page, PAD, 1).tolist() == wanted.tolist()
    _press(page, "size-3", "eraser")
    _drag(page, (0, 0), shape=(7, 9))  # cut off by the corner
    wanted[:2, :2] = 0
    _press(page, "black", "size-2")  # the eraser is off again
    _drag(page, (4, 4), shape=(7, 9))
    wanted[4:6, 4:6] = 0
    for canvas in (PAD, ".photo", ".thumb >> nth=1 >> canvas"):
        assert bytes_of(page, canvas, 1).tolist() == wanted.tolist()
    x = (wanted.astype(np.float32) / np.float32(255)).astype(np.float64).ravel()
    logits = numbers(page, '[data-layer="1"] .amount')
    np.testing.assert_allclose(logits, x @ drawn(6, 63, 2), rtol=0, atol=1e-12)
    page.wait_for_function("() => /lang/.test(location.hash) && !/picture/.test(location.hash)")
    _press(page, "clear")
    _frame(page)
    assert (
        bytes_of(page, PAD, 1).tolist() == np.full((7, 9, 1), 255).tolist()
    )  # a black pen's paper


def test_a_colour_is_painted_in_all_channels(browser_page: OpenPage) -> None:
    page = browser_page(html(), SPLIT)
    page.locator('[data-tool="draw"]').click()
    page.locator('[data-pen="picker"]').fill("#12a0f3")
    _press(page, "size-1")
    _drag(page, (4, 2), shape=(6, 7))
    wanted = PICTURES[0].copy()
    wanted[4, 2] = (0x12, 0xA0, 0xF3)
    assert bytes_of(page, PAD, 3).tolist() == wanted.tolist()
    for layer, y in enumerate(outputs_of(wanted)[5:], 4):
        found = numbers(page, f'[data-layer="{layer}"] .amount')
        np.testing.assert_allclose(found, y, rtol=0, atol=1e-12)
    # The embedded picture is untouched, and the drawn one can be chosen again.
    page.locator(".thumb").nth(0).click()
    np.testing.assert_allclose(numbers(page, '[data-layer="5"] .amount'), outputs(0)[6], atol=1e-12)
    page.locator(".thumb").nth(2).click()
    assert bytes_of(page, PAD, 3).tolist() == wanted.tolist()
    assert page.locator('.thumb[aria-pressed="true"]').get_attribute("title") == "drawn"


def test_everything_by_key(browser_page: OpenPage) -> None:
    page, picture = _grey(browser_page)
    page.keyboard.press("Escape")
    assert page.locator(".pad").is_hidden()
    assert page.evaluate("document.activeElement.dataset.tool") == "draw"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.matches('.pad-frame')")
    _press(page, "size-1")
    page.locator(".pad-frame").focus()
    for key in ["ArrowUp"] * 9 + ["ArrowRight"] * 2:  # from the middle, (3, 4)
        page.keyboard.press(key)
    assert page.locator("#announce").inner_text() == "row 0, column 6"
    page.keyboard.press(" ")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    _frame(page)
    assert page.locator("#announce").inner_text() == "drawn"  # there is no most probable class
    wanted = picture.copy()
    wanted[:2, 6] = 255
    assert bytes_of(page, PAD, 1).tolist() == wanted.tolist()
    for name in ("clear", "eraser", "black", "size-3"):
        assert page.locator(f'[data-pen="{name}"]').evaluate("(e) => e.tabIndex") == 0


def test_the_network_runs_once_a_frame(browser_page: OpenPage) -> None:
    """However often the pointer moves, and the pad is drawn whenever the network has run."""
    page, _ = _grey(browser_page)
    runs = page.evaluate(
        """async () => {
          const frame = () => new Promise(requestAnimationFrame);
          const pad = document.querySelector(".pad-frame");
          const draw = CanvasRenderingContext2D.prototype.putImageData;
          let runs = 0;
          CanvasRenderingContext2D.prototype.putImageData = function (...words) {
            runs += this.canvas.parentElement === pad;
            return draw.apply(this, words);
          };
          const { x, y } = pad.getBoundingClientRect();
          const send = (type, step) => pad.dispatchEvent(new PointerEvent(type, {
            clientX: x + 5 * step, clientY: y + 9, bubbles: true, pointerId: 1 }));
          pad.setPointerCapture = () => {};
          send("pointerdown", 1);
          for (let step = 2; step < 40; step++) send("pointermove", step);
          const before = runs;
          await frame();
          await frame();
          return [before, runs];
        }"""
    )
    assert runs == [0, 1]


def test_reset_brings_the_picture_back(browser_page: OpenPage) -> None:
    page = browser_page(html(), SPLIT)
    page.locator(".thumb").nth(1).click()
    reset = page.locator('[data-tool="reset"]')
    assert reset.is_hidden()
    before = numbers(page, ".amount")
    page.locator('[data-tool="draw"]').click()
    for column in (1, 4):
        _drag(page, (3, column), shape=(6, 7))
    assert numbers(page, ".amount") != before
    reset.click()
    assert numbers(page, ".amount") == before
    assert bytes_of(page, PAD, 3).tolist() == PICTURES[1].tolist()
    assert page.locator(".thumb").count() == 2
    assert page.locator('.thumb[aria-pressed="true"]').get_attribute("title") == "number 1"
    assert reset.is_hidden()
    assert page.evaluate("document.activeElement.dataset.tool") == "draw"


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_a_phone_has_room_for_the_pad(browser_page: OpenPage, scheme: str) -> None:
    page, _ = _grey(browser_page, viewport={"width": 390, "height": 800}, color_scheme=scheme)
    for language in ("en", "ja"):
        page.locator('[data-control="language"]').select_option(language)
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        texts = page.locator("#tools button").all_inner_texts()
        assert all(texts[:2])
        assert all(texts[3:])


@pytest.mark.slow
def test_drawing_and_opening_work_in_a_notebooks_frame(browser_page: OpenPage) -> None:
    """In an opaque origin: no address, no storage."""
    frame = f'<iframe sandbox="allow-scripts" width="900" height="700" srcdoc="{escape(html())}">'
    outer = browser_page(f'<!doctype html><body data-ready="true">{frame}</iframe>')
    page = outer.frame_locator("iframe")
    page.locator("body[data-ready=true]").wait_for(timeout=60_000)
    page.locator('[data-tool="draw"]').click()
    page.locator(".pad-frame").press(" ")
    page.locator('.thumb[title="drawn"]').wait_for()
    bitmap = io.BytesIO()
    Image.new("RGB", (1, 1), (1, 2, 3)).save(bitmap, "BMP")
    file: Any = {"name": "one.bmp", "mimeType": "image/bmp", "buffer": bitmap.getvalue()}
    page.locator('#tools input[type="file"]').set_input_files([file])
    page.locator('.thumb[title="one.bmp"]').wait_for()
    wanted = outputs_of(np.full((6, 7, 3), (1, 2, 3), np.uint8))[6]
    values = page.locator('[data-layer="5"] .amount').evaluate_all(
        "(all) => all.map((e) => Number(e.dataset.value))"
    )
    np.testing.assert_allclose(values, wanted, rtol=0, atol=1e-12)
