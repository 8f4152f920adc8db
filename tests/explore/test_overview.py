"""The overview in a browser: columns, marked inputs, colours and legend, the check."""

from typing import Any

import numpy as np
import pytest

from tests.explore.built import built, conv, plain
from tests.explore.small import (
    CLASSES,
    CONV,
    KERNEL,
    SPLIT,
    TIMES,
    OpenPage,
    at,
    drawn,
    html,
    numbers,
    outputs,
)
from tests.ops.conv import oracle


def test_columns_have_name_type_and_shape(browser_page: OpenPage) -> None:
    page = browser_page(html(), SPLIT)
    names = page.locator(".column h2").all_text_contents()
    assert names == ["input", "first", "relu", "max_pool", "flatten", "dense", "softmax"]
    shapes = page.locator(".column .shape").all_text_contents()
    assert [s.split(f" {TIMES} ") for s in shapes[1:4:2]] == [["3", "8", "4"], ["3", "4", "4"]]
    kinds = page.locator(".column .type").all_text_contents()
    assert kinds[1] == f"convolution 3 {TIMES} 2, stride 2 {TIMES} 1, dilation 1 {TIMES} 2"
    assert page.locator('.column[data-layer="0"] canvas.map').count() == 4


@pytest.mark.parametrize("layer", [0, 2, 3, 4])
def test_pointing_marks_exactly_what_is_read(browser_page: OpenPage, layer: int) -> None:
    page = browser_page(html(), SPLIT)
    before, after = outputs(0)[layer].shape, outputs(0)[layer + 1].shape
    unit = {0: (2 * 8 + 6) * 4 + 1, 2: (1 * 4 + 2) * 4 + 3, 3: 5, 4: 2}[layer]
    box = page.locator(f'.column[data-layer="{layer}"] .cells > *')
    place = np.unravel_index(unit, after)
    one = box.nth(int(place[2]) if len(after) == 3 else 0)
    area = one.bounding_box()
    assert area is not None
    rows, columns = (after[0], after[1]) if len(after) == 3 else (after[0], 1)
    row, column = (place[0], place[1]) if len(after) == 3 else (unit, 0)
    one.hover(
        position={
            "x": float((column + 0.5) * area["width"] / columns),
            "y": float((row + 0.5) * area["height"] / rows),
        }
    )
    assert page.locator("rect.target").get_attribute("data-unit") == str(unit)
    marks = page.locator("rect.source").evaluate_all("(all) => all.map((e) => ({...e.dataset}))")
    marked = np.zeros(before, int)
    for mark in marks:
        m = {name: int(value) for name, value in mark.items()}
        if len(before) == 3:
            marked[
                m["row"] : m["row"] + m["height"], m["column"] : m["column"] + m["width"], m["box"]
            ] += 1
        else:
            for r in range(m["row"], m["row"] + m["height"]):
                marked[r : r + 1] += 1
    hot = np.zeros(after)
    hot[place] = 1
    if layer == 0:
        x = outputs(0)[0][None]
        wanted = oracle.conv2d_gradients(x, KERNEL, hot[None], **CONV)[0][0] != 0
    elif layer == 2:
        wanted = np.zeros(before, bool)
        wanted[place[0], 2 * place[1] : 2 * place[1] + 2, place[2]] = True
    elif layer == 3:
        wanted = hot.reshape(before) == 1
    else:
        wanted = np.ones(before, bool)
    assert marked.tolist() == wanted.astype(int).tolist()


def test_marks_leave_out_what_lies_between_dilated_cells(browser_page: OpenPage) -> None:
    layer = conv("wide", (7, 6, 1), drawn(6, 2, 3, 1, 1), dilation=(3, 2))
    size = int(np.prod(layer["out"]))
    chain = [layer, plain("flatten", "flatten", layer["out"], [size])]
    picture = np.random.default_rng(2).integers(0, 256, (1, 7, 6, 1), dtype=np.uint8)
    page = browser_page(built(chain, picture, classes=["a"] * size))
    at(page, 0, 2 * 2 + 1)
    marks = page.locator("rect.source").evaluate_all("(all) => all.map((e) => ({...e.dataset}))")
    cells = [(int(m["row"]), int(m["column"])) for m in marks]
    assert {(m["height"], m["width"]) for m in marks} == {("1", "1")}
    assert sorted(cells) == [(r, c) for r in (2, 5) for c in (1, 3, 5)]


