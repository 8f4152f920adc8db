"""The two loops of a convolution: the same bits, for all shapes, groups and numbers."""

from typing import Any

import numpy as np
import pytest

from tests.explore.built import conv
from tests.explore.kit import REVIVED
from tests.explore.scripts import joined_files
from tests.explore.small import OpenPage, drawn
from tests.explore.test_forward import asked
from tests.ops.conv import oracle

_KIT = """
const sums = (loop, layer, x) => {
  const y = new Float64Array(layer.out.reduce((a, b) => a * b));
  loop(layer, x, layer.arrays.kernel.data, y);
  return y;
};
globalThis.kit = { revived, few: (...given) => sums(convolveFew, ...given),
  tiles: (...given) => sums(convolveTiles, ...given) };
document.body.dataset.ready = "true";
"""
CASES: list[tuple[tuple[int, int, int], tuple[int, int, int, int], dict[str, Any]]] = [
    ((7, 6, 5), (3, 2, 5, 8), {"padding": ((1, 1), (2, 0)), "stride": (2, 1)}),
    ((9, 8, 6), (2, 3, 3, 22), {"groups": 2, "dilation": (2, 3), "padding": ((2, 0), (0, 3))}),
    ((6, 5, 4), (3, 3, 1, 4), {"groups": 4, "stride": (1, 2)}),
    ((2, 2, 40), (1, 1, 40, 17), {}),
    ((5, 5, 1), (9, 9, 1, 9), {"padding": ((4, 4), (4, 4))}),  # larger than its input
]


@pytest.mark.parametrize(("shape", "kernel", "settings"), CASES)
def test_both_loops_add_up(
    browser_page: OpenPage,
    shape: tuple[int, int, int],
    kernel: tuple[int, int, int, int],
    settings: dict[str, Any],
) -> None:
    script = joined_files("convolve.js").replace("</", "<\\/")
    page = browser_page(f"<body><script>{script}; {REVIVED} {_KIT}</script>")
    x, weights = np.maximum(drawn(1, *shape), 0), drawn(2, *kernel)
    layer = conv("c", shape, weights, **settings)
    ask = "[...kit.tiles(layer, x)]"
    found = asked(page, layer, x, ask)
    wanted = oracle.conv2d(x[None], weights, None, **{"padding": "VALID", **settings})[0]
    np.testing.assert_allclose(found, wanted.ravel(), rtol=0, atol=1e-11)
    same = "kit.few(layer, x).every((v, i) => Object.is(v, kit.tiles(layer, x)[i]))"
    if np.size(wanted) < 500:
        assert asked(page, layer, x, same)
        weights.flat[3], weights.flat[-1] = np.inf, np.nan  # zero times these is NaN
        assert asked(page, {**layer, "arrays": {"kernel": weights}}, x, same)
