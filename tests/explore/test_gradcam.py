"""Grad-CAM and the channels' shares of a logit, against JAX and NumPy in float64."""

from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from playwright.sync_api import Page

from jcnn.explore._network import Network
from tests.explore.branches_made import as_oracle, described
from tests.explore.gradients_by_jax import Array, by_jax, found_of, image_of
from tests.explore.kit import kit_page
from tests.explore.oracle import run_all


@pytest.fixture(scope="module")
def kit(kit_tab: Page) -> Iterator[Page]:
    """A page with only the functions."""
    names = (
        "gradientsOf, runFrom, camWeights, camOf, resizedMap, steepest, firstMaps, mapChoices, "
        "headOf, sharesOf, addingUp"
    )
    with kit_page(kit_tab, names, "gradcam.js", "contributions.js") as page:
        page.evaluate(
            """() => { globalThis.computed = ([layers, image, shape]) => {
              layers = layers.map(revived);
              const outputs = [Float64Array.from(image)];
              runFrom(layers, outputs, 0);
              return { layers, input: { shape }, outputs };
            }; }"""
        )
        yield page


@cache
def given(name: str) -> tuple[Network, Array, list[Any]]:
    """A model, its picture of 0 to 1, and what `computed` takes."""
    found, image = found_of(name), image_of(name).astype(np.float64)
    return found, image, [described(found), image.ravel().tolist(), list(image.shape)]


_CAM = """([given, unit]) => {
  const { layers, input, outputs } = computed(given);
  const maps = firstMaps(layers);
  const gradient = gradientsOf(layers, outputs, layers.at(-1).inputs[0], unit, maps)[maps];
  const { out } = layers[maps - 1];
  const weights = camWeights(gradient, out);
  const cam = camOf(outputs[maps], weights, out);
  return [layers[maps - 1].name, ...[weights, cam, resizedMap(cam, out, input.shape)]
    .map((list) => Array.from(list))];
}"""

# The maps that each model's Grad-CAM takes by default.
LAST = {
    "conv2pool": "conv2d_1 relu",
    "every layer of jcnn": "conv2d_1",
    "residual": "add#2 relu",
    "fire": "expand3x3 relu",
    "inverted": "add",
    "upsampling": "conv3 relu",
    "normalised": "add",
}


@pytest.mark.parametrize(
    "name",
    [
        "residual",
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("conv2pool", "fire", "upsampling")),
    ],
)
def test_gradcam_is_that_of_jax(kit: Page, name: str) -> None:
    found, image, what = given(name)
    unit = found.layers[-1].out_shape[0] - 2
    layer, weights, cam, wide = kit.evaluate(_CAM, [what, unit])
    assert layer == LAST[name]
    gradient = by_jax(name, unit)[layer]
    outputs = run_all(as_oracle(found), image[None])
    maps = outputs[[one.name for one in found.layers].index(layer)]
    by_definition = gradient.mean((0, 1))
    assert np.ptp(by_definition) > 0
    np.testing.assert_allclose(weights, by_definition, atol=1e-12 * abs(by_definition).max())
    summed = np.maximum((maps * by_definition).sum(-1), 0)
    np.testing.assert_allclose(cam, summed.ravel(), rtol=0, atol=1e-12 * abs(summed).max())
    with jax.enable_x64(True):
        enlarged = jax.image.resize(jnp.asarray(summed), image.shape[:2], "bilinear")
    np.testing.assert_allclose(wide, enlarged.ravel(), rtol=0, atol=1e-12 * abs(summed).max())


@pytest.mark.parametrize(
    "name",
    [n if n == "residual" else pytest.param(n, marks=pytest.mark.slow) for n in LAST],
)
def test_which_maps_are_the_last_convolutions(kit: Page, name: str) -> None:
    last = LAST[name]
    found, _, what = given(name)
    ask = """(given) => {
      const { layers } = computed(given);
      return [firstMaps(layers), mapChoices(layers)].flat();
    }"""
    first, *choices = kit.evaluate(ask, what)
    assert found.layers[first - 1].name == last
    shapes = [found.layers[i - 1].out_shape for i in choices]
    assert all(len(shape) == 3 and shape[0] * shape[1] > 1 for shape in shapes)
    assert first in choices


