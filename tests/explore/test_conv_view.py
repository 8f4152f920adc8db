"""A convolution in a browser: patches, kernels and sums, and the animation of the window."""

import re
from decimal import Decimal

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.explore.built import built, conv, plain
from tests.explore.small import (
    BIAS,
    KERNEL,
    TIMES,
    OpenPage,
    at,
    drawn,
    html,
    numbers,
    outputs,
)


@pytest.mark.parametrize(
    "unit", [1, pytest.param((2 * 8 + 7) * 4 + 2, marks=pytest.mark.slow), (1 * 8 + 3) * 4]
)
def test_patches_kernels_and_sums_add_up(browser_page: OpenPage, unit: int) -> None:
    page = browser_page(html())
    at(page, 0, unit)
    x, y = outputs(0)[0], outputs(0)[1]
    row, column, k = (int(n) for n in np.unravel_index(unit, y.shape))
    padded = np.full((7, 10, 3), np.nan)
    padded[1:, 2:9] = x
    patch = padded[2 * row : 2 * row + 3, column : column + 3 : 2]
    total = 0.0
    for channel in range(3):
        card = f'.card[data-channel="{channel}"]'
        cells = np.reshape(numbers(page, f'{card} [data-grid="patch"] .cell'), (3, 2))
        outside = page.locator(f'{card} [data-grid="patch"] .cell').evaluate_all(
            "(all) => all.map((e) => e.dataset.padding === 'true')"
        )
        assert outside == np.isnan(patch[..., channel]).ravel().tolist()
        assert cells.tolist() == np.nan_to_num(patch[..., channel]).tolist()
        kernel = np.reshape(numbers(page, f'{card} [data-grid="kernel"] .cell'), (3, 2))
        assert kernel.tolist() == KERNEL[:, :, channel, k].tolist()
        products = numbers(page, f'{card} [data-grid="products"] .cell')
        assert products == (cells * kernel).ravel().tolist()
        (partial,) = numbers(page, f"{card} .sum")
        assert partial == pytest.approx(sum(products), abs=1e-13)
        total += partial
    parts = numbers(page, ".equation .part .numeral")
    assert parts[:3] == numbers(page, ".card .sum")
    assert parts[3] == BIAS[k]
    assert parts[4] == pytest.approx(y.ravel()[unit], abs=1e-12)
    assert parts[4] == pytest.approx(total + BIAS[k], abs=1e-13)
    assert numbers(page, "#detail .value .numeral") == [parts[4]]


def test_digits_shown_add_up_or_are_marked(browser_page: OpenPage) -> None:
    """Integers add up; otherwise "=" appears only where the shown digits add up."""
    whole = np.random.default_rng(7).integers(-3, 4, (2, 2, 1, 1)).astype(float)
    layer = conv("whole", (4, 4, 1), whole, np.array([2.0]))
    chain = [layer, plain("flatten", "flatten", [3, 3, 1], [9])]
    binary = np.random.default_rng(8).integers(0, 2, (1, 4, 4, 1)).astype(np.uint8) * 255
    page = browser_page(built(chain, binary, classes=["a"] * 9))
    at(page, 0, 4)
    assert page.locator(".equation .equals").inner_text() == "="
    assert page.locator(".card .sign").all_inner_texts() == [TIMES, "=", "="]

    page = browser_page(html())
    seen = set()
    for unit in (0, 5, 22, 43):
        at(page, 0, unit)
        for exact in (False, True):
            page.locator('[data-control="exact"]').set_checked(exact)
            texts = page.locator(".equation .part .numeral").all_inner_texts()
            digits = [Decimal(text.replace("\N{MINUS SIGN}", "-")) for text in texts]
            sign = page.locator(".equation .equals").inner_text()
            assert sign == ("=" if sum(digits[:-1]) == digits[-1] else "≈")
            full = page.locator(".equation .part .numeral").evaluate_all(
                "(all) => all.map((e) => e.dataset.value)"
            )
            if exact:
                assert [text.replace("\N{MINUS SIGN}", "-") for text in texts] == full
            seen.add(sign)
    assert seen == {"=", "≈"}


