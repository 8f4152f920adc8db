"""A unit opened within the network: what stays visible, the largest channels, sums, movement."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page

from jcnn.explore import page as explorer_page
from jcnn.models import build
from tests.explore import layers_given as given
from tests.explore.built import built, conv, plain
from tests.explore.kit import kit_page
from tests.explore.small import OpenPage, at, drawn, html, numbers, outputs
from tests.explore.test_page import pictures
from tests.explore.test_window import ZOO
from tests.ops.conv import oracle

CHANNELS = 40
MANY = drawn(1, 3, 3, CHANNELS, 2)
RECTS = """() => {
  const rect = (e) => {
    const { left, top, right, bottom } = e.getBoundingClientRect();
    return { left, top, right, bottom };
  };
  return {
    panel: rect(document.querySelector("#detail")),
    columns: [...document.querySelectorAll(".column")].map(rect),
    opened: [...document.querySelectorAll(".column")].findIndex(({ style }) =>
      Number(style.gridColumn) === Number(document.querySelector(".slot").style.gridColumn) + 1),
    inside: ["scrollHeight", "clientHeight"].map((key) => document.querySelector("#detail")[key]),
  };
}"""


# Remember what is moved and for how long; it may have ended when a test comes to look.
RECORDED = """() => {
  globalThis.moved = [];
  const own = Element.prototype.animate;
  Element.prototype.animate = function (frames, how) {
    moved.push([this.dataset.source ?? this.getAttribute("class"), how.duration]);
    return own.call(this, frames, how);
  };
}"""


def many_channels() -> str:
    """A convolution of one channel to 40, and one of 40 to 2."""
    first = conv("first", (9, 8, 1), drawn(2, 1, 1, 1, CHANNELS))
    second = conv("second", (9, 8, CHANNELS), MANY, drawn(3, 2))
    shape = second["out"]
    size = int(np.prod(shape))
    dense = {"kernel": drawn(4, size, 3), "bias": drawn(5, 3)}
    chain = [
        first,
        second,
        plain("flatten", "flatten", shape, [size]),
        plain("dense", "dense", [size], [3], arrays=dense),
        plain("softmax", "softmax", [3]),
    ]
    return built(chain, pictures(2, 9, 8, 1), classes=["ant", "bee", "cat"])


def added_by_channel(picture: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """What each input channel adds to filter 1 of the second convolution, `(H, W, 40)`."""
    x = (pictures(2, 9, 8, 1)[picture] / np.float32(255)).astype(np.float64)[None]
    maps = oracle.conv2d(x, drawn(2, 1, 1, 1, CHANNELS))
    each = [
        oracle.conv2d(maps[..., k : k + 1], MANY[:, :, k : k + 1, 1:2], padding="VALID")[0, ..., 0]
        for k in range(CHANNELS)
    ]
    return np.stack(each, axis=-1)


@pytest.mark.parametrize("size", [(1280, 800), pytest.param((1920, 1080), marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["tiny_vgg", pytest.param("conv4", marks=pytest.mark.slow)])
def test_the_network_steps_aside_and_stays_visible(
    browser_page: OpenPage, name: str, size: tuple[int, int]
) -> None:
    shape, classes = ZOO[name]
    names = [f"class {i}" for i in range(classes)]
    made = explorer_page(build(name, shape, classes), pictures(1, *shape), names).html
    page = browser_page(made, viewport={"width": size[0], "height": size[1]})
    last = page.locator(".column").count() - 1
    for column in (1, 2, last):
        target = page.locator(".column").nth(column).locator(".map, .bar").nth(2)
        target.click(position={"x": 4, "y": 4})
        seen = page.evaluate(RECTS)
        assert seen["opened"] == column
        panel = seen["panel"]
        for i, rect in enumerate(seen["columns"]):
            assert rect["left"] >= 0
            assert rect["right"] <= size[0]
            assert rect["bottom"] <= size[1]
            assert (rect["right"] <= panel["left"]) == (i < column)
            assert (rect["left"] >= panel["right"]) == (i >= column)
        assert panel["bottom"] <= size[1]
        assert page.evaluate("document.documentElement.scrollWidth") == size[0]
        # The arithmetic is in one screen, and the lines lead to it.
        height, visible = seen["inside"]
        assert height <= visible
        assert page.locator("svg.over .edges path").count() > 1


def test_in_a_narrow_window_it_lies_over_the_lower_part(browser_page: OpenPage) -> None:
    page = browser_page(many_channels(), viewport={"width": 390, "height": 844})
    at(page, 1, 5)
    panel = page.evaluate(RECTS)["panel"]
    assert panel["bottom"] == pytest.approx(844, abs=1)
    assert panel["top"] > 844 * 0.4
    assert page.locator(".column").first.is_visible()


def test_the_largest_channels_come_first(browser_page: OpenPage) -> None:
    """Those shown, the others and the bias add up to the output, on each page."""
    page = browser_page(many_channels())
    row, column = 3, 4
    at(page, 1, (row * 6 + column) * 2 + 1)
    added = added_by_channel(0)
    order = np.argsort(-np.abs(added).sum(axis=(0, 1)), kind="stable").tolist()
    rows = page.locator(".card").count()
    assert 2 <= rows <= 8
    seen: list[int] = []
    bias = drawn(3, 2)[1]
    for turn in range(3):
        ids = page.locator(".card").evaluate_all("(all) => all.map((e) => +e.dataset.channel)")
        assert ids == order[turn * rows : (turn + 1) * rows]
        *sums, others, shown_bias, total = numbers(page, ".equation .numeral")
        np.testing.assert_allclose(sums, added[row, column, ids], rtol=0, atol=1e-12)
        rest = np.delete(added[row, column], ids).sum()
        assert others == pytest.approx(rest, abs=1e-12)
        assert numbers(page, ".others-sum .numeral") == [others]
        assert shown_bias == bias
        assert total == pytest.approx(added[row, column].sum() + bias, abs=1e-12)
        seen += ids
        left = CHANNELS - len(seen)
        assert page.locator('[data-part="more"]').inner_text() == f"and {left} more"
        page.locator('[data-part="more"]').click()
    assert len(set(seen)) == 3 * rows
    # Another picture has another order.
    page.locator(".thumb").nth(1).click()
    ids = page.locator(".card").evaluate_all("(all) => all.map((e) => +e.dataset.channel)")
    order = np.argsort(-np.abs(added_by_channel(1)).sum(axis=(0, 1)), kind="stable").tolist()
    assert ids == order[: len(ids)]


def test_the_maps_after_the_sum_are_those_of_the_network(browser_page: OpenPage) -> None:
    """A convolution is shown with its activation, which a click opens, as does its button."""
    page = browser_page(html())
    at(page, 0, (1 * 8 + 3) * 4)
    assert page.locator(".after figcaption").inner_text() == "after relu"
    beside = page.locator(".beside button")
    assert beside.all_inner_texts() == ["convolution", "relu"]
    page.locator(".after-map").click()
    (value,) = numbers(page, "#detail .value .numeral")
    assert value == pytest.approx(max(0.0, outputs(0)[1][1, 3, 0]), abs=1e-12)
    assert beside.nth(1).get_attribute("aria-pressed") == "true"
    beside.nth(0).click()
    (value,) = numbers(page, "#detail .value .numeral")
    assert value == pytest.approx(outputs(0)[1][1, 3, 0], abs=1e-12)


def test_a_dense_unit_shows_what_each_map_adds(browser_page: OpenPage) -> None:
    page = browser_page(many_channels())
    at(page, 3, 2)
    maps = added_by_channel(0).sum(-1) + drawn(3, 2)[1]
    weights = drawn(4, maps.size * 2, 3)[:, 2].reshape(*maps.shape, 2)
    *sums, bias, total = numbers(page, ".equation .numeral")
    ids = page.locator(".card").evaluate_all("(all) => all.map((e) => +e.dataset.channel)")
    assert sums[ids.index(1)] == pytest.approx((maps * weights[..., 1]).sum(), abs=1e-9)
    assert bias == drawn(5, 3)[2]
    assert sum(sums) + bias == pytest.approx(total, abs=1e-12)
    # A cell's product is told under the pointer.
    card = page.locator('.card[data-channel="1"] .output').first
    area = card.bounding_box()
    assert area is not None
    high, wide = maps.shape
    card.hover(position={"x": 2.5 / wide * area["width"], "y": 1.5 / high * area["height"]})
    value, weight, product = numbers(page, ".dense-at .numeral")
    assert (value, weight) == pytest.approx((maps[1, 2], weights[1, 2, 1]), abs=1e-9)
    assert product == value * weight


def test_what_opens_glides_from_its_column(browser_page: OpenPage) -> None:
    """The maps of the panel come out of those of the network, and all stand still within 500 ms."""
    page = browser_page(many_channels(), reduced_motion="no-preference")
    page.evaluate(RECORDED)
    page.locator(".column").nth(2).locator(".map").first.click(position={"x": 3, "y": 3})
    moving = page.evaluate("globalThis.moved")
    assert all(200 <= lasts <= 500 for _, lasts in moving)
    shown = page.locator(".column").nth(1).evaluate("(e) => e.querySelectorAll('.map').length")
    from_maps = [name for name, _ in moving if name.startswith("1-")]
    assert 0 < len(from_maps) <= shown
    page.wait_for_function("() => document.getAnimations().length === 0", timeout=2000)
    # The lines are drawn where the maps have come to.
    end, box = page.evaluate(
        """() => ["svg.over .target", ".column:nth-of-type(3) .map"].map((one) => {
          const { x, right, y, bottom } = document.querySelector(one).getBoundingClientRect();
          return [x, right, y, bottom];
        })"""
    )
    assert box[0] - 2 <= end[0] <= end[1] <= box[1] + 2
    assert box[2] - 2 <= end[2] <= end[3] <= box[3] + 2


@pytest.fixture(scope="module")
def kit(kit_tab: Page) -> Iterator[Page]:
    """A page with only the intermediate maps."""
    with kit_page(kit_tab, "intermediateMaps", "intermediate.js") as page:
        yield page


@pytest.mark.parametrize("groups", [1, 2])
def test_intermediate_maps_add_up_to_the_filter(kit: Page, groups: int) -> None:
    layer = given.conv(groups, False)
    x = drawn(groups, *layer["in"])
    count = layer["in"][2] // groups
    (top, bottom), (left, right) = layer["padding"]
    kernel = layer["arrays"]["kernel"]
    packed = {"kernel": {"data": kernel.ravel().tolist(), "shape": kernel.shape}}
    filters = layer["out"][2]
    for k in (0, filters - 1):
        found = kit.evaluate(
            "([layer, x, k]) => [...intermediateMaps(revived(layer), Float64Array.from(x), k)]",
            [{**layer, "arrays": packed}, x.ravel().tolist(), k],
        )
        first = k // (filters // groups) * count
        for channel in range(count):
            part = oracle.conv2d(
                x[None, ..., first + channel : first + channel + 1],
                kernel[:, :, channel : channel + 1, k : k + 1],
                stride=tuple(layer["stride"]),
                padding=((top, bottom), (left, right)),
                dilation=tuple(layer["dilation"]),
            )
            ours = np.reshape(found, (-1, count))[:, channel]
            np.testing.assert_allclose(ours, part.ravel(), rtol=0, atol=1e-12)