@pytest.mark.parametrize("sizes", [((3, 4), (10, 7)), ((5, 2), (5, 9)), ((1, 1), (4, 3))])
def test_enlarging_is_bilinear(kit: Page, sizes: Any) -> None:
    size, to = sizes
    values = np.random.default_rng(1).normal(size=size)
    ask = "([map, size, to]) => Array.from(resizedMap(map, size, to))"
    ours = kit.evaluate(ask, [values.ravel().tolist(), size, to])
    with jax.enable_x64(True):
        wanted = jax.image.resize(jnp.asarray(values), to, "bilinear")
    np.testing.assert_allclose(ours, wanted.ravel(), rtol=0, atol=1e-14)


def test_the_largest_of_the_colours_keeps_its_sign(kit: Page) -> None:
    gradient = np.random.default_rng(2).normal(size=(4, 5, 3))
    ask = "(all) => Array.from(steepest(Float64Array.from(all), [4, 5, 3]))"
    ours = np.reshape(kit.evaluate(ask, gradient.ravel().tolist()), (4, 5))
    np.testing.assert_array_equal(abs(ours), abs(gradient).max(-1))
    assert (ours[..., None] == gradient).any(-1).all()


_SHARES = """([given, unit]) => {
  const network = computed(given);
  const head = headOf(network);
  if (head === null) return null;
  const { shares, bias, logit } = sharesOf(network, network.outputs, head, unit);
  return [head.maps, Array.from(shares), bias, logit];
}"""


@pytest.mark.parametrize("name", ["conv2pool", "residual", "squeeze", "every layer of jcnn"])
def test_shares_of_channels_add_up_to_the_logit(kit: Page, name: str) -> None:
    """By the definition of each head: weights times means, largest cells, flat maps, or units."""
    found, image, what = given(name)
    outputs = [image, *run_all(as_oracle(found), image[None])]
    logits = found.layers[-1].inputs[0]
    dense = found.layers[logits - 1].arrays
    unit = 1
    maps, shares, bias, logit = kit.evaluate(_SHARES, [what, unit])
    weights = dense["kernel"][:, unit].astype(np.float64)
    x = outputs[maps]
    by_definition = {
        "conv2pool": lambda: (x * weights.reshape(x.shape)).sum((0, 1)),
        "residual": lambda: x.mean((0, 1)) * weights,
        "squeeze": lambda: x.max((0, 1)) * weights,
        "every layer of jcnn": lambda: x * weights,  # a hidden layer of units
    }[name]()
    assert x.ndim == (1 if name == "every layer of jcnn" else 3)
    np.testing.assert_allclose(shares, by_definition, rtol=1e-12, atol=1e-14)
    added = float(dense["bias"][unit]) if "bias" in dense else 0.0
    assert (bias or 0) == added
    assert logit == pytest.approx(outputs[logits][unit], rel=1e-12)
    assert sum(shares) + added == pytest.approx(logit, rel=1e-12, abs=1e-12)


def test_a_scaled_head_has_no_shares(kit: Page) -> None:
    _, _, what = given("normalised")  # its logits are divided by 1.5
    assert kit.evaluate(_SHARES, [what, 0]) is None


@pytest.mark.parametrize("scale", [1e-7, 0.03, 1.0, 250.0, 3e6])
def test_written_numbers_add_up(kit: Page, scale: float) -> None:
    """Exactly as decimals, each within one unit of its last place."""
    random = np.random.default_rng(3)
    for count in (1, 2, 7, 65):
        values = (random.normal(size=count) * scale).tolist()
        total = float(np.sum(values))
        ask = "([values, total]) => addingUp(values, total)"
        written = kit.evaluate(ask, [values, total])
        parts = [Fraction(text) for text in written["parts"]]
        assert sum(parts) == Fraction(written["total"])
        place = Fraction(1, 10 ** len(written["total"].partition(".")[2]))
        apart = [abs(part - Fraction(value)) for part, value in zip(parts, values, strict=True)]
        assert max(apart) < place
        assert abs(Fraction(written["total"]) - Fraction(total)) <= place / 2
        assert max(abs(value) for value in [*values, total]) >= 999 * place  # four digits
        assert "-0." not in written["total"] or float(written["total"]) != 0


@pytest.mark.parametrize("values", [[0.0, 0.0], [1e12, 2.0], [float("nan")], [float("inf")]])
def test_numbers_that_cannot_be_written_so(kit: Page, values: list[float]) -> None:
    ask = "(values) => addingUp(values, values.reduce((a, b) => a + b))"
    assert kit.evaluate(ask, values) is None
