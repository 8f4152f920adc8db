"""The page in a browser: marks, colours, badges, a convolution's walk, keys, words, address."""

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import Page

from tests.explore.built import Layer, built, conv, joined, plain, pool
from tests.ops import oracle

OpenPage = Callable[..., Page]
Array = npt.NDArray[np.float64]

SHAPE = (6, 7, 3)
CONV: dict[str, Any] = {"padding": ((1, 0), (2, 1)), "stride": (2, 1), "dilation": (1, 2)}
TIMES = "\N{MULTIPLICATION SIGN}"
CLASSES = ["ant", "bee", "<b>cat</b>"]


def drawn(seed: int, *shape: int) -> Array:
    """Normal numbers that float32 holds exactly."""
    values = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return values.astype(np.float64)


PICTURES = np.random.default_rng(0).integers(0, 256, (2, *SHAPE), dtype=np.uint8)
KERNEL, BIAS = drawn(1, 3, 2, 3, 4), drawn(2, 4)


def layers() -> list[Layer]:
    first = conv("first", SHAPE, KERNEL, BIAS, **CONV)
    high, wide, _ = first["out"]
    pooled = pool("max_pool", (high, wide, 4), (1, 2))
    size = int(np.prod(pooled["out"]))
    arrays = {"kernel": drawn(3, size, 3), "bias": drawn(4, 3)}
    return [
        first,
        plain("relu", "activation", first["out"], function="relu"),
        pooled,
        plain("flatten", "flatten", pooled["out"], [size]),
        plain("dense", "dense", [size], [3], arrays=arrays),
        plain("softmax", "softmax", [3]),
    ]


def outputs(picture: int) -> list[Array]:
    """The input and every layer's output, by the oracle."""
    x = (PICTURES[picture].astype(np.float32) / np.float32(255)).astype(np.float64)[None]
    first = oracle.conv2d(x, KERNEL, BIAS, **CONV)
    relu = np.maximum(first, 0)
    pooled = oracle.max_pool2d(relu, (1, 2))
    flat = pooled.reshape(1, -1)
    logits = oracle.dense(flat, drawn(3, flat.size, 3), drawn(4, 3))
    every = [x, first, relu, pooled, flat, logits, oracle.softmax(logits)]
    return [y[0] for y in every]


def html(**more: Any) -> str:
    return built(layers(), PICTURES, classes=CLASSES, **more)


def at(page: Page, layer: int, unit: int, *words: str) -> None:
    """Go to an address."""
    hash_ = "&".join([f"#layer={layer}&unit={unit}", *words])
    page.evaluate("(hash) => { location.hash = hash; }", hash_)
    page.wait_for_function(
        "(words) => words.every((word) => location.hash.includes(word))",
        arg=[f"layer={layer}", f"unit={unit}", "scale"],
    )


def numbers(page: Page, selector: str) -> list[float]:
    values = page.locator(selector).evaluate_all("(all) => all.map((e) => e.dataset.value)")
    return [float(value) for value in values]


# --- the overview ---------------------------------------------------------------------------------


def test_columns_have_name_type_and_shape(browser_page: OpenPage) -> None:
    page = browser_page(html())
    names = page.locator(".column h2").all_text_contents()
    assert names == ["input", "first", "relu", "max_pool", "flatten", "dense", "softmax"]
    shapes = page.locator(".column .shape").all_text_contents()
    assert [s.split(f" {TIMES} ") for s in shapes[1:4:2]] == [["3", "8", "4"], ["3", "4", "4"]]
    kinds = page.locator(".column .type").all_text_contents()
    assert kinds[1] == f"convolution 3 {TIMES} 2, stride 2 {TIMES} 1, dilation 1 {TIMES} 2"
    assert page.locator('.column[data-layer="0"] canvas.map').count() == 4


@pytest.mark.parametrize("layer", [0, 2, 3, 4])
def test_pointing_marks_exactly_what_is_read(browser_page: OpenPage, layer: int) -> None:
    page = browser_page(html())
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
    page = browser_page(html())
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
    page = browser_page(html())
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
    page = browser_page(html(checks=checks))
    badges = page.locator(".column .badge")
    page.wait_for_selector('#badge[data-verdict="bad"]')
    verdicts = badges.evaluate_all("(all) => all.map((e) => e.dataset.verdict)")
    assert verdicts == ["ok", "bad", "ok", "unchecked", "ok", "ok"]
    differences = numbers(page, ".column .badge .numeral")
    assert differences[1] == pytest.approx(0.01, rel=1e-4)
    # The truth was rounded to float32, so it differs, by half a step at most.
    assert 0 < differences[0] <= abs(y[1]).max() * 2**-24
    page.locator(".thumb").nth(1).click()
    page.wait_for_selector('#badge[data-verdict="unchecked"]')
    assert badges.first.inner_text() == "not checked"


