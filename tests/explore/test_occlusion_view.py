"""The occlusion view: keys, pointer, colours, and how its run stops and continues."""

import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import Page

from tests.explore.occlusion_reference import (
    PROGRESS,
    VIEW,
    Array,
    fill,
    finished,
    occlusion,
    of_small,
    opened,
)
from tests.explore.small import CLASSES, PICTURES, OpenPage, html, numbers

MAP, GO = '[data-key="map"]', '[data-key="go"]'


def small_at(page: Page) -> None:
    """The small network's second picture, patches of 3 x 3 at a step of 2."""
    page.locator(".thumb").nth(1).click()
    page.locator(VIEW).click()
    fill(page, "side", 3)
    fill(page, "step", 2)


def test_by_keys_and_pointer(browser_page: OpenPage) -> None:
    page = browser_page(html())
    small_at(page)
    finished(page)
    whole, patched, places = occlusion(of_small, PICTURES[1], 3, 2, "mean")
    target = int(whole.argmax())
    drops = (whole - patched)[..., target]
    assert drops.shape == (3, 4)
    row, column = np.unravel_index(drops.argmax(), drops.shape)
    page.locator(MAP).focus()
    for key in ("ArrowLeft", "ArrowUp", "ArrowRight", "ArrowDown", "ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
        down, right = {"U": (-1, 0), "D": (1, 0), "L": (0, -1), "R": (0, 1)}[key[5]]
        if 0 <= row + down < 3 and 0 <= column + right < 4:
            row, column = row + down, column + right
        holds(page, int(row * 4 + column), whole, patched, places, target)
        said = page.locator("#announce").inner_text()
        top, bottom, left, right = places[row * 4 + column]
        assert said.startswith(f"Rows {top} to {bottom - 1}, columns {left} to {right - 1}")
    page.keyboard.press("Escape")
    holds(page, int(drops.argmax()), whole, patched, places, target)
    area = page.locator(MAP).bounding_box()
    assert area is not None
    # Cells are 2 x 2 pixels of 6 x 7; the last column is cut.
    page.locator(MAP).hover(position={"x": area["width"] * 6.5 / 7, "y": area["height"] * 2.5 / 6})
    holds(page, 1 * 4 + 3, whole, patched, places, target)
    other = (target + 1) % 3
    page.locator('[data-key="target"]').select_option(str(other))
    page.locator('[data-control="exact"]').check()
    holds(page, int((whole - patched)[..., other].argmax()), whole, patched, places, other)


def holds(
    page: Page,
    position: int,
    whole: Array,
    patched: Array,
    places: list[tuple[int, int, int, int]],
    target: int,
) -> None:
    """Check that numbers, picture and outline are those of this position."""
    p = patched.reshape(-1, patched.shape[-1])[position]
    shown = numbers(page, ".occ-result .numeral")
    wanted = [whole[target], p[target], whole[target] - p[target], p.max()]
    np.testing.assert_allclose(shown, wanted, rtol=0, atol=1e-7)
    assert page.locator(".occ-result b").inner_text() == CLASSES[int(p.argmax())]
    top, bottom, left, right = places[position]
    outline = page.locator(".occ-spot").get_attribute("d")
    assert outline == f"M{left} {top}H{right}V{bottom}H{left}z"
    image = PICTURES[1].astype(float)
    grey = (PICTURES[1].astype(np.float32) / np.float32(255)).astype(np.float64).mean()
    image[top:bottom, left:right] = 255 * grey
    seen = pixels(page, ".occ-pictures figure:nth-child(2) canvas")[..., :3]
    np.testing.assert_allclose(seen, image, rtol=0, atol=1)


def pixels(page: Page, selector: str) -> npt.NDArray[np.int64]:
    # On a copy, because Chromium warns about canvases that are drawn and read in turn.
    read = """(canvas) => {
        const { height, width } = canvas;
        const copy = new OffscreenCanvas(width, height).getContext("2d");
        copy.drawImage(canvas, 0, 0);
        return [height, width, ...copy.getImageData(0, 0, width, height).data];
    }"""
    height, width, *values = page.locator(selector).first.evaluate(read)
    return np.reshape(values, (height, width, 4)).astype(np.int64)


def test_the_legend_is_true_to_the_colours(browser_page: OpenPage) -> None:
    page = browser_page(html())
    small_at(page)
    finished(page)
    whole, patched, _ = occlusion(of_small, PICTURES[1], 3, 2, "mean")
    drops = (whole - patched)[..., whole.argmax()]
    ends = numbers(page, ".occ-legend .scale .numeral")
    assert ends == pytest.approx([-abs(drops).max(), 0, abs(drops).max()], abs=1e-9)
    legend = pixels(page, ".occ-legend canvas")
    assert legend.shape[:2] == (16, 101)
    seen = pixels(page, MAP + " canvas")
    for r, c in np.ndindex(6, 7):
        value = drops[r // 2, c // 2] / ends[2]
        grey = PICTURES[1][r, c].mean() / 255
        there = legend[int(np.rint(15 * grey)), int(np.rint(50 * value)) + 50]
        np.testing.assert_allclose(seen[r, c], there, rtol=0, atol=9)
    assert np.ptp(legend[:, 50, :3], axis=-1).max() < 12  # zero is grey
    assert legend[8, 95, 0] > legend[8, 95, 2] + 50  # orange where it is evidence for the class
    assert legend[8, 5, 2] > legend[8, 5, 0] + 50


# Every layer takes longer than a slice, and frames come only when the test requests them.
_HELD = """() => {
  let time = 0;
  performance.now = () => (time += 1000);
  globalThis.held = [];
  globalThis.requestAnimationFrame = (then) => held.push(then);
  globalThis.frames = async (count) => {
    for (let i = 0; i < count && held.length > 0; i++) {
      held.shift()();
      await new Promise((done) => setTimeout(done));
      await new Promise((done) => setTimeout(done));
    }
    return [document.querySelector("#occlusion progress").value, held.length];
  };
}"""


@pytest.mark.slow
def test_it_stops_goes_on_and_is_cancelled(browser_page: OpenPage) -> None:
    page = browser_page(html())
    page.evaluate(_HELD)

    def frames(count: int) -> list[int]:
        return list(page.evaluate("frames", count))

    page.locator(VIEW).click()
    fill(page, "side", 3)
    fill(page, "step", 2)
    frames(5)  # the runs for other sides end here
    done, waiting = frames(20)
    assert 0 < done < 12
    assert waiting == 1
    assert page.locator("#occlusion").inner_text().count(f"{done} of 12") == 1
    page.locator(GO).click()
    assert page.locator(GO).inner_text() == "Continue"
    assert frames(30) == [done, 0]
    page.locator(GO).click()
    assert frames(20)[0] > done

    # Another picture: nothing of the first one's is left.
    page.locator(".thumb").nth(1).click()
    assert page.locator(PROGRESS).evaluate("(e) => e.value") == 0
    assert frames(1000) == [12, 0]
    whole, patched, _ = occlusion(of_small, PICTURES[1], 3, 2, "mean")
    opened(page)
    shown = np.reshape(numbers(page, ".occ-all td .numeral"), (3, 4))
    wanted = (whole - patched)[..., whole.argmax()]
    np.testing.assert_allclose(shown, wanted, rtol=0, atol=1e-7)
    assert page.locator("#announce").inner_text().startswith("All 12 positions")
    assert page.locator(GO).get_attribute("aria-disabled") == "true"

    # Another view: nothing is computed there; back again, the rest is.
    page.locator(".thumb").nth(0).click()
    done = frames(20)[0]
    page.locator('#pages button:text-is("Network")').click()
    assert frames(1000) == [done, 0]
    page.locator(VIEW).click()
    assert frames(1000) == [12, 0]


@pytest.mark.parametrize("language", [pytest.param("en", marks=pytest.mark.slow), "ja"])
def test_it_fits_a_phone_and_its_address(browser_page: OpenPage, language: str) -> None:
    page = browser_page(html(), viewport={"width": 390, "height": 800})
    page.evaluate("(hash) => { location.hash = hash; }", f"view=occlusion&lang={language}&exact=1")
    page.wait_for_selector("#occlusion h2")
    finished(page)
    opened(page)
    assert page.locator("#occlusion h2").inner_text() == (
        "What matters: occlusion" if language == "en" else "重要な部分: 遮蔽 (オクルージョン)"
    )
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.evaluate("location.hash").count("view=occlusion") == 1
    assert page.locator("#pictures").is_visible()
    page.locator("#pages button").nth(2).click()
    assert page.locator("#pictures").is_hidden()
