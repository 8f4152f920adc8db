"""Receptive fields against gradients by JAX; with positive numbers no path to a pixel cancels."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import pytest
from jax import lax
from playwright.sync_api import Page

from jcnn import ops
from tests.explore.built import Layer, built, conv, plain, pool
from tests.explore.kit import kit_page
from tests.explore.small import SPLIT, OpenPage, at, drawn, html
from tests.explore.small import layers as small_layers

Bools = npt.NDArray[np.bool_]


def by_gradients(layers: Sequence[Layer], shape: tuple[int, ...]) -> list[Bools]:
    """For every layer (units, H, W, C): which numbers of the picture each unit depends on.

    Every kernel is positive, every pooling a sum and every activation a factor, so all that can
    matter does.
    """
    random = np.random.default_rng(0)
    kernels = [
        random.uniform(0.5, 1, layer["arrays"]["kernel"].shape).astype(np.float32)
        if "kernel" in layer.get("arrays", {})
        else None
        for layer in layers
    ]

    def run(x: jax.Array) -> list[jax.Array]:
        outputs = []
        for layer, kernel in zip(layers, kernels, strict=True):
            x = _positive(layer, kernel, x)
            outputs.append(x.ravel())
        return outputs

    picture = jnp.asarray(random.uniform(0.5, 1, (1, *shape)), jnp.float32)
    slopes = jax.jit(jax.jacrev(run))(picture)
    return [np.asarray(one).reshape(-1, *shape) != 0 for one in slopes]


def _positive(layer: Layer, kernel: npt.NDArray[Any] | None, x: jax.Array) -> jax.Array:
    if layer["kind"] == "conv":
        return lax.conv_general_dilated(
            x,
            jnp.asarray(kernel),
            layer["stride"],
            layer["padding"],
            rhs_dilation=layer["dilation"],
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=layer["groups"],
        )
    if layer["kind"] in ("max_pool", "average_pool"):
        window, stride = (1, *layer["window"], 1), (1, *layer["stride"], 1)
        pads = [(0, 0), *map(tuple, layer["padding"]), (0, 0)]
        summed: jax.Array = lax.reduce_window(x, np.float32(0), lax.add, window, stride, pads)
        return summed
    if layer["kind"] == "dense":
        return jnp.matmul(x, jnp.asarray(kernel))
    if layer["kind"] == "flatten":
        return x.reshape(1, -1)
    if "softmax" in (layer["kind"], layer.get("function")):
        return x + x.sum(axis=-1, keepdims=True)
    return 2 * x


def _like(name: str, kind: str, before: Layer, **rest: Any) -> Layer:
    return plain(name, kind, before["out"], **rest)


def conv4_like() -> list[Layer]:
    same = ((1, 1), (1, 1))
    first = conv("a", (10, 9, 1), drawn(1, 3, 3, 1, 2), padding=same)
    second = conv("b", (10, 9, 2), drawn(2, 3, 3, 2, 3), padding=same)
    pooled = pool("max_pool", (10, 9, 3), (2, 2))
    size = int(np.prod(pooled["out"]))
    return [
        first,
        _like("relu", "activation", first, function="relu"),
        second,
        pooled,
        _like("dropout", "dropout", pooled, rate=0.5),
        plain("flatten", "flatten", pooled["out"], [size]),
        plain("dense", "dense", [size], [4], arrays={"kernel": drawn(3, size, 4)}),
        plain("softmax", "softmax", [4]),
    ]


def strides_and_groups() -> list[Layer]:
    """A depthwise kernel of 2 x 3, "same" at stride 2 and 1; then one for each half."""
    first = conv(
        "a", (9, 8, 3), drawn(1, 2, 3, 1, 6), stride=(2, 1), padding=((0, 1), (1, 1)), groups=3
    )
    second = conv("b", tuple(first["out"]), drawn(2, 1, 4, 3, 2), stride=(1, 3), groups=2)
    return [first, _like("norm", "batch_norm", first), second]


def dilated() -> list[Layer]:
    """Dilations of 2 and 3, so that fields have gaps; an average of overlapping windows."""
    first = conv("a", (13, 12, 2), drawn(1, 3, 2, 2, 4), dilation=(2, 3), padding=((2, 2), (0, 3)))
    pooled = pool(
        "average_pool", tuple(first["out"]), (3, 1), stride=(4, 2), padding=((1, 2), (0, 0))
    )
    second = conv("b", tuple(pooled["out"]), drawn(2, 2, 2, 2, 4), dilation=(1, 2), groups=2)
    return [first, pooled, second]


def softmax_of_maps() -> list[Layer]:
    """The windows at the edge read only padding."""
    first = conv("a", (4, 5, 2), drawn(1, 1, 2, 1, 2), padding=((2, 1), (3, 0)), groups=2)
    return [first, _like("softmax", "activation", first, function="softmax")]


CHAINS: dict[str, tuple[Callable[[], list[Layer]], tuple[int, int, int]]] = {
    "conv4-like": (conv4_like, (10, 9, 1)),
    "strides and groups": (strides_and_groups, (9, 8, 3)),
    "dilated": (dilated, (13, 12, 2)),
    "softmax of maps": (softmax_of_maps, (4, 5, 2)),
}


@pytest.fixture(scope="module")
def kit(kit_tab: Page) -> Iterator[Page]:
    """A page with only the receptive fields."""
    with kit_page(kit_tab, "receptiveFields", "receptive_field.js") as page:
        yield page


def fields_of(kit: Page, layers: list[Layer], index: int) -> list[dict[str, Any]]:
    """The field of every unit of a layer on the picture."""
    bare = [
        {**layer, "arrays": {k: {"shape": list(a.shape)} for k, a in layer["arrays"].items()}}
        for layer in ({"inputs": [i], "arrays": {}, **one} for i, one in enumerate(layers))
    ]
    script = """([layers, index, count]) =>
        Array.from({length: count}, (_, unit) => receptiveFields(layers, index, unit)[0])"""
    count = int(np.prod(layers[index]["out"]))
    return list(kit.evaluate(script, [json.loads(json.dumps(bare)), index, count]))


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n == "conv4-like" else n for n in CHAINS]
)
def test_the_field_is_what_the_gradient_reaches(kit: Page, name: str) -> None:
    make, shape = CHAINS[name]
    layers = make()
    sizes = set()
    for index, wanted in enumerate(by_gradients(layers, shape)):
        for field, mask in zip(fields_of(kit, layers, index), wanted, strict=True):
            found = np.zeros(shape, bool)
            found[np.ix_(field["rows"], field["columns"], field["channels"])] = True
            assert (found == mask).all(), (layers[index]["name"], field)
            sizes.add(int(mask.sum()))
    assert len(sizes) > 3  # of many kinds


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("conv4-like", marks=pytest.mark.slow),
        "strides and groups",
        pytest.param("dilated", marks=pytest.mark.slow),
    ],
)
def test_without_an_edge_it_is_as_large_as_the_formula_says(kit: Page, name: str) -> None:
    layers = CHAINS[name][0]()
    windows = []
    for index, layer in enumerate(layers):
        if "stride" in layer:
            size = layer["window"] if "window" in layer else layer["arrays"]["kernel"].shape[:2]
            (top, bottom), (left, right) = layer["padding"]
            windows.append(
                ops.resolve_window(
                    (layer["in"][0], layer["in"][1]),
                    (size[0], size[1]),
                    stride=tuple(layer["stride"]),
                    padding=((top, bottom), (left, right)),
                    dilation=tuple(layer.get("dilation", (1, 1))),
                )
            )
        if len(layer["out"]) < 3:
            break
        formula = ops.receptive_field(windows)
        for unit, field in enumerate(fields_of(kit, layers, index)):
            place = np.unravel_index(unit, layer["out"])
            first = [formula.start[a] + int(place[a]) * formula.jump[a] for a in (0, 1)]
            last = [first[a] + formula.size[a] - 1 for a in (0, 1)]
            assert field["reach"] == [[first[0], last[0]], [first[1], last[1]]]


# --- in the page ----------------------------------------------------------------------------------


def marked(page: Page, where: str, shape: tuple[int, ...]) -> Bools:
    """The pixels that the overlay on a picture does not dim."""
    path = page.locator(f"{where} .field-inside").get_attribute("d") or ""
    mask = np.zeros(shape[:2], bool)
    for found in re.findall(r"M(\d+) (\d+)h(\d+)v(\d+)h-(\d+)z", path):
        left, top, wide, high, _ = map(int, found)
        assert not mask[top : top + high, left : left + wide].any()
        mask[top : top + high, left : left + wide] = True
    veil = page.locator(f"{where} .field-veil").get_attribute("d")
    assert veil == f"M0 0H{shape[1]}V{shape[0]}H0z{path}"
    return mask


def test_it_is_drawn_on_the_picture(browser_page: OpenPage) -> None:
    layers, shape = small_layers(), (6, 7, 3)
    wanted = by_gradients(layers, shape)
    page = browser_page(html(), SPLIT)
    for index, unit in [(0, (1 * 8 + 3) * 4 + 2), (2, 0), (2, (2 * 4 + 3) * 4 + 1), (4, 2)]:
        at(page, index, unit, "tab=field")
        pixels = wanted[index][unit].any(axis=2)
        for where in ("svg.over", "#detail"):
            assert (marked(page, where, shape) == pixels).all(), (index, unit, where)
        # The mark lies over the picture, to the pixel.
        areas = page.locator(".photo, svg.over .field-mark").evaluate_all(
            "(all) => all.map((e) => e.getBoundingClientRect().toJSON())"
        )
        assert areas[0] == pytest.approx(areas[1], abs=0.01)
        rows, columns = (np.flatnonzero(pixels.any(axis=axis)) for axis in (1, 0))
        said = page.locator(".field-words p").first.inner_text()
        assert re.findall(r"\d+", said) == [
            *map(str, [rows[0], rows[-1], columns[0], columns[-1]]),
            *map(str, [rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1, *shape[:2]]),
        ]
        gaps = pixels.sum() < (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
        assert ("The field has gaps" in page.locator(".field-words").inner_text()) == gaps
        counts = page.locator(".field-words tbody tr:last-child td:last-child .numeral")
        assert int(counts.get_attribute("data-value") or "") == wanted[index][unit].sum()


def test_by_keys_it_is_said_and_follows(browser_page: OpenPage) -> None:
    page = browser_page(html(), SPLIT)
    shape = (6, 7, 3)
    wanted = by_gradients(small_layers()[:1], shape)[0]
    page.locator('.column[data-layer="0"] .cells').focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowDown")
    unit = 8 * 4
    assert (marked(page, "svg.over", shape) == wanted[unit].any(axis=2)).all()
    said = page.locator("#announce").inner_text()
    assert "Receptive field: Rows 1 to 3, columns 0 to 0: 3 \u00d7 1 of 6 \u00d7 7 pixels." in said
    page.keyboard.press("Enter")
    page.locator("#detail .tabs button").last.press("Enter")
    field = page.locator('#detail [data-key="field-column"]')
    field.focus()
    page.keyboard.press("ArrowUp")
    assert field.evaluate("(e) => e === document.activeElement")
    unit = (8 + 1) * 4
    assert (marked(page, "#detail", shape) == wanted[unit].any(axis=2)).all()
    assert page.locator("#announce").inner_text().startswith("Rows 1 to 3, columns 1 to 1")
    page.locator('[data-control="language"]').select_option("ja")
    assert "受容野" in page.locator("#detail h3").inner_text()


def test_a_unit_of_padding_alone_has_none(browser_page: OpenPage) -> None:
    layer = conv("a", (4, 5, 1), drawn(1, 1, 2, 1, 1), padding=((2, 1), (3, 0)))
    size = int(np.prod(layer["out"]))
    chain = [layer, plain("flatten", "flatten", layer["out"], [size])]
    picture = np.random.default_rng(2).integers(0, 256, (1, 4, 5, 1), dtype=np.uint8)
    page = browser_page(built(chain, picture, classes=["a"] * size))
    at(page, 0, 0, "tab=field")
    assert page.locator("svg.over .field-inside").get_attribute("d") == ""
    assert page.locator(".field-words p").first.inner_text().startswith("No pixel")
