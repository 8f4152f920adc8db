"""Edited parameters and their reset, against an oracle."""

import json
from typing import Any

import numpy as np
import pytest
from flax import nnx
from playwright.sync_api import Page

from jcnn.explore import page as explorer_page
from jcnn.layers import Conv2D, Dense, Flatten, Sequential
from tests.explore.scripts import joined
from tests.explore.small import (
    BIAS,
    KERNEL,
    PICTURES,
    SPLIT,
    OpenPage,
    at,
    drawn,
    html,
    layers,
    numbers,
    outputs,
    outputs_of,
)
from tests.explore.test_page import pictures

UNIT = (1 * 8 + 3) * 4 + 2  # of the convolution: row 1, column 3, filter 2


def _checks() -> list[list[Any]]:
    return [list(outputs(0)[1:])]


def _type(page: Page, cell: str, text: str) -> None:
    page.locator(cell).dblclick()
    page.locator(f"{cell} input").fill(text)
    page.keyboard.press("Enter")


def _is(page: Page, wanted: list[np.ndarray[Any, Any]]) -> None:
    """All bars, and the selected unit of the convolution."""
    for layer in (4, 5):
        found = numbers(page, f'[data-layer="{layer}"] .amount')
        np.testing.assert_allclose(found, wanted[layer + 1], rtol=0, atol=1e-12)


def test_a_kernel_cell_and_the_bias_change_all_that_follows(browser_page: OpenPage) -> None:
    page = browser_page(html(checks=_checks()), SPLIT)
    at(page, 0, UNIT)
    page.wait_for_selector('#badge[data-verdict="ok"]')
    kernel, bias = KERNEL.copy(), BIAS.copy()
    cell = '.card[data-channel="1"] [data-grid="kernel"] [data-cell="3"]'  # row 1, column 1
    for text, number in (("-1.75", -1.75), ("\N{MINUS SIGN}2.5e-1 ", -0.25), ("0.1", 0.1)):
        _type(page, cell, text)
        kernel[1, 1, 1, 2] = np.float32(number)
        _is(page, outputs_of(PICTURES[0], kernel))
        assert numbers(page, cell) == [kernel[1, 1, 1, 2]]
        (value,) = numbers(page, "#detail .value .numeral")
        wanted = outputs_of(PICTURES[0], kernel)[1].ravel()[UNIT]
        assert value == pytest.approx(wanted, abs=1e-12)
        assert page.locator(cell).evaluate("(e) => e === document.activeElement")
    _type(page, '[data-part="bias"]', "3")
    bias[2] = 3
    _is(page, outputs_of(PICTURES[0], kernel, bias))
    assert page.locator('[data-part="bias"]').evaluate("(e) => e === document.activeElement")
    page.wait_for_selector('#badge[data-verdict="unchecked"]')
    assert page.locator("#badge").inner_text() == "parameters changed: not comparable with JAX"
    page.locator(".thumb").nth(1).click()  # another picture, the same parameters
    _is(page, outputs_of(PICTURES[1], kernel, bias))
    page.locator(".thumb").nth(0).click()
    page.locator('[data-tool="reset"]').click()
    assert numbers(page, cell) == [KERNEL[1, 1, 1, 2]]
    _is(page, outputs(0))
    page.wait_for_selector('#badge[data-verdict="ok"]')


@pytest.mark.slow
def test_a_dense_weight_changes_its_unit(browser_page: OpenPage) -> None:
    page = browser_page(html(), SPLIT)
    at(page, 4, 1, "tab=how")
    weights = drawn(3, 48, 3)
    page.locator('[data-key="sort-order"]').click()
    _type(page, '[data-key="weight-7"]', "12")
    weights[7, 1] = 12
    _is(page, outputs_of(PICTURES[0], weights=weights))
    assert numbers(page, '[data-key="weight-7"]') == [12]
    before = outputs_of(PICTURES[0], weights=weights)[5][1]
    _type(page, '[data-role="bias"] .numeral', "-1")
    logit = before - drawn(4, 3)[1] - 1
    assert numbers(page, '[data-layer="4"] .amount')[1] == pytest.approx(logit, abs=1e-12)


