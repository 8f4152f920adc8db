"""The images that activate a channel most: which ones, their thumbnails, and their view."""

import base64
import json
import re
from typing import Any

import numpy as np
import pytest

from jcnn.explore import page as explorer_page
from jcnn.explore._network import network
from jcnn.explore._top_images import top_images
from jcnn.models import build
from tests.explore.branches import MODELS
from tests.explore.branches_made import as_oracle
from tests.explore.models import drawn, shaken
from tests.explore.oracle import run_all
from tests.explore.small import OpenPage, at, numbers
from tests.explore.test_page import pictures


def test_they_are_those_with_the_largest_values() -> None:
    build_model, shape = MODELS["residual"]
    found = network(drawn(build_model), shape)
    images = pictures(9, *shape)
    top = top_images(found, images)
    assert top["count"] == 9
    scaled = (images.astype(np.float32) / np.float32(255)).astype(np.float64)
    outputs = [run_all(as_oracle(found), image[None]) for image in scaled]
    shown = 0
    for i, layer in enumerate(found.layers):
        if layer.kind not in ("conv", "batch_norm", "activation", "add", "dense"):
            assert top["layers"][i] is None
            continue
        values = np.stack([of[i].reshape(-1, layer.out_shape[-1]) for of in outputs])
        for channel, entries in enumerate(top["layers"][i]):
            largest = values[..., channel].max(1)
            assert len(entries) == 6
            wanted = np.sort(largest)[::-1][:6]
            assert [value for *_, value in entries] == pytest.approx(wanted, rel=1e-4, abs=1e-5)
            for picture, unit, value in entries:
                pixels = base64.b64decode(top["pictures"][picture])
                row = [image.tobytes() for image in images].index(pixels)
                assert outputs[row][i].ravel()[unit] == pytest.approx(value, rel=1e-4, abs=1e-5)
                assert unit % layer.out_shape[-1] == channel
                shown += 1
    assert shown > 6 * 4 * 5


def test_large_images_become_thumbnails() -> None:
    found = network(shaken(build("mlp", (90, 50, 3), 2)), (90, 50, 3))
    image = np.zeros((1, 90, 50, 3), np.uint8)
    image[:, :3, :3, 1] = 90
    top = top_images(found, image)
    assert top["shape"] == (30, 17, 3)
    pixels = np.frombuffer(base64.b64decode(top["pictures"][0]), np.uint8).reshape(top["shape"])
    assert pixels[0, 0].tolist() == [0, 90, 0]
    assert pixels.sum() == 90


def test_values_that_overflow_are_left_out() -> None:
    """A page's JSON has no infinity, and a browser would refuse it."""
    model = shaken(build("mlp", (5, 4, 1), 3))
    model.dense.kernel[...] = model.dense.kernel[...].at[:, 0].set(3e38)
    images = np.full((2, 5, 4, 1), 255, np.uint8)
    images[1] = 0
    top = top_images(network(model, (5, 4, 1)), images)
    first = top["layers"][1]
    assert [picture for picture, *_ in first[0]] == [1]
    assert len(first[1]) == 2
    json.dumps(top, allow_nan=False)


@pytest.mark.parametrize("language", [pytest.param("en", marks=pytest.mark.slow), "ja"])
def test_the_view_shows_them(browser_page: OpenPage, language: str) -> None:
    build_model, shape = MODELS["residual"]
    model = drawn(build_model)
    images = pictures(9, *shape)
    made = explorer_page(model, images[:1], ["ant", "bee", "cat"], top_images=images)
    top = top_images(network(model, shape), images)
    page = browser_page(made.html, viewport={"width": 390, "height": 844})
    at(page, 0, 6, "tab=top", f"lang={language}")  # channel 2 of conv1
    entries = top["layers"][0][2]
    shown = numbers(page, ".top-pictures .numeral")
    assert shown == [value for *_, value in entries]
    places = page.locator(".top-pictures li").evaluate_all(
        "(all) => all.map((one) => [Number(one.dataset.picture), Number(one.dataset.unit)])"
    )
    assert places == [entry[:2] for entry in entries]
    assert page.locator(".top-pictures .field-inside").count() == 6
    assert "9" in page.locator("#detail .view").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    names = [layer.name for layer in network(model, shape).layers]
    at(page, names.index("add#2 global_average_pool"), 0, "tab=top")
    assert page.locator("#detail .tabs button").count() == 2  # a pooling has none


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 5, 4, 1), np.float32), "top_images: got (2, 5, 4, 1) of float32"),
        (np.zeros((0, 5, 4, 1), np.uint8), "top_images: got (0, 5, 4, 1) of uint8"),
        (np.zeros((2, 5, 5, 1), np.uint8), "top_images: got images of (5, 5, 1); accepted: (5, 4"),
    ],
)
def test_other_images_are_refused(images: Any, message: str) -> None:
    model = build("mlp", (5, 4, 1), 3)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        explorer_page(model, pictures(1, 5, 4, 1), ["a", "b", "c"], top_images=images)