# --- the convolution ------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", [1, (2 * 8 + 7) * 4 + 2, (1 * 8 + 3) * 4])
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
    """With whole numbers they add up; else "=" stands only where the digits really do."""
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
    page = browser_page(html())
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
    page.clock.install()
    page.locator(button("reset")).click()
    page.locator(button("play")).click()
    assert page.locator(button("play")).inner_text() == "Pause"
    page.clock.run_for(2000)
    assert position.get_attribute("data-position") == "3"
    page.locator(button("play")).click()
    page.clock.run_for(2000)
    assert position.get_attribute("data-position") == "3"
    page.locator(button("play")).click()
    page.clock.run_for(60_000)
    assert position.get_attribute("data-position") == "23"
    assert page.locator(button("play")).inner_text() == "Play"


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
    window = page.locator('.card[data-channel="0"] path.window').get_attribute("d") or ""
    cells = [(int(a), int(b)) for a, b in re.findall(r"M(-?\d+) (-?\d+)", window)]
    assert cells == [(c, r) for r in (3, 4, 5) for c in (2, 4)]


# --- keys, words, address -------------------------------------------------------------------------


def test_everything_by_keyboard(browser_page: OpenPage) -> None:
    page = browser_page(html())
    page.locator('.column[data-layer="-1"] .cells').focus()
    page.keyboard.press("Tab")
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "PageDown", "ArrowUp", "ArrowUp"):
        page.keyboard.press(key)
    said = page.locator("#announce").inner_text()
    assert said.startswith("first, channel 1, row 0, column 2: ")
    page.keyboard.press("Enter")
    assert numbers(page, "#detail .value .numeral") == pytest.approx([outputs(0)[1][0, 2, 1]])
    assert page.evaluate("document.activeElement.closest('#detail') !== null")
    page.keyboard.press("Escape")
    assert page.locator("#detail").is_hidden()
    assert page.evaluate("document.activeElement.closest('.column').dataset.layer") == "0"


def test_the_address_restores_the_view(browser_page: OpenPage) -> None:
    page = browser_page(html(), locale="ja-JP")
    assert page.locator("html").get_attribute("lang") == "ja"
    page.locator(".thumb").nth(1).click()
    page.locator('[data-control="scale"]').select_option("global")
    page.locator('[data-control="exact"]').check()
    page.locator('[data-control="language"]').select_option("en")
    at(page, 4, 1, "picture=1", "scale=global", "exact=1", "lang=en")
    page.reload()
    page.wait_for_selector("body[data-ready=true]")
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator('.thumb[aria-pressed="true"]').get_attribute("title") == "number 1"
    assert page.locator('[data-control="scale"]').input_value() == "global"
    assert numbers(page, "#detail .value .numeral") == pytest.approx([outputs(1)[5][1]])
    assert page.locator("#detail h2").inner_text() == "dense, unit 1 (bee)"
    for nonsense in ("#layer=99&unit=0", "#layer=0&unit=1e9", "#picture=-1&lang=xx&scale=%00"):
        page.evaluate("(hash) => { location.hash = hash; }", nonsense)
        page.wait_for_function("location.hash.includes('picture=1')")
        assert page.locator("#detail").is_hidden()


def test_both_languages_have_every_word(browser_page: OpenPage) -> None:
    ready = "document.body.dataset.ready = 'true';"
    page = browser_page(
        f"<body><script>{joined('words.js')}; globalThis.tables = LANGUAGES; {ready}</script>"
    )
    tables = json.loads(page.evaluate("JSON.stringify(tables)"))
    assert list(tables["en"]) == list(tables["ja"])
    assert all(tables["en"].values())
    assert all(tables["ja"].values())
    used = set(re.findall(r"\bw\.(\w+)", joined("main.js")))
    assert used <= set(tables["en"])


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_sticks_out(browser_page: OpenPage, width: int) -> None:
    page = browser_page(html(), viewport={"width": width, "height": 800})
    at(page, 0, 5)
    for exact in (False, True):
        page.locator('[data-control="exact"]').set_checked(exact)
        assert page.evaluate("document.documentElement.scrollWidth") == width