def test_by_key_and_what_is_no_number(browser_page: OpenPage) -> None:
    page = browser_page(html(), SPLIT)
    at(page, 0, UNIT)
    grid = '.card[data-channel="0"] [data-grid="kernel"]'
    page.locator('[data-part="play"]').focus()
    while not page.evaluate("(grid) => document.activeElement.matches(`${grid} .cell`)", grid):
        page.keyboard.press("Tab")
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowRight", "ArrowUp"):
        page.keyboard.press(key)
    assert page.evaluate("document.activeElement.dataset.cell") == "3"
    before = numbers(page, ".amount")
    refused = page.locator(f"{grid} .refused")
    page.keyboard.press("Enter")
    assert page.locator(f"{grid} input").count() == 1
    for text in ("", "two", "1e39", "Infinity", "1,5"):
        page.locator(f"{grid} input").fill(text)
        page.keyboard.press("Enter")
        assert refused.inner_text() == "This is not a finite number. Nothing was changed."
    position = page.locator("#detail .position")
    output = page.locator('[data-part="map"]')
    area = output.bounding_box()
    assert area is not None
    wide, high = area["width"], area["height"]
    output.hover(position={"x": 0.85 * wide, "y": 0.1 * high})  # the window stays now
    assert position.get_attribute("data-position") == str(1 * 8 + 3)
    assert page.locator(f"{grid} input").count() == 1
    page.keyboard.press("Escape")
    assert page.locator("#detail").is_visible()  # the field's Escape is not the panel's
    assert refused.count() == page.locator(f"{grid} input").count() == 0
    assert numbers(page, ".amount") == before
    assert page.locator('[data-tool="reset"]').is_hidden()
    page.keyboard.press("Enter")
    page.keyboard.type("\N{FULLWIDTH DIGIT ZERO}.5")
    page.keyboard.press("Enter")
    assert page.locator("#announce").inner_text() == "kernel, row 1, column 1: 0.5"
    kernel = KERNEL.copy()
    kernel[1, 1, 0, 2] = 0.5
    _is(page, outputs_of(PICTURES[0], kernel))
    assert page.locator(".changed").count() == 1
    output.hover(position={"x": 0.85 * wide, "y": 0.5 * high})
    assert position.get_attribute("data-position") == str(1 * 8 + 6)
    # An original value is no change, whether typed or restored.
    page.keyboard.press("Enter")
    page.keyboard.type(str(KERNEL[1, 1, 0, 2]))
    page.keyboard.press("Enter")
    assert numbers(page, ".amount") == before
    assert page.locator('[data-tool="reset"]').is_hidden()


_UNDO = """
import { changeParameter, resetAll } from "./edits.js";
import { choosePicture, showOwn } from "./pictures.js";
import { state } from "./state.js";
const given = JSON.parse(document.getElementById("given").textContent);
for (const layer of given.layers) {
  for (const [name, numbers] of Object.entries(layer.arrays ?? {})) {
    const data = Float32Array.from(numbers.flat(Infinity));
    const shape = [];
    for (let part = numbers; Array.isArray(part); part = part[0]) shape.push(part.length);
    layer.arrays[name] = { data, shape };
  }
  layer.arrays ??= {};
}
for (const picture of given.pictures) picture.pixels = Uint8Array.from(picture.pixels);
state.network = given;
choosePicture(1);
const all = () => [...state.outputs.map((y) => [...y]),
  ...state.network.layers.flatMap(({ arrays }) => Object.values(arrays).map((a) => [...a.data]))];
const same = (a, b) => a.length === b.length &&
  a.every((y, i) => y.length === b[i].length && y.every((v, j) => Object.is(v, b[i][j])));
window.tried = () => {
  const before = all();
  const [conv, , , , dense] = state.network.layers;
  const found = { changed: [], restored: [] };
  for (let turn = 1; turn <= 3; turn++) {
    for (let k = 0; k < 5 * turn; k++) {
      changeParameter(0, conv.arrays.kernel, (7 * k) % 72, Math.fround(k - 3.3));
      changeParameter(4, dense.arrays.kernel, (11 * k) % 144, Math.fround(0.7 * k));
    }
    changeParameter(0, conv.arrays.bias, 2, turn === 2 ? -0 : 9);
    if (turn > 1) showOwn(Uint8Array.from(state.network.pictures[0].pixels, (p) => 255 - p), null);
    found.changed.push(state.edited && !same(all(), before));
    resetAll();
    const quiet = !state.edited && state.own === null && state.picture === 1;
    found.restored.push(quiet && same(all(), before));
    changeParameter(0, conv.arrays.bias, 2, conv.arrays.bias.data[2]); // which is the model's own
    found.restored.push(!state.edited);
  }
  return found;
};
document.body.dataset.ready = "true";
"""


def test_reset_restores_every_bit(browser_page: OpenPage) -> None:
    """All outputs and parameters, by Object.is, after many changes and a drawn picture."""
    given = {
        "input": {"shape": [6, 7, 3], "scale": 255},
        "layers": [
            {"inputs": [i], **one}
            | {"arrays": {k: a.tolist() for k, a in one.get("arrays", {}).items()}}
            for i, one in enumerate(layers())
        ],
        "pictures": [{"pixels": picture.ravel().tolist()} for picture in PICTURES],
    }
    page = browser_page(
        f'<!doctype html><body>.<script id="given" type="application/json">{json.dumps(given)}'
        f'</script><script type="module">{joined(_UNDO)}</script>'
    )
    assert page.evaluate("tried()") == {"changed": [True] * 3, "restored": [True] * 6}


def test_equal_arrays_of_two_layers_are_changed_one_by_one(browser_page: OpenPage) -> None:
    """The page stores equal numbers once, such as the biases of a new model, which are all zero."""
    rngs = nnx.Rngs(0)
    convs = [Conv2D(1, 2, 3, rngs=rngs), Conv2D(2, 2, 3, rngs=rngs)]
    model = Sequential([*convs, Flatten(), Dense(40, 3, rngs=rngs)])
    page = browser_page(explorer_page(model, pictures(1, 5, 4, 1), ["a", "b", "c"]).html, SPLIT)
    at(page, 0, 0)
    _type(page, '[data-part="bias"]', "3")
    assert numbers(page, '[data-part="bias"]') == [3]
    at(page, 1, 0)
    assert numbers(page, '[data-part="bias"]') == [0]
