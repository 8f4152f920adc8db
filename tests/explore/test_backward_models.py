"""The gradient of a logit in the page's JavaScript against jax.grad of the model, in float64."""

from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Page

from jcnn.graph import INPUT
from tests.explore.branches_made import described
from tests.explore.gradients_by_jax import MODELS, by_jax, found_of, image_of
from tests.explore.kit import kit_page


@pytest.fixture(scope="module")
def kit(kit_tab: Page) -> Iterator[Page]:
    """A page with only the functions."""
    with kit_page(kit_tab, "gradientsOf, runFrom", "backward.js") as page:
        yield page


_GRADIENTS = """([layers, image, index, unit, first]) => {
  layers = layers.map(revived);
  const outputs = [Float64Array.from(image)];
  runFrom(layers, outputs, 0);
  const found = gradientsOf(layers, outputs, index, unit, first);
  return found.map((one) => one && Array.from(one));
}"""


# One of convolutions that are added, one whose branches are multiplied.
DEFAULT = ("residual", "squeeze")


@pytest.mark.parametrize(
    "name", [n if n in DEFAULT else pytest.param(n, marks=pytest.mark.slow) for n in MODELS]
)
def test_gradients_of_a_logit_are_those_of_jax(kit: Page, name: str) -> None:
    """By the picture and by every layer's output, relative to the largest of each."""
    found = found_of(name)
    image = image_of(name)
    logits = found.layers[-1].inputs[0]
    unit = found.layers[-1].out_shape[0] - 1
    given = [described(found), image.ravel().tolist(), logits, unit]
    ours = kit.evaluate(_GRADIENTS, [*given, 0])
    wanted = by_jax(name, unit)
    assert len(ours) == logits + 1
    for mine, end in zip(ours, [INPUT, *found.ends], strict=False):
        if end is None:  # a pooling of whole maps before its flatten
            continue
        theirs = wanted[end].ravel()
        largest = np.abs(theirs).max()
        assert largest > 0
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-12 * largest, err_msg=end)
    # Only as far back as asked for, the same.
    part = kit.evaluate(_GRADIENTS, [*given, logits // 2])
    assert part[logits // 2 :] == ours[logits // 2 :]
    assert part[0] is None or logits < 4
