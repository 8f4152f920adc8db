"""The whole network stands in the window, from the picture to the classes."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page

from jcnn.explore import page as explorer_page
from jcnn.models import build
from tests.explore.branches import MODELS as BRANCHES
from tests.explore.kit import kit_page
from tests.explore.models import drawn as filled
from tests.explore.small import OpenPage, drawn, html, numbers, outputs
from tests.explore.test_page import pictures

ZOO: dict[str, tuple[tuple[int, int, int], int]] = {
    "conv2pool": ((28, 28, 1), 10),
    "tiny_vgg": ((64, 64, 3), 10),
    "conv4": ((28, 28, 1), 10),
    "resnet18_cifar": ((32, 32, 3), 100),
}
SLOW = ("conv2pool", "conv4", "resnet18_cifar")
# The rectangles of all columns, the parts of the last, and how far the overview scrolls sideways.
SEEN = """() => {
  const rect = (e) => {
    const r = e.getBoundingClientRect();
    return [r.left, r.top, r.right, r.bottom];
  };
  const overview = document.querySelector("#overview");
  return {
    columns: [...document.querySelectorAll(".column")].map(rect),
    maps: [...document.querySelectorAll(".column canvas.map")].map(rect),
    bars: [...document.querySelectorAll(".column:last-of-type .bar")].map(rect),
    scrolls: Math.max(overview.scrollWidth - overview.clientWidth,
      document.documentElement.scrollWidth - innerWidth),
  };
}"""


def of_zoo(name: str) -> str:
    shape, classes = ZOO[name]
    names = [f"class {i}" for i in range(classes)]
    return explorer_page(build(name, shape, classes), pictures(1, *shape), names).html


@pytest.mark.parametrize("size", [(1280, 800), pytest.param((1920, 1080), marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in ZOO]
)
def test_a_network_stands_in_the_window(
    browser_page: OpenPage, name: str, size: tuple[int, int]
) -> None:
    width, height = size
    page = browser_page(of_zoo(name), viewport={"width": width, "height": height})
    seen = page.evaluate(SEEN)
    assert seen["scrolls"] <= 0
    for left, top, right, bottom in [*seen["columns"], *seen["maps"], *seen["bars"]]:
        assert left >= 0
        assert top >= 0
        assert right <= width
        assert bottom <= height
    assert len(seen["bars"]) == (10 if ZOO[name][1] == 10 else 5)
    # They do not overlap, and use the width.
    edges = [(left, right) for left, _, right, _ in seen["columns"]]
    assert all(a[1] <= b[0] + 0.5 for a, b in itertools.pairwise(edges))
    assert edges[-1][1] > width - 40
    sides = [max(right - left, bottom - top) for left, top, right, bottom in seen["maps"]]
    assert min(sides) >= 16


def test_a_probability_of_one_fills_its_bar(browser_page: OpenPage) -> None:
    page = browser_page(html())
    shares = page.locator(".column:last-of-type .fill").evaluate_all(
        "(all) => all.map((e) => e.getBoundingClientRect().width / e.parentElement.clientWidth)"
    )
    assert shares == pytest.approx(outputs(0)[-1].tolist(), abs=0.03)  # at least a pixel


def test_a_convolution_shares_its_column_with_what_follows(browser_page: OpenPage) -> None:
    """Its maps are those of the last of them; a click opens the convolution."""
    page = browser_page(html())
    assert page.locator(".column h2").all_text_contents() == ["input", "first", "max_pool", "dense"]
    types = page.locator(".column .type").all_text_contents()
    assert types[1].endswith(" \N{MIDDLE DOT} relu")
    area = page.locator(".column canvas.map").nth(3).bounding_box()  # channel 0 of the convolution
    assert area is not None
    before = page.locator(".column").first.bounding_box()
    page.mouse.move(area["x"] + area["width"] * 0.99, area["y"] + area["height"] * 0.99)
    assert numbers(page, "#readout .numeral") == pytest.approx([outputs(0)[2][-1, -1, 0]])
    assert page.locator(".column").first.bounding_box() == before  # a long text moves nothing
    page.mouse.down()
    page.mouse.up()
    assert numbers(page, "#detail .value .numeral") == pytest.approx([outputs(0)[1][-1, -1, 0]])
    assert page.locator("rect.source").count() > 0
    page.locator('[data-control="split"]').check()
    assert page.locator(".column").count() == 7
    assert page.evaluate("location.hash").find("layers=all") > 0


@pytest.mark.parametrize("label", [0, 1])
def test_a_wrong_prediction_is_told(browser_page: OpenPage, label: int) -> None:
    model = build("mlp", (6, 5, 1), 2)
    image = pictures(1, 6, 5, 1)
    made = explorer_page(model, image, ["ant", "bee"], labels=[label])
    page = browser_page(made.html)
    best = int(np.asarray(model(image.astype(np.float32) / 255)).argmax())
    verdict = page.locator(".verdict")
    assert verdict.inner_text().startswith("✓" if best == label else "✗")
    assert (["ant", "bee"][label] in verdict.inner_text()) == (best != label)


def test_a_channel_of_the_picture_has_its_colour(browser_page: OpenPage) -> None:
    page = browser_page(html())
    read = "(c) => Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)"
    maps = page.locator('.column[data-layer="-1"] canvas.map')
    x = np.rint(255 * outputs(0)[0])
    for channel, name in enumerate(("red", "green", "blue")):
        pixels = np.reshape(maps.nth(channel).evaluate(read), (6, 7, 4))[..., :3]
        np.testing.assert_allclose(pixels[..., channel], x[..., channel], atol=1)
        assert np.delete(pixels, channel, axis=-1).max() == 0
        assert maps.nth(channel).get_attribute("title") == name


def test_edges_and_skip_connections_are_drawn(browser_page: OpenPage) -> None:
    make, shape = BRANCHES["residual"]
    made = explorer_page(filled(make), pictures(1, *shape), ["a", "b", "c"])
    page = browser_page(made.html)
    assert page.locator("svg.under path.skip").count() > 0
    plain = browser_page(html())
    assert plain.locator("svg.under path.skip").count() == 0
    # 3 x 4 edges into the convolution, 4 into the pooling, 4 x 3 into the classes.
    curves = plain.locator("svg.under path.faint:not(.added)").evaluate_all(
        "(all) => all.map((path) => path.getAttribute('d').split('M').length - 1)"
    )
    assert curves == [12, 4]
    # Those into the classes say what each map adds to a logit, strongest on top.
    _, _, _, pooled, flat, *_ = outputs(0)
    products = flat[:, None] * drawn(3, flat.size, 3)
    added = products.reshape(-1, pooled.shape[-1], 3).sum(0).ravel()
    shown = plain.locator("svg.under path.added").evaluate_all(
        "(all) => all.map((path) => Number(path.dataset.added))"
    )
    np.testing.assert_allclose(shown, added[np.argsort(np.abs(added))], rtol=0, atol=1e-12)


# --- stages ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kit(kit_tab: Page) -> Iterator[Page]:
    """A page with only the stages."""
    with kit_page(kit_tab, "stagesOf", "stages.js") as page:
        yield page


def layer(kind: str, out: list[int], *inputs: int) -> dict[str, Any]:
    return {"kind": kind, "out": out, "inputs": list(inputs)}


MAP, VECTOR = [4, 4, 8], [128]
NETWORKS: dict[str, tuple[list[dict[str, Any]], list[list[int]], list[int]]] = {
    "normalised, with an activation": (
        [layer("conv", MAP, 0), layer("batch_norm", MAP, 1), layer("activation", MAP, 2)],
        [[], [0, 1, 2]],
        [0, 3],
    ),
    "a sum belongs to the later branch": (
        [
            layer("conv", MAP, 0),
            layer("conv", MAP, 1),
            layer("add", MAP, 2, 1),
            layer("activation", MAP, 3),
        ],
        [[], [0], [1, 2, 3]],
        [0, 1, 4],
    ),
    "what two layers read ends a stage": (
        [layer("conv", MAP, 0), layer("activation", MAP, 1), layer("add", MAP, 2, 1)],
        [[], [0], [1, 2]],
        [0, 1, 3],
    ),
    "flattened maps stay maps; dropout does nothing": (
        [
            layer("max_pool", MAP, 0),
            layer("flatten", VECTOR, 1),
            layer("dropout", VECTOR, 2),
            layer("dense", [3], 3),
            layer("softmax", [3], 4),
        ],
        [[], [0, 1, 2], [3, 4]],
        [0, 1, 5],
    ),
    "the picture stays alone": (
        [layer("activation", [4, 4, 3], 0), layer("flatten", [48], 1)],
        [[], [0, 1]],
        [0, 1],
    ),
    "a function of flattened maps is a vector": (
        [layer("conv", MAP, 0), layer("flatten", VECTOR, 1), layer("activation", VECTOR, 2)],
        [[], [0, 1], [2]],
        [0, 1, 3],
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_layers_that_share_a_column(kit: Page, name: str) -> None:
    layers, stages, shown = NETWORKS[name]
    found = kit.evaluate("([layers, split]) => stagesOf({ layers }, split)", [layers, False])
    assert [stage["layers"] for stage in found] == stages
    assert [stage["shown"] for stage in found] == shown
    alone = kit.evaluate("([layers, split]) => stagesOf({ layers }, split)", [layers, True])
    assert [stage["layers"] for stage in alone] == [[], *([i] for i in range(len(layers)))]
