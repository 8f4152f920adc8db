"""Pages of models with branches: sources, reruns, marks, occlusion and edits."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from flax import nnx
from playwright.sync_api import Page

from jcnn.compile import run_once
from jcnn.explore import page as explorer_page
from jcnn.layers import eval_mode
from tests.explore.branches import MODELS
from tests.explore.branches_made import as_oracle, described, made
from tests.explore.kit import kit_page
from tests.explore.occlusion_reference import VIEW, fill, finished, occlusion, of_model, opened
from tests.explore.oracle import run_all
from tests.explore.small import SPLIT, OpenPage, at, numbers
from tests.explore.test_page import pictures


@pytest.fixture(scope="module")
def kit(kit_tab: Page) -> Iterator[Page]:
    """A page with only the functions."""
    with kit_page(
        kit_tab, "rerunLayer, runFrom, runLayer, sourcesByInput", "rerun.js", "terms.js"
    ) as page:
        yield page


_MATTERS = """([layers, image]) => {
  layers = layers.map(revived);
  const outputs = [Float64Array.from(image)];
  runFrom(layers, outputs, 0);
  return layers.flatMap((layer, i) => {
    const xs = layer.inputs.map((one) => outputs[one]);
    const y = outputs[i + 1];
    return [0, Math.floor(y.length / 3), y.length - 1].flatMap((unit) => {
      const sources = sourcesByInput(layer, unit);
      const others = xs.map((x, k) => x.map((v, at) => (sources[k].includes(at) ? v : NaN)));
      const alone = Object.is(runLayer(layer, ...others)[unit], y[unit]);
      const each = sources.every((list, k) => list.every((at) => {
        const without = xs.map((x, j) => (j === k ? x.with(at, NaN) : x));
        return Number.isNaN(runLayer(layer, ...without)[unit]);
      }));
      const sorted = sources.every((list) => list.every((at, n) => n === 0 || list[n - 1] < at));
      return alone && each && sorted ? [] : [[layer.name, unit, alone, each, sorted]];
    });
  });
}"""


@pytest.mark.parametrize(
    "name",
    [
        n if n in ("residual", "squeeze") else pytest.param(n, marks=pytest.mark.slow)
        for n in MODELS
    ],
)
def test_the_sources_of_a_unit_are_all_that_it_reads(kit: Page, name: str) -> None:
    """A number that is none makes the unit none if it is a source, and otherwise nothing."""
    found, _ = made(name)
    image = pictures(1, *found.input_shape).ravel() / 255
    assert kit.evaluate(_MATTERS, [described(found), image.tolist()]) == []


_RERUN = """([layers, image, other, areas]) => {
  layers = layers.map(revived);
  const [before, whole] = [image, other].map((x) => [Float64Array.from(x)]);
  runFrom(layers, before, 0);
  return areas.map((area) => {
    const [rows, columns] = area;
    const [, width, channels] = layers[0].in;
    const ys = [before[0].map((v, i) => {
      const [row, column] = [Math.floor(i / channels / width), Math.floor(i / channels) % width];
      const inside = row >= rows[0] && row < rows[1] && column >= columns[0] && column < columns[1];
      return inside ? other[i] : v;
    })];
    const full = [ys[0]];
    runFrom(layers, full, 0);
    const changes = [area];
    return layers.map((layer, i) => {
      const of = (list) => layer.inputs.map((one) => list[one]);
      const { y, changed } = rerunLayer(layer, of(ys), before[i + 1], of(changes));
      ys.push(y);
      changes.push(changed);
      const [high, wide, deep] = layer.out;
      const outside = (at) => {
        if (changed === null) return false;
        const place = [Math.floor(at / deep / wide), Math.floor(at / deep) % wide];
        return place.some((p, axis) => p < changed[axis][0] || p >= changed[axis][1]);
      };
      const right = y.every((v, at) => Object.is(v, full[i + 1][at]));
      const kept = y.every((v, at) => Object.is(v, before[i + 1][at]) || !outside(at));
      return [layer.name, right, kept, changed];
    });
  });
}"""


@pytest.mark.parametrize(
    "name",
    [
        n if n in ("residual", "squeeze") else pytest.param(n, marks=pytest.mark.slow)
        for n in MODELS
    ],
)
def test_what_a_patch_changes_is_computed_anew(kit: Page, name: str) -> None:
    """To the last bit, through all branches, and no number outside the area that is named."""
    found, _ = made(name)
    first, second = (p.ravel() / 255 for p in pictures(2, *found.input_shape))
    areas = [((0, 1), (0, 2)), ((2, 4), (3, 5)), ((4, 6), (4, 5)), ((0, 6), (0, 5))]
    given = [described(found), first.tolist(), second.tolist(), areas]
    parts = 0
    for answer in kit.evaluate(_RERUN, given):
        assert [one[0] for one in answer if not (one[1] and one[2])] == []
        parts += sum(one[3] is not None for one in answer)
    assert parts > 8  # not everything was computed anew


# --- in the page ----------------------------------------------------------------------------------


def marks(page: Page) -> dict[int, set[tuple[int, int, int]]]:
    """The marked cells (row, column, channel) by layer; -1 is the picture."""
    found: dict[int, set[tuple[int, int, int]]] = {}
    for one in page.locator("svg.over .source").evaluate_all(
        "(all) => all.map((e) => ({...e.dataset}))"
    ):
        row, column, high, wide, box = (
            int(one[key]) for key in ("row", "column", "height", "width", "box")
        )
        cells = {(r, c, box) for r in range(row, row + high) for c in range(column, column + wide)}
        found.setdefault(int(one["layer"]), set()).update(cells)
    return found


def test_the_sources_of_a_sum_are_marked_and_opened(browser_page: OpenPage) -> None:
    found, html = made("residual")
    names = [layer.name for layer in found.layers]
    outputs = found.outputs(pictures(1, *found.input_shape)[0])
    page = browser_page(html, SPLIT)
    add = names.index("add")
    place = (3, 1, 2)
    unit = int(np.ravel_multi_index(place, found.layers[add].out_shape))
    at(page, add, unit)
    assert marks(page) == {names.index("conv2"): {place}, names.index("projection"): {place}}
    a, b, *equation = numbers(page, "#detail .view [data-value]")
    assert equation == [a, b, a + b]
    assert [a, b] == pytest.approx(
        [outputs[names.index(name)][place] for name in ("conv2", "projection")], abs=1e-5
    )
    assert "reads one number of conv2 · reads one number of projection" in (
        page.locator("#readout").inner_text()
    )
    sources = page.locator("#detail .view-table button")
    assert sources.all_inner_texts() == [
        f"{name}, channel 2, row 3, column 1" for name in ("conv2", "projection")
    ]
    sources.nth(1).focus()
    page.keyboard.press("Enter")
    assert page.locator("#detail h2").inner_text() == "projection, channel 2, row 3, column 1"
    assert numbers(page, "#detail .value [data-value]") == [b]
    assert page.evaluate("document.activeElement.closest('#detail') !== null")
    # The convolution's own view shows its own input, not the layer before it.
    page.locator("#detail .tabs button").first.click()
    *parts, total = numbers(page, ".conv-sum .equation [data-value]")
    assert sum(parts) == pytest.approx(b)
    assert total == b
    assert set(marks(page)) == {-1}


def test_a_gate_is_repeated(browser_page: OpenPage) -> None:
    found, html = made("squeeze")
    names = [layer.name for layer in found.layers]
    page = browser_page(html, SPLIT)
    index = names.index("multiply")  # its first input is the gate
    place = (4, 2, 3)
    at(page, index, int(np.ravel_multi_index(place, found.layers[index].out_shape)))
    assert marks(page) == {names.index("hidden reshape"): {(0, 0, 3)}, names.index("add"): {place}}
    a, b, *equation = numbers(page, "#detail .view [data-value]")
    assert equation == [a, b, a * b]
    assert "is repeated" in page.locator("#detail .view").inner_text()


def test_a_concatenation_says_whose_channel_it_is(browser_page: OpenPage) -> None:
    found, html = made("fire")
    names = [layer.name for layer in found.layers]
    page = browser_page(html, SPLIT)
    index = names.index("join")
    for channel, source in [
        (2, ("expand1x1 relu", 2)),
        (3, ("expand3x3 relu", 0)),
        (6, ("expand3x3 relu", 3)),
    ]:
        at(page, index, int(np.ravel_multi_index((1, 5, channel), (6, 7, 7))))
        assert marks(page) == {names.index(source[0]): {(1, 5, source[1])}}
        button = page.locator("#detail .view-table button")
        assert button.inner_text() == f"{source[0]}, channel {source[1]}, row 1, column 5"
    rows = page.locator("#detail .view-table tbody tr").all_inner_texts()
    assert [row.split("\t") for row in rows[:2]] == [
        ["0: expand1x1 relu", "0\N{EN DASH}2"],
        ["1: expand3x3 relu", "3\N{EN DASH}6"],
    ]
    before = numbers(page, "#detail .value [data-value]")
    button.click()
    assert numbers(page, "#detail .value [data-value]") == before
    assert page.locator("#detail h2").inner_text().startswith("expand3x3 relu, channel 3")


@pytest.mark.slow
def test_a_changed_parameter_reaches_every_branch(browser_page: OpenPage) -> None:
    """The constant of a sum, before two branches part; the numbers are the oracle's."""
    found, html = made("normalised")
    names = [layer.name for layer in found.layers]
    image = pictures(1, *found.input_shape)[0]
    page = browser_page(html, SPLIT)
    scaled = names.index("groups multiply")
    at(page, scaled, 4)
    constant = page.locator('#detail [data-key="constant"]')
    constant.dblclick()
    page.keyboard.type("2.5")
    page.keyboard.press("Enter")
    layers = as_oracle(found)
    gamma = found.layers[scaled].arrays["constant"].copy()
    gamma.ravel()[4] = 2.5
    layers[scaled] = layers[scaled] | {"arrays": {"constant": gamma}}
    wanted = run_all(layers, (image.astype(np.float32) / np.float32(255)).astype(float)[None])
    for index, y in enumerate(wanted):
        at(page, index, y.size - 2)
        (value,) = numbers(page, "#detail .value [data-value]")
        assert value == pytest.approx(y.ravel()[-2], rel=1e-9), names[index]
    assert not np.allclose(wanted[-1], found.outputs(image)[-1], rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "factor"), [("squeeze", 4), ("upsampling", 20)])
def test_occlusion_is_pythons(browser_page: OpenPage, name: str, factor: float) -> None:
    make, shape = MODELS[name]
    model: Any = nnx.merge(*run_once(lambda: nnx.split(make())))
    model.head.kernel[...] = model.head.kernel[...] * factor  # so that the probabilities vary
    image = pictures(1, *shape)[0]
    image[: shape[0] // 2] //= 3
    page = browser_page(explorer_page(model, image[None], ["ant", "bee", "cat"]).html, SPLIT)
    page.locator(VIEW).click()
    fill(page, "side", 3)
    fill(page, "step", 2)
    finished(page)
    opened(page)
    whole, patched, _ = occlusion(of_model(eval_mode(model)), image, 3, 2, "mean")
    drops = whole - patched
    target = int(np.ptp(drops, axis=(0, 1)).argmax())
    page.locator('[data-key="target"]').select_option(str(target))
    shown = np.reshape(numbers(page, ".occ-all td .numeral"), drops.shape[:2])
    np.testing.assert_allclose(shown, drops[..., target], rtol=0, atol=3e-6)
    assert np.abs(drops[..., target]).max() > 0.01
