"""The views of layers that resize or normalise, number by number, against NumPy."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from tests.explore import layers_given as given
from tests.explore.layers_given import alike, numbers
from tests.explore.oracle import run
from tests.explore.viewed import Layer, Viewed

Open = Callable[..., Viewed]


@pytest.fixture
def view(open_view: Open) -> Open:
    return lambda layer, x, **state: open_view([layer], x, **state)


def near(wanted: Any) -> Any:
    """Agreement of float64 sums of a few terms in different orders."""
    return pytest.approx(wanted, rel=1e-11, abs=1e-12)


def units(
    layer: Layer, *places: tuple[int, int, int]
) -> Iterator[tuple[int, tuple[int, int, int]]]:
    for place in places:
        yield int(np.ravel_multi_index(place, layer["out"])), place


def test_zero_padding(view: Open) -> None:
    layer, x = given.zero_pad(), numbers(1, 7, 6, 3)
    shown = view(layer, x)
    for unit, (r, c, k) in units(layer, (0, 4, 1), (5, 2, 0), (1, 3, 2), (7, 8, 1)):
        shown.select(unit)
        assert shown.numbers(".unit-equation")[:6] == [r, 1, r - 1, c, 3, c - 3]
        inside = 1 <= r < 8 and c >= 3
        rest = shown.numbers(".unit-equation")[6:]
        assert rest == ([x[r - 1, c - 3, k]] * 2 if inside else [0])


def test_cropping(view: Open) -> None:
    layer, x = given.crop(), numbers(2, 7, 6, 3)
    shown = view(layer, x)
    for unit, (r, c, k) in units(layer, (0, 2, 1), (3, 0, 2)):
        shown.select(unit)
        value = x[r + 1, c, k]
        assert shown.numbers(".unit-equation") == [r, 1, r + 1, c, 0, c, value, value]


def test_nearest_upsampling(view: Open) -> None:
    layer, x = given.upsample("nearest"), numbers(3, 7, 6, 3)
    shown = view(layer, x)
    for unit, (r, c, k) in units(layer, (0, 2, 1), (13, 17, 2), (6, 3, 0)):
        shown.select(unit)
        value = x[r // 2, c // 3, k]
        assert shown.numbers(".unit-equation") == [r, 2, r // 2, c, 3, c // 3, value, value]


def test_bilinear_upsampling(view: Open) -> None:
    layer, x = given.upsample("bilinear"), numbers(4, 7, 6, 3)
    wanted = run({"arrays": {}, **layer}, x[None])[0]
    shown = view(layer, x)
    # In the middle of four cells; at two edges; in a column's centre; in a corner, beyond all.
    for unit, (r, c, k) in units(layer, (5, 8, 1), (0, 5, 2), (4, 4, 0), (13, 17, 1)):
        shown.select(unit)
        at_row, at_column = (r + 0.5) / 2 - 0.5, (c + 0.5) / 3 - 0.5
        lines = shown.numbers(".unit-equation")
        assert lines[:6] == [r, 2, near(at_row), c, 3, near(at_column)]
        assert lines[-1] == near(wanted[r, c, k])
        terms = np.reshape(shown.numbers(".view-table tbody"), (-1, 4))
        cells = shown.texts(".view-table tbody td:first-child")
        assert len(cells) == {(5, 8): 4, (0, 5): 2, (4, 4): 2, (13, 17): 0}[r, c]
        for (value, down, right, product), cell in zip(terms, cells, strict=True):
            row, column, channel = (int(part) for part in cell.strip("()").split(", "))
            assert (value, channel) == (x[row, column, k], k)
            inside = [(row, at_row, down, 7), (column, at_column, right, 6)]
            for one, at, weight, size in inside:
                assert weight == near(1 - abs(np.clip(at, 0, size - 1) - one))
            assert product == near(value * down * right)
        if len(cells) > 0:
            assert terms[:, 3].sum() == near(wanted[r, c, k])


@pytest.mark.parametrize(("kind", "groups"), [("layer_norm", None), ("group_norm", 2)])
def test_example_normalisation(view: Open, kind: str, groups: int | None) -> None:
    layer = given.example_norm(kind, [5, 3, 4], **({"groups": groups} if groups else {}))
    x = 3 + 2 * numbers(5, 5, 3, 4)
    wanted = run(layer, x[None])[0]
    scale, offset = (layer["arrays"][name] for name in ("scale", "offset"))
    shown = view(layer, x)
    for unit, (r, c, k) in units(layer, (0, 2, 1), (4, 0, 3)):
        shown.select(unit)
        part = x[r, c] if groups is None else x[:, :, k // 2 * 2 : k // 2 * 2 + 2]
        mean, variance = part.mean(), part.var()
        spread = np.sqrt(variance + 1e-3)
        centred = x[r, c, k] - mean
        normal, y = centred / spread, wanted[r, c, k]
        assert shown.numbers(".unit-equation") == near(
            [
                *(part.size, mean, part.size, variance, x[r, c, k], mean, centred),
                *(variance, 1e-3, spread, centred, spread, normal),
                *(normal, scale[k], normal * scale[k], normal * scale[k], offset[k], y, y),
            ]
        )


def test_a_transposed_convolution(view: Open) -> None:
    layer, x = given.conv_transpose(), numbers(6, 4, 3, 4)
    wanted = run(layer, x[None])[0]
    kernel, bias = layer["arrays"]["kernel"], layer["arrays"]["bias"]
    shown = view(layer, x, termOrder="order")
    counts = set()
    for unit, (r, c, f) in units(layer, (3, 3, 1), (5, 1, 4), (9, 6, 5), (0, 0, 2)):
        shown.select(unit)
        # y[s o + d i - p] += x[o] kernel[i], looked for among all o and i.
        terms = [
            (x[o, q, k], kernel[i, j, f % 3, k])
            for i in range(3)
            for o in range(4)
            if 2 * o + 2 * i - 1 == r
            for j in range(2)
            for q in range(3)
            if 3 * q + j == c
            for k in range(f // 3 * 2, f // 3 * 2 + 2)
        ]
        table = np.reshape(shown.numbers(".terms tbody"), (-1, 3))
        assert table[:, :2].tolist() == [list(term) for term in terms]
        assert table[:, 2].tolist() == [a * b for a, b in terms]
        (total,) = shown.numbers("[data-role=total]")
        assert total == near(wanted[r, c, f]) == near(sum(a * b for a, b in terms) + bias[f])
        counts.add(len(terms))
    assert 0 in counts
    assert max(counts) >= 4


@pytest.mark.parametrize(
    "kind", ["spatial_dropout", pytest.param("stochastic_depth", marks=pytest.mark.slow)]
)
def test_dropout_of_more_than_single_numbers(view: Open, kind: str) -> None:
    layer, x = alike(kind, [2, 1, 8], rate=0.4), numbers(7, 2, 1, 8)
    shown = view(layer, x, dropoutTraining=True)
    masks = set()
    for seed in range(6):
        shown.change(dropoutSeed=seed)
        drawn = []
        for unit in range(x.size):
            shown.select(unit)
            _, factor, mask, *_ = shown.numbers(".unit-equation")
            assert factor == near(1 / 0.6)
            drawn.append(mask)
            if seed > 1 and unit == 8:
                break
        if seed <= 1:
            maps = np.reshape(drawn, (2, 1, 8))
            assert (maps == maps[:1, :1]).all()  # equal at all positions
            kept, parts = shown.numbers(".unit-equation")[-4:-2]
            assert parts == (8 if kind == "spatial_dropout" else 1)
            assert kept == maps[0, 0].sum() / (8 // parts)
        masks.add(tuple(drawn[:8]))
    assert len(masks) > 1
