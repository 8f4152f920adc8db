"""The views of one unit, number by number, against NumPy written from the definitions."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.explore import layers_given as given
from tests.explore.layers_given import alike, numbers
from tests.explore.viewed import Viewed
from tests.ops.conv import oracle

Open = Callable[..., Viewed]


def near(wanted: Any) -> Any:
    """Agreement of float64 sums of up to a few thousand terms in different orders."""
    return pytest.approx(wanted, rel=1e-12, abs=1e-12)


def role(shown: Viewed, name: str) -> float:
    (number,) = shown.numbers(f"[data-role={name}]")
    return number


@pytest.mark.parametrize(("groups", "bias"), [(1, True), (2, False)])
def test_im2col(open_view: Open, groups: int, bias: bool) -> None:
    layer, x = given.conv(groups, bias), numbers(10, 7, 6, 4)
    window: dict[str, Any] = {"stride": (2, 1), "padding": ((1, 1), (2, 1)), "dilation": (1, 2)}
    kernel, offset = layer["arrays"]["kernel"], layer["arrays"].get("bias")
    y = oracle.conv2d(x[None], kernel, offset, groups=groups, **window)[0]
    shown = open_view([layer], x, termOrder="order")
    for r, c, k in [(0, 0, 0), (3, 6, 5), (2, 1, 4), (1, 6, 2)]:
        shown.select(int(np.ravel_multi_index((r, c, k), y.shape)))
        per, group = 4 // groups, k // (6 // groups)
        mine = x[None, :, :, group * per : (group + 1) * per]
        rows = oracle.im2col(mine, (3, 2), **window)[0].reshape(4 * 7, -1)
        row, column = rows[r * 7 + c], kernel[..., k].ravel()
        table = np.array(_all_pages(shown)).reshape(-1, 3)
        np.testing.assert_array_equal(table[:, 0], row)
        np.testing.assert_array_equal(table[:, 1], column)
        np.testing.assert_array_equal(table[:, 2], row * column)
        assert role(shown, "total") == near(y[r, c, k])
        assert shown.numbers(".unit-equation")[:4] == [r, 7, c, r * 7 + c]
        script = f"[...explorer.patchMatrix(explorer.state.network.layers[0], \
            explorer.state.outputs[0], {group * per})]"
        assert shown.page.evaluate(script) == rows.ravel().tolist()
    assert ("plus the bias" in shown.texts("section")[0]) == bias


def _all_pages(shown: Viewed) -> list[float]:
    """The numbers in the rows of the table, page by page, with the buttons."""
    shown.change(termPage=0)
    found = shown.numbers(".terms tbody")
    while shown.page.get_attribute("[data-key=page-next]", "aria-disabled") == "false":
        shown.page.click("[data-key=page-next]")
        found += shown.numbers(".terms tbody")
    return found


def test_im2col_says_where_a_term_is_read(open_view: Open) -> None:
    shown = open_view([given.conv(1, True)], numbers(10, 7, 6, 4), termOrder="order")
    shown.select(int(np.ravel_multi_index((0, 1, 0), (4, 7, 6))))
    rows = [text.split("\t")[:3] for text in shown.texts(".terms tbody tr")]
    # The kernel's row 0 lies above the input; in row 1, column 1 - 2 + 2 * 1 is inside.
    assert rows[0] == ["0", "(0, 0, 0)", "padding"]
    assert rows[13] == ["13", "(1, 1, 1)", "(0, 1, 1)"]


@pytest.mark.parametrize("kind", ["max_pool", "average_pool"])
def test_pooling(open_view: Open, kind: str) -> None:
    # Few different numbers, so that the maximum is often shared.
    x = np.random.default_rng(11).integers(-4, 3, (7, 6, 3)) / 3
    shown = open_view([given.pool(kind)], x)
    for r, c, k in [(0, 0, 1), (3, 5, 2), (1, 2, 0), (2, 4, 1)]:
        shown.select(int(np.ravel_multi_index((r, c, k), (4, 6, 3))))
        cells = [
            (i, j)
            for i in range(2 * r - 1, 2 * r + 2)
            for j in range(c, c + 2)
            if 0 <= i < 7 and 0 <= j < 6
        ]
        values = [x[cell][k] for cell in cells]
        assert shown.numbers(".window-grid") == values
        assert len(shown.texts(".window-grid .outside-cell")) == 6 - len(cells)
        lines = shown.numbers(".unit-equation")
        assert lines[:8] == [r, 2, 1, 2 * r - 1, c, 1, 0, c]
        if kind == "max_pool":
            assert lines[8:] == [*values, max(values)]
            marked = shown.page.evaluate(
                "[...document.querySelectorAll('.window-grid [data-value]')]"
                ".map(node => node.parentNode.className)"
            )
            assert marked.count("winner") == 1
            assert marked.index("winner") == values.index(max(values))
        else:
            assert lines[8:-4] == values
            total, again, count, mean = lines[-4:]
            assert (total, again, count) == near((sum(values), total, len(values)))
            assert mean == near(np.mean(values))


def test_pooling_a_whole_map_writes_no_line_of_it(open_view: Open) -> None:
    x = numbers(12, 5, 4, 2)
    layer = given.pool("average_pool") | {
        "in": [5, 4, 2],
        "out": [1, 1, 2],
        "window": [5, 4],
        "padding": [[0, 0], [0, 0]],
    }
    shown = open_view([layer], x)
    shown.select(1)
    assert shown.numbers(".window-grid") == x[:, :, 1].ravel().tolist()
    total, _, count, mean = shown.numbers(".unit-equation")[8:]
    assert count == 20
    assert (total, mean) == near((x[:, :, 1].sum(), x[:, :, 1].mean()))


ACTIVATIONS: list[tuple[str, dict[str, float], Callable[[float], float]]] = [
    ("relu", {}, lambda v: max(v, 0)),
    ("leaky_relu", {"slope": 0.25}, lambda v: v if v > 0 else 0.25 * v),
    ("sigmoid", {}, lambda v: 1 / (1 + math.exp(-v))),
    ("tanh", {}, math.tanh),
    ("gelu", {}, lambda v: v * (1 + math.erf(v / math.sqrt(2))) / 2),
    ("silu", {}, lambda v: v / (1 + math.exp(-v))),
    ("softplus", {}, lambda v: math.log(1 + math.exp(v))),
    ("elu", {}, lambda v: v if v > 0 else math.expm1(v)),
]

RUN_ON_INPUT = """(index) => {
  const { layers } = explorer.state.network;
  explorer.state.outputs[index] = explorer.state.outputs[0];
  explorer.state.outputs[index + 1] = explorer.runLayer(layers[index], explorer.state.outputs[0]);
}"""


def test_activations(open_view: Open) -> None:
    x = numbers(13, 3, 4, 2) * 3
    layers = [alike("activation", [3, 4, 2], function=f, **more) for f, more, _ in ACTIVATIONS]
    # Side by side, not one after the other: each has the same input.
    shown = open_view(layers, x)
    for index, (name, _, function) in enumerate(ACTIVATIONS):
        shown.page.evaluate(RUN_ON_INPUT, index)
        for unit in (int(x.argmax()), int(x.argmin())):
            shown.select(unit, layer=index)
            first, *_, last = shown.numbers(".unit-equation")
            assert first == x.ravel()[unit]
            assert last == near(function(first)), name
            # The point of the drawing lies on the drawn curve, whose neighbours enclose it.
            across, up = (float(shown.page.get_attribute("circle", a) or "") for a in ("cx", "cy"))
            points = (shown.page.get_attribute("polyline", "points") or "").split()
            curve = np.array([point.split(",") for point in points], float)
            assert up == pytest.approx(np.interp(across, curve[:, 0], curve[:, 1]), abs=0.3)


def test_flatten_both_ways(open_view: Open) -> None:
    x = numbers(14, 3, 4, 5)
    shown = open_view([given.flatten([3, 4, 5])], x)
    for unit in (0, 4, 5, 19, 20, 33, 46, 59):
        shown.select(unit)
        r, c, k = (int(at) for at in np.unravel_index(unit, x.shape))
        forth, *back, same = np.split(np.array(shown.numbers(".unit-equation")), [6, 9, 13, 17])
        assert forth.tolist() == [r, 4, c, 5, k, unit]
        assert [line.tolist() for line in back] == [
            [unit, 5, k],
            [unit, 5, 4, c],
            [unit, 5, 4, r],
        ]
        assert same.tolist() == [x[r, c, k]]
        assert f"y({unit}) = x({r}, {c}, {k})" in shown.texts(".unit-equation")[-1]
        slots = [text.split("\t")[:2] for text in shown.texts(".view-table tbody tr")]
        assert len(slots) == 11
        assert [str(unit), f"({r}, {c}, {k})"] in slots
    for axis, wanted in [("row", 2), ("column", 1), ("channel", 3)]:
        shown.page.fill(f"[data-key=in-{axis}]", str(wanted))
        shown.page.press(f"[data-key=in-{axis}]", "Enter")
    assert shown.state("selected.unit") == (2 * 4 + 1) * 5 + 3


# 1 where a bar goes from the middle to the right, -1 to the left; its width; that of the whole.
BARS = """(nodes) => nodes.map((node) => {
  const bar = node.getBoundingClientRect();
  const whole = node.parentNode.getBoundingClientRect();
  const middle = (whole.left + whole.right) / 2;
  return [Math.abs(bar.left - middle) < 0.1 ? 1 : Math.abs(bar.right - middle) < 0.1 ? -1 : NaN,
          bar.width, whole.width, getComputedStyle(node).backgroundColor];
})"""


@pytest.mark.parametrize("bias", [True, False])
def test_dense(open_view: Open, bias: bool) -> None:
    x = np.maximum(numbers(15, 3, 5, 3), 0)
    layer = given.dense(45, 4, bias)
    shown = open_view([given.flatten([3, 5, 3]), layer], x, selected={"layer": 1, "unit": 2})
    weights = layer["arrays"]["kernel"][:, 2]
    products = x.ravel() * weights
    by_size = np.argsort(-np.abs(products), kind="stable")
    offset = layer["arrays"]["bias"][2] if bias else 0.0
    for name, order in [("size", by_size), ("order", np.arange(45))]:
        shown.page.click(f"[data-key=sort-{name}]")
        table = np.array(_all_pages(shown)).reshape(-1, 3)
        wanted = np.stack([x.ravel(), weights, products], 1)[order]
        np.testing.assert_array_equal(table, wanted)
        shown.change(termPage=1)
        rows = [text.split("\t")[:2] for text in shown.texts(".terms tbody tr")]
        cells = [tuple(int(at) for at in np.unravel_index(i, x.shape)) for i in order[20:40]]
        assert rows == [[str(i), str(cell)] for i, cell in zip(order[20:40], cells, strict=True)]
        found = shown.page.eval_on_selector_all(".term-fill", BARS)
        bars = np.array([bar[:3] for bar in found])
        # Zero is no bar, wherever it would be; the others are blue or orange by their sign.
        colours = {(bar[0], bar[3]) for bar in found if bar[1] > 0}
        assert len(colours) == len({sign for sign, _ in colours})
        assert "rgba(0, 0, 0, 0)" not in {colour for _, colour in colours}
        lengths = bars[:, 1] * np.abs(products).max() / bars[:, 2] * 2
        np.testing.assert_allclose(bars[:, 0] * lengths, products[order[20:40]], atol=0.06)
        page = products[order[20:40]].sum()
        assert role(shown, "shown") == near(page)
        assert role(shown, "others") == near(products.sum() - page)
        assert role(shown, "total") == near(products.sum() + offset)
        assert shown.numbers("[data-role=bias]") == ([offset] if bias else [])
        added = shown.numbers(".unit-equation")
        assert sum(added[:-1]) == near(added[-1])
    assert f"{(products == 0).sum()} of 45 products are zero" in shown.texts(".terms")[0]
    said = shown.texts("section")[0]
    assert ("and the bias" in said, "+ b(2)" in said) == (bias, bias)


def test_a_dense_layer_behind_another_has_no_cells_and_few_terms_one_page(open_view: Open) -> None:
    layers = [given.flatten([3, 5, 3]), given.dense(45, 7), given.dense(7, 4, bias=False)]
    shown = open_view(layers, numbers(18, 3, 5, 3), selected={"layer": 2, "unit": 1})
    assert shown.texts(".terms thead")[0].split("\t")[0] == "i"
    assert "cell" not in shown.texts(".terms thead")[0]
    table = np.array(shown.numbers(".terms tbody")).reshape(-1, 3)
    assert len(table) == 7
    assert role(shown, "total") == near(table[:, 2].sum())
    assert shown.numbers("[data-role=others]") == []
    assert shown.numbers(".unit-equation") == []
    assert not shown.page.locator("[data-key=page-next]").is_visible()
    shown.change(selected={"layer": 1, "unit": 3})
    assert "cell" in shown.texts(".terms thead")[0]


def test_thousands_of_terms_are_few_nodes(open_view: Open) -> None:
    layer, x = given.dense(9000, 2), numbers(16, 9000)
    shown = open_view([layer], x)
    products = x * layer["arrays"]["kernel"][:, 0]
    assert shown.page.evaluate("document.querySelectorAll('section *').length") < 500
    assert shown.numbers(".terms tbody")[2] == products[np.abs(products).argmax()]
    shown.page.click("[data-key=page-last]")
    assert shown.numbers(".terms tbody")[-1] == products[np.abs(products).argmin()]
    assert role(shown, "shown") + role(shown, "others") + role(shown, "bias") == near(
        products.sum() + layer["arrays"]["bias"][0]
    )


def test_dropout(open_view: Open) -> None:
    x = numbers(17, 5, 4, 3)
    shown = open_view([alike("dropout", [5, 4, 3], rate=0.3)], x)
    shown.select(7)
    assert shown.numbers(".unit-equation") == [x.ravel()[7]] * 2
    assert len(shown.texts("canvas")) == 1
    shown.page.check("[data-key=training]")
    shown.page.fill("[data-key=seed]", "12")
    shown.page.press("[data-key=seed]", "Enter")
    mask = _mask(60, 0.3, 12)
    for unit in range(0, 60, 7):
        shown.select(unit)
        lines = shown.numbers(".unit-equation")
        value, bit, factor, y = lines[3:7]
        assert (lines[0], lines[2]) == (0.3, mask[unit])
        assert (value, bit) == (x.ravel()[unit], mask[unit])
        assert (factor, y) == near((1 / 0.7, value * bit / 0.7))
        assert lines[7:] == near([sum(mask), 60, sum(mask) / 60, 0.7])
    assert len(shown.texts("canvas")) == 3


def _mask(count: int, rate: float, seed: int) -> list[int]:
    """Number i is kept if hash(i) / 2^32 >= rate, in plain integers modulo 2^32."""

    def mixed(bits: int) -> int:
        bits = (bits ^ bits >> 16) * 0x85EBCA6B % 2**32
        bits = (bits ^ bits >> 13) * 0xC2B2AE35 % 2**32
        return bits ^ bits >> 16

    start = mixed(seed)
    return [
        int(mixed((start + (i + 1) * 0x9E3779B9) % 2**32) >= rate * 2**32) for i in range(count)
    ]


def test_masks_keep_their_share_and_differ_by_seed(open_view: Open) -> None:
    shown = open_view([alike("dropout", [4], rate=0.5)], numbers(18, 4))
    script = "explorer.dropoutMask(40000, {}, {}).join('')"
    for rate in (0.0, 0.2, 0.5, 0.9):
        bits = [shown.page.evaluate(script.format(rate, seed)) for seed in (0, 1, 2**31)]
        masks = np.array([[int(bit) for bit in line] for line in bits])
        # Five standard deviations of a mean of 40,000 independent draws.
        spread = 5 * math.sqrt(rate * (1 - rate) / 40000)
        np.testing.assert_allclose(masks.mean(1), 1 - rate, atol=spread)
        both = (masks[0] * masks[1]).mean()
        assert both == pytest.approx((1 - rate) ** 2, abs=2 * spread)
        neighbours = (masks[:, 1:] * masks[:, :-1]).mean(1)
        np.testing.assert_allclose(neighbours, (1 - rate) ** 2, atol=2 * spread)


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("shape", [[3, 4, 5], [6]])
def test_batch_norm(open_view: Open, shape: list[int], scaled: bool) -> None:
    x, layer = numbers(19, *shape), given.batch_norm(shape, scaled)
    shown = open_view([layer], x)
    for unit in (0, x.size // 2, x.size - 1):
        shown.select(unit)
        value, k = x.ravel()[unit], unit % shape[-1]
        mean, variance = (layer["arrays"][name][k] for name in ("mean", "variance"))
        spread = math.sqrt(variance + 1e-3)
        normal = (value - mean) / spread
        lines = [value, mean, value - mean, variance, 1e-3, spread, value - mean, spread, normal]
        y = normal
        if scaled:
            scale, offset = (layer["arrays"][name][k] for name in ("scale", "offset"))
            y = normal * scale + offset
            lines += [normal, scale, normal * scale, normal * scale, offset, y]
        assert shown.numbers(".unit-equation") == near([*lines, y])


@pytest.mark.parametrize("size", [0.2, 300])
def test_softmax(open_view: Open, size: float) -> None:
    z = numbers(20, 7) * size
    names = [f"class {i} <b>" for i in range(7)]
    shown = open_view([alike("softmax", [7])], z, classes=names, selected={"layer": 0, "unit": 3})
    powers = np.exp(z - z.max())
    wanted = np.stack([z, z - z.max(), powers, powers / powers.sum()], 1)
    table = np.array(shown.numbers(".view-table tbody")).reshape(7, 4)
    np.testing.assert_allclose(table, wanted, rtol=1e-14)
    assert role(shown, "exp-sum") == near(powers.sum())
    assert role(shown, "total") == pytest.approx(1, abs=1e-15 * 7)
    assert shown.texts(".view-table button") == names
    largest, *rest = shown.numbers(".unit-equation")
    assert largest == z.max()
    assert rest == near([z[3], z.max(), powers[3], powers[3], powers.sum(), wanted[3, 3]])
    # Pointing at a probability marks its term and the sum; at the sum, all terms.
    assert shown.numbers(".summands") == near([*powers])
    links = "(all) => all.map((e) => e.dataset.link)"
    shown.page.locator('[data-link="p-2"]').hover()
    marked = shown.page.locator(".linked").evaluate_all(links)
    assert sorted(marked) == ["exp-2", "exp-2", "p-2", "sum"]
    shown.page.locator('[data-link="sum"]').hover()
    marked = shown.page.locator(".linked").evaluate_all(links)
    assert marked.count("sum") == 1
    assert len(marked) == 1 + 2 * 7


def test_softmax_over_channels(open_view: Open) -> None:
    z = numbers(21, 2, 3, 4)
    shown = open_view([alike("activation", [2, 3, 4], function="softmax")], z)
    shown.select(int(np.ravel_multi_index((1, 2, 3), z.shape)))
    table = np.array(shown.numbers(".view-table tbody")).reshape(4, 4)
    np.testing.assert_array_equal(table[:, 0], z[1, 2])
    powers = np.exp(z[1, 2])
    np.testing.assert_allclose(table[:, 3], powers / powers.sum(), rtol=1e-13)
