"""Whole pages of whole models in a real browser: every layer's numbers, every view."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
from flax import nnx

from jcnn.data.preprocessing import Preprocessing, set_preprocessing
from jcnn.explore import page
from jcnn.explore._layer import Layer
from jcnn.explore._network import network
from jcnn.models import build
from tests.explore.branches import MODELS as BRANCHES
from tests.explore.models import OfFlax, drawn, of_every_layer, shaken
from tests.explore.small import SPLIT, OpenPage, at, numbers
from tests.explore.test_page import pictures


def standardised(model: nnx.Module) -> nnx.Module:
    set_preprocessing(model, Preprocessing((16, 14), "crop", "grey", (0.3,), (0.21,)))
    return model


MODELS: dict[str, tuple[Callable[[], nnx.Module], tuple[int, int, int], int]] = {
    "conv4": (lambda: build("conv4", (28, 28, 1), 10), (28, 28, 1), 10),
    "tiny_vgg": (lambda: build("tiny_vgg", (40, 36, 3), 100), (40, 36, 3), 100),
    "mlp": (lambda: build("mlp", (28, 28, 1), 2), (28, 28, 1), 2),
    "every layer of jcnn, RGB": (lambda: drawn(of_every_layer), (12, 11, 3), 4),
    "a module of Flax, grey": (lambda: standardised(drawn(OfFlax)), (16, 14, 1), 3),
    **{name: (partial(drawn, make), shape, 3) for name, (make, shape) in BRANCHES.items()},
}


# The text of each view, in one call: a click by the mouse waits for the page to be still.
VIEWS = """() => [...document.querySelectorAll("#detail > header > .tabs button")].map((_, tab) => {
  document.querySelectorAll("#detail > header > .tabs button")[tab].click();
  return document.querySelector("#detail .view").innerText;
})"""


def one_of_each(layers: Sequence[Layer]) -> list[int]:
    """The first layer of each kind and function: the page's own check has covered all units."""
    found: dict[tuple[Any, ...], int] = {}
    for i, layer in enumerate(layers):
        grouped = layer.settings.get("groups", 1) > 1
        kind = (layer.kind, layer.settings.get("function"), grouped, len(layer.out_shape))
        found.setdefault(kind, i)
    return sorted(found.values())


# The joins of the others have views of their own, which other tests open.
DEFAULT = ("every layer of jcnn, RGB",)


@pytest.mark.parametrize(
    "name", [n if n in DEFAULT else pytest.param(n, marks=pytest.mark.slow) for n in MODELS]
)
def test_every_layer_of_a_model(browser_page: OpenPage, name: str) -> None:
    """All numbers, and of each kind a unit in either language: its number, views and sums."""
    make, shape, classes = MODELS[name]
    model = shaken(make())
    images = pictures(2, *shape)
    made = page(model, images, [f"class {i}" for i in range(classes)], labels=[1, None])
    found = network(model, shape)
    layers, expected = found.layers, found.outputs(images[1])
    opened = browser_page(made.html, SPLIT)
    opened.locator(".thumb").nth(1).click()
    opened.wait_for_function("document.querySelector('#badge').dataset.verdict === 'ok'")
    said = f"{len(layers)} of {len(layers)} layers compared with JAX: same; largest difference"
    assert said in opened.locator("#badge").inner_text()
    verdicts = opened.locator(".column .badge").evaluate_all(
        "(all) => all.map((b) => b.dataset.verdict)"
    )
    assert verdicts == ["ok"] * len(layers)

    best = int(expected[-1].argmax())
    assert opened.locator("#prediction b").inner_text() == f"class {best}"
    assert numbers(opened, "#prediction .numeral") == pytest.approx([expected[-1][best]], abs=1e-5)

    random = np.random.default_rng(len(layers))
    for i in one_of_each(layers):
        layer, y = layers[i], expected[i]
        unit = int(random.integers(y.size))
        at(opened, i, unit, "picture=1", f"lang={'ja' if i % 2 else 'en'}")
        (value,) = numbers(opened, "#detail header .value .numeral")
        most = 1e-5 * max(1, float(np.abs(y).max()))
        assert value == pytest.approx(float(y.ravel()[unit]), abs=most), layer.name
        tabs = opened.locator("#detail > header > .tabs button")
        assert tabs.count() == (3 if layer.kind == "conv" or reads_maps(layers, i) else 2)
        for said in opened.evaluate(VIEWS):
            assert len(said) > 50, layer.name
            assert not {"undefined", "NaN", "null", "{"} & set(said.replace("{", " { ").split())
        if layer.kind == "conv":
            tabs.nth(0).click()
            *parts, total = numbers(opened, ".conv-sum .equation [data-value]")
            assert sum(parts) == pytest.approx(value, rel=1e-12, abs=1e-12)
            assert total == value


def reads_maps(layers: Sequence[Layer], i: int) -> bool:
    """Whether a dense layer reads flattened maps of more than one cell."""
    at = layers[i].inputs[0] - 1
    while layers[i].kind == "dense" and at >= 0 and len(layers[at].inputs) == 1:
        if layers[at].kind in ("dense", "flatten"):
            shape = layers[at].in_shape
            return layers[at].kind == "flatten" and len(shape) == 3 and shape[0] * shape[1] > 1
        at = layers[at].inputs[0] - 1
    return False


@pytest.mark.slow
def test_two_pictures_have_their_own_numbers(browser_page: OpenPage) -> None:
    """The first picture again, after the second was looked at."""
    model = build("mlp", (9, 8, 1), 3)
    images = np.concatenate([np.zeros((1, 9, 8, 1), np.uint8), pictures(1, 9, 8, 1)])
    first, second = (network(model, (9, 8, 1)).outputs(image)[-1] for image in images)
    opened = browser_page(page(model, images, ["a", "b", "c"]).html)
    shown = []
    for picture in (0, 1, 0):
        opened.locator(".thumb").nth(picture).click()
        shown.append(numbers(opened, "#prediction .numeral")[0])
    assert shown[0] == shown[2]
    assert shown[:2] == pytest.approx([first.max(), second.max()], abs=1e-5)
    assert first.max() == pytest.approx(1 / 3, abs=1e-6)  # its biases are zero
    assert second.max() > 0.34