def test_the_window_walks_all_positions_in_order(browser_page: OpenPage) -> None:
    page = browser_page(html(), alone=True)  # its clock is changed
    at(page, 0, (1 * 8 + 3) * 4 + 1)
    button = '#detail [data-part="{}"]'.format
    page.locator(button("reset")).click()
    walked = []
    for _ in range(24):
        walked += numbers(page, "#detail .value .numeral")
        page.locator(button("step")).click()
    np.testing.assert_allclose(walked, outputs(0)[1][..., 1].ravel(), rtol=0, atol=1e-12)
    position = page.locator("#detail .position")
    assert position.get_attribute("data-position") == "23"  # a further step stays
    page.locator(button("back")).click()
    assert position.get_attribute("data-position") == "22"
    page.clock.install(time=0)
    page.clock.pause_at(1000)  # real time does not count
    page.locator(button("reset")).click()
    page.locator(button("play")).click()
    assert page.locator(button("play")).inner_text() == "Pause"
    tab = page.locator("#detail .tabs button").nth(1)
    tab.focus()
    page.clock.run_for(2000)
    assert position.get_attribute("data-position") == "3"
    expect(tab).to_be_focused()  # the animation does not rebuild the tab
    page.locator(button("play")).click()
    page.clock.run_for(2000)
    assert position.get_attribute("data-position") == "3"


@pytest.mark.slow
def test_a_walk_takes_ten_seconds_whatever_the_size(browser_page: OpenPage) -> None:
    """The first positions slowly, then faster; twice as fast at twice the speed."""
    layer = conv("wide", (60, 60, 1), drawn(1, 1, 1, 1, 1))
    picture = np.random.default_rng(1).integers(0, 256, (1, 60, 60, 1)).astype(np.uint8)
    page = browser_page(built([layer], picture, classes=["a"]), alone=True)
    at(page, 0, 0)
    page.clock.install(time=0)
    page.clock.pause_at(1000)  # real time does not count
    position = page.locator("#detail .position")
    button = '#detail [data-part="{}"]'.format
    output = page.locator(button("map"))
    output.focus()
    reached = []
    for speed in (1, 2):
        page.locator(button("speed")).evaluate(
            "(e, value) => { e.value = value; e.dispatchEvent(new Event('input')); }", speed - 1
        )
        page.keyboard.press("Home")
        page.keyboard.press(" ")
        for _ in range(5):
            page.clock.run_for(2000 // speed)
            reached.append(int(position.get_attribute("data-position") or ""))
        page.clock.run_for(200)
        assert position.get_attribute("data-position") == "3599"
        assert page.locator(button("play")).inner_text() == "Play"
    assert reached[0] == 3
    steps = np.diff([0, *reached[:5]])
    assert (np.diff(steps) > 0).all()
    assert steps[-1] > 1000
    assert reached[5:9] == pytest.approx(reached[:4], abs=120)  # a tick is 120 ms of the walk then
    page.keyboard.press("Home")
    page.keyboard.press("End")
    assert position.get_attribute("data-position") == "3599"


def test_the_window_follows_pointer_and_arrow_keys(browser_page: OpenPage) -> None:
    page = browser_page(html())
    at(page, 0, 3)
    output = page.locator('#detail [data-part="map"]')
    area = output.bounding_box()
    assert area is not None
    output.hover(position={"x": area["width"] * 5.5 / 8, "y": area["height"] * 1.5 / 3})
    position = page.locator("#detail .position")
    assert position.get_attribute("data-position") == str(8 + 5)
    output.focus()
    for key in ("ArrowDown", "ArrowLeft", "ArrowDown"):  # the last one is at the edge
        page.keyboard.press(key)
    assert position.get_attribute("data-position") == str(2 * 8 + 4)
    assert page.locator("#announce").inner_text().startswith("row 2, column 4: ")
    # Stride 2 down, dilation 2 across: two columns of cells with one between them.
    window = page.locator('.card[data-channel="0"] .from path.window').get_attribute("d") or ""
    cells = [(int(a), int(b)) for a, b in re.findall(r"M(-?\d+) (-?\d+)", window)]
    assert cells == [(c, r) for r in (3, 4, 5) for c in (2, 4)]