@pytest.mark.parametrize("scale", ["unit", "layer", "global"])
def test_the_legend_says_the_range_of_the_colours(browser_page: OpenPage, scale: str) -> None:
    page = browser_page(html(), SPLIT)
    page.locator('[data-control="scale"]').select_option(scale)
    y = outputs(0)
    wanted = {
        "unit": abs(y[1][..., 0]).max(),
        "layer": abs(y[1]).max(),
        "global": max(abs(one).max() for one in y),
    }[scale]
    legend = page.locator('.column[data-layer="0"] .legend')
    assert float(legend.get_attribute("data-range") or "") == pytest.approx(wanted, abs=1e-12)
    # Every pixel has the legend's colour at its value, to a step of 1/50 of the legend.
    read = """(canvas) => Array.from(
        canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data)"""
    pixels = np.reshape(page.locator('[data-layer="0"] canvas.map').first.evaluate(read), (3, 8, 4))
    scale_ = np.reshape(legend.locator("canvas").evaluate(read), (101, 4))
    steps = np.rint(y[1][..., 0] / wanted * 50).astype(int) + 50
    assert np.abs(pixels - scale_[steps]).max() <= 8
    assert scale_[5][2] > scale_[5][0] + 50  # blue below zero
    assert scale_[95][0] > scale_[95][2] + 50  # orange above
    neutral = scale_[50][:3]
    assert neutral.max() - neutral.min() < 12  # zero is grey


def test_a_long_vector_is_a_strip_and_not_thousands_of_elements(browser_page: OpenPage) -> None:
    size = 25_088
    arrays = {"kernel": drawn(5, size, 2)}
    pictures = np.random.default_rng(1).integers(0, 256, (1, 112, 224, 1), dtype=np.uint8)
    chain = [
        plain("flatten", "flatten", [112, 224, 1], [size]),
        plain("dense", "dense", [size], [2], arrays=arrays),
        plain("softmax", "softmax", [2]),
    ]
    page = browser_page(built(chain, pictures, classes=["no", "yes"]))
    assert page.locator("*").count() < 300
    strip = page.locator('.column[data-layer="0"] .cells')
    strip.focus()
    page.keyboard.press("End")
    assert page.locator("#readout .numeral").get_attribute("data-value") is not None
    assert "unit 25087" in page.locator("#readout").inner_text()
    assert strip.evaluate("(e) => e.scrollTop + e.clientHeight > e.scrollHeight - 40")


def test_another_picture_is_computed_anew(browser_page: OpenPage) -> None:
    page = browser_page(html(), SPLIT)
    for picture in (1, 0):
        page.locator(".thumb").nth(picture).click()
        shown = numbers(page, '[data-layer="5"] .amount')
        np.testing.assert_allclose(shown, outputs(picture)[6], rtol=0, atol=1e-12)
    names = page.locator('[data-layer="5"] .who').all_text_contents()
    assert names == CLASSES  # as text


# --- the check ------------------------------------------------------------------------------------


def test_badges_are_green_red_or_unchecked(browser_page: OpenPage) -> None:
    y = outputs(0)
    wrong = y[2].copy()
    wrong[1, 2, 3] += 0.01
    checks: list[list[Any]] = [[y[1], wrong, y[3], None, y[5], y[6]]]
    page = browser_page(html(checks=checks), SPLIT)
    badges = page.locator(".column .badge")
    page.wait_for_selector('#badge[data-verdict="bad"]')
    verdicts = badges.evaluate_all("(all) => all.map((e) => e.dataset.verdict)")
    assert verdicts == ["ok", "bad", "ok", "unchecked", "ok", "ok"]
    differences = numbers(page, ".column .badge .numeral")
    # Relative to the largest number of the layer, where that is above 1.
    assert abs(wrong).max() > 1.5
    assert differences[1] == pytest.approx(0.01 / abs(wrong).max(), rel=1e-4)
    # The truth was rounded to float32, so it differs, by half a step at most.
    assert 0 < differences[0] <= 2**-24
    said = "✗ 5 of 6 layers compared with JAX: 1 different; 1 not included; largest difference 0.00"
    assert page.locator("#badge").inner_text().startswith(said)
    page.locator(".thumb").nth(1).click()
    page.wait_for_selector('#badge[data-verdict="unchecked"]')
    assert badges.first.inner_text() == "not checked"
