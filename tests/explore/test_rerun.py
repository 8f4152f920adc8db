"""Rerunning a layer after a change to a rectangle equals a full run, to the last bit."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import Page

from tests.explore import layers_given as given
from tests.explore.kit import kit_page
from tests.explore.layers_given import alike, numbers
from tests.explore.oracle import run
from tests.explore.viewed import Layer

# Rows and columns of the changed rectangle, ends exclusive: corners, a border, the middle, all.
AREAS = [((0, 2), (0, 1)), ((5, 7), (4, 6)), ((2, 5), (0, 6)), ((3, 4), (2, 4)), ((0, 7), (0, 6))]
LAYERS: dict[str, Layer] = {
    "conv": given.conv(2, True),
    "max": given.pool("max_pool"),
    "average": given.pool("average_pool"),
    # Windows that leave cells out, so that some changes reach nothing.
    "sparse": {**given.pool("max_pool"), "window": [1, 1], "stride": [4, 4], "out": [2, 2, 3]}
    | {"padding": [[0, 0], [0, 0]]},
    "relu": alike("activation", [7, 6, 3], function="relu"),
    "softmax": alike("activation", [7, 6, 3], function="softmax"),
    "norm": given.batch_norm([7, 6, 3]),
    "flatten": given.flatten([7, 6, 3]),
}
_ASK = """([layer, x, y, area]) => {
  for (const array of Object.values(layer.arrays)) array.data = Float32Array.from(array.data);
  const [from, whole] = [x, y].map((numbers) => runLayer(layer, Float64Array.from(numbers)));
  const { y: found, changed } = rerunLayer(layer, [Float64Array.from(y)], from, [area]);
  return { found: [...found], changed, same: found.every((v, i) => Object.is(v, whole[i])) };
}"""


@pytest.fixture(scope="module")
def kit(kit_tab: Page) -> Iterator[Page]:
    """A page with only the function."""
    with kit_page(kit_tab, "rerunLayer", "rerun.js") as page:
        yield page


@pytest.mark.parametrize("name", LAYERS)
def test_what_changed_is_computed_anew(kit: Page, name: str) -> None:
    layer = {"arrays": {}, **LAYERS[name]}
    arrays = {
        key: {"data": np.asarray(array).ravel().tolist(), "shape": list(array.shape)}
        for key, array in layer["arrays"].items()
    }
    described = json.loads(json.dumps({**layer, "arrays": arrays}))
    x = numbers(20, *layer["in"])
    for area in AREAS:
        y = x.copy()
        (top, bottom), (left, right) = area
        y[top:bottom, left:right] = numbers(21, *y[top:bottom, left:right].shape)
        answer = kit.evaluate(_ASK, [described, x.ravel().tolist(), y.ravel().tolist(), area])
        wanted = run(layer, y[None])[0]
        np.testing.assert_allclose(answer["found"], wanted.ravel(), rtol=0, atol=1e-12)
        assert answer["same"]
        if name == "flatten":
            assert answer["changed"] is None
            continue
        # Nothing outside the rectangle that it names has changed, and it is no larger than needed.
        changed: npt.NDArray[Any] = (run(layer, x[None])[0] != wanted).any(axis=2)
        (first, last), (start, end) = answer["changed"]
        assert changed[first:last, start:end].sum() == changed.sum()
        if name in ("conv", "relu", "sparse") and changed.any():
            rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
            assert last - first <= np.ptp(rows) + (2 if name == "conv" else 1)
            assert end - start <= np.ptp(columns) + (3 if name == "conv" else 1)
