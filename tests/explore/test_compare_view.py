"""A page of two models: both on the same picture, their differences, and the switch."""

import json
import re
from functools import cache
from typing import Any

import numpy as np
import pytest
from flax import nnx
from playwright.sync_api import Page

from jcnn import ops
from jcnn.explore import page as explorer_page
from jcnn.explore._network import network
from jcnn.layers import Conv2D, Dense, Flatten, MaxPooling2D, Sequential
from jcnn.models import build
from tests.explore.models import shaken
from tests.explore.scripts import PAGE
from tests.explore.small import OpenPage, numbers, word_tables
from tests.explore.test_looks import CONTRASTS
from tests.explore.test_page import at, content_of, numbers_of, pictures

SHAPE = (7, 6, 1)
CLASSES = ["ant", "bee", "<b>cat</b>"]
IMAGES = pictures(2, *SHAPE)
COMPARE = "#view=compare"


def model(seed: int) -> Sequential:
    rngs = nnx.Rngs(seed)
    return Sequential(
        [
            Conv2D(1, 6, 3, activation=ops.relu, rngs=rngs),
            MaxPooling2D(),
            Flatten(),
            Dense(54, 3, rngs=rngs),
        ]
    )


def other(kind: str) -> Any:
    return model(2) if kind == "same" else shaken(build("mlp", SHAPE, 3))


@cache
def made(kind: str) -> str:
    labels = [1, None]
    return explorer_page(
        model(1), IMAGES, CLASSES, labels=labels, name="first", other=("second", other(kind))
    ).html


def outputs(kind: str, picture: int = 0) -> tuple[list[Any], list[Any]]:
    """The outputs of every layer of both models, by JAX."""
    one, two = (network(each, SHAPE) for each in (model(1), other(kind)))
    return one.outputs(IMAGES[picture]), two.outputs(IMAGES[picture])


def badge(page: Page, said: str) -> str:
    page.wait_for_function(
        "(said) => document.getElementById('badge').textContent.includes(said)", arg=said
    )
    return page.locator("#badge").get_attribute("data-verdict") or ""


@pytest.mark.parametrize("kind", ["same", pytest.param("different", marks=pytest.mark.slow)])
def test_the_probabilities_of_both_and_their_differences(browser_page: OpenPage, kind: str) -> None:
    page = browser_page(made(kind), COMPARE)
    for picture in (0, 1):
        page.locator(".thumb").nth(picture).click()
        a, b = (each[-1].astype(np.float64) for each in outputs(kind, picture))
        rows = page.locator(".cmp-classes tbody tr")
        assert rows.count() == 3
        for i in range(3):
            of_a, of_b, apart = numbers(page, f'.cmp-classes [data-class="{i}"] .numeral')
            assert of_a == pytest.approx(a[i], abs=1e-5)  # that of 32-bit logits near 10
            assert of_b == pytest.approx(b[i], abs=1e-5)
            assert apart == of_b - of_a
            marked = "apart" in (rows.nth(i).get_attribute("class") or "")
            assert marked == (abs(of_b - of_a) >= 0.05)
        for letter, p in (("A", a), ("B", b)):
            best = int(p.argmax())
            text = page.locator(f'.cmp-verdict[data-model="{letter}"]').inner_text()
            assert CLASSES[best] in text
            verdicts = {True: "right", False: "wrong: it is bee"}
            wanted = verdicts[best == 1] if picture == 0 else ""
            assert wanted in text
            assert ("right" in text or "wrong" in text) == (picture == 0)
        said = page.locator(".cmp-agree").inner_text()
        assert said.startswith("Both give" if a.argmax() == b.argmax() else "They differ: A gives")
    checked = len(outputs(kind)[0]) + len(outputs(kind)[1])
    assert badge(page, f"{checked} of {checked} layers compared with JAX: same") == "ok"
    assert page.locator("#badge").inner_text().endswith("(A and B)")


def test_the_same_channels_in_one_range_and_their_difference(browser_page: OpenPage) -> None:
    page = browser_page(made("same"), COMPARE)
    names = [layer.name for layer in network(model(1), SHAPE).layers]
    relu = names.index("conv2d") + 1
    a, b = (each[relu] for each in outputs("same"))
    largest = np.maximum(abs(a).max((0, 1)), abs(b).max((0, 1)))
    channels = sorted(np.argsort(-largest, kind="stable")[:4].tolist())
    for letter in "AB":
        maps = page.locator(f'[data-model="{letter}"] td:nth-of-type(2) button')
        shown = maps.evaluate_all("(all) => all.map((e) => [e.dataset.channel, e.dataset.range])")
        assert [int(channel) for channel, _ in shown] == channels
        of = [float(range_) for _, range_ in shown]
        assert of == [pytest.approx(largest.max(), rel=1e-5)] * 4
        kernels = page.locator(f'[data-model="{letter}"] .cmp-kernels canvas')
        both = max(abs(model(seed).conv2d.kernel[...]).max() for seed in (1, 2))
        ranges = kernels.evaluate_all("(all) => all.map((e) => Number(e.dataset.range))")
        assert ranges == [pytest.approx(float(both), rel=1e-6)] * 4
    share = numbers(page, '[data-model="difference"] td:nth-of-type(2) .numeral')
    assert share == [pytest.approx(100 * np.linalg.norm(b - a) / np.linalg.norm(a), rel=1e-4)]
    page.locator('[data-control="scale"]').select_option("unit")
    ranges = page.locator('[data-model="A"] td:nth-of-type(2) button').evaluate_all(
        "(all) => all.map((e) => Number(e.dataset.range))"
    )
    np.testing.assert_allclose(ranges, largest[channels], rtol=1e-5)


@pytest.mark.slow
def test_a_model_alone_and_the_way_there(browser_page: OpenPage) -> None:
    page = browser_page(made("different"), COMPARE)
    assert page.locator('[data-model="difference"]').count() == 0
    page.locator('#models [data-model="B"]').click()
    page.locator("#pages button").first.click()
    page.wait_for_function("() => location.hash.includes('model=b')")
    names = page.locator(".column h2").all_text_contents()
    assert names[1] == "flatten"
    assert page.locator("#prediction").inner_text().startswith("B: Most probable: ")
    b = outputs("different")[1]
    shown = numbers(page, ".cells.bars >> nth=-1 >> .numeral")
    np.testing.assert_allclose(shown, b[-1], rtol=0, atol=1e-5)
    page.reload()
    page.wait_for_selector("body[data-ready=true]")
    assert page.locator(".column h2").all_text_contents() == names
    page.evaluate("() => { location.hash = 'model=a&layer=0&unit=3'; }")
    page.wait_for_function("() => document.querySelector('#detail h2').innerText.includes('conv')")
    for nonsense in ("model=c", "model=", "model=ab"):
        page.evaluate("(hash) => { location.hash = hash; }", nonsense)
        page.wait_for_function("() => location.hash.includes('model=a')")


def test_a_click_on_a_map_opens_it_in_its_network(browser_page: OpenPage) -> None:
    page = browser_page(made("same"), COMPARE)
    button = page.locator('[data-model="B"] td:nth-of-type(2) button').nth(2)
    channel = button.get_attribute("data-channel")
    assert (
        button.get_attribute("aria-label") == f"B, conv2d, channel {channel}: open in the network"
    )
    button.click()
    assert page.locator("#detail h2").inner_text().startswith(f"conv2d, channel {channel}")
    kernel = model(2).conv2d.kernel[...][:, :, 0, int(channel or 0)]
    cells = numbers(page, '#detail [data-grid="kernel"] .editable')
    np.testing.assert_array_equal(np.array(cells, np.float32), np.asarray(kernel).ravel())


def test_a_change_by_hand_is_of_one_model_and_compared_no_more(browser_page: OpenPage) -> None:
    page = browser_page(made("same"), "#model=b&layer=0&unit=0")
    before = outputs("same")[1][-1]
    page.locator('[data-part="bias"]').dblclick()
    page.keyboard.type("3")
    page.keyboard.press("Enter")
    badge(page, "parameters changed")
    page.locator("#pages button").nth(1).click()
    rows = [numbers(page, f'[data-class="{i}"] .numeral') for i in range(3)]
    np.testing.assert_allclose([row[0] for row in rows], outputs("same")[0][-1], rtol=1e-5)
    assert abs(np.array([row[1] for row in rows]) - before).max() > 1e-3
    page.locator('#models [data-model="A"]').click()
    assert [numbers(page, f'[data-class="{i}"] .numeral') for i in range(3)] == rows
    page.locator('[data-tool="reset"]').click()
    rows = [numbers(page, f'[data-class="{i}"] .numeral') for i in range(3)]
    np.testing.assert_allclose([row[1] for row in rows], before, rtol=1e-5)
    assert badge(page, "layers compared with JAX: same") == "ok"


def test_a_wrong_number_of_the_hidden_model_is_noticed(browser_page: OpenPage) -> None:
    html = made("same")
    found = re.search(r'<script id="network" type="application/json">(.*?)</script>', html, re.S)
    assert found is not None
    content = json.loads(found[1])
    checks = content["compare"]["checks"][0]["outputs"]
    checks[-1], checks[-2] = checks[-2], checks[-1]  # logits for probabilities
    page = browser_page(html.replace(found[1], json.dumps(content).replace("<", "\\u003c")))
    assert badge(page, "2 different") == "bad"


def test_the_content_holds_both(browser_page: OpenPage) -> None:
    made_page = explorer_page(model(1), IMAGES, CLASSES, name="x", other=("y", model(2)))
    content, held = content_of(made_page), numbers_of(made_page)
    assert content["compare"]["names"] == ["x", "y"]
    for layers, seed in ((content["layers"], 1), (content["compare"]["layers"], 2)):
        (place,) = [one["arrays"]["kernel"] for one in layers if one["kind"] == "dense"]
        np.testing.assert_array_equal(at(held, place), model(seed).dense.kernel[...])
    with pytest.raises(ValueError, match=r"^other: has 4 classes; accepted: as many as model, 3$"):
        explorer_page(model(1), IMAGES, CLASSES, other=("y", build("mlp", SHAPE, 4)))


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_it_stands_in_the_window_and_can_be_read(browser_page: OpenPage, scheme: str) -> None:
    size = {"width": 1280, "height": 800}
    page = browser_page(made("same"), COMPARE, color_scheme=scheme, viewport=size)
    for selector in (".cmp-networks", ".cmp-classes"):
        area = page.locator(selector).bounding_box()
        assert area is not None
        assert area["x"] + area["width"] <= 1280
        assert area["y"] + area["height"] <= 800
    found: list[tuple[float, str]] = page.evaluate(CONTRASTS)
    assert len(found) > 30
    assert [text for ratio, text in found if ratio < 4.5] == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_both_languages_have_the_words(browser_page: OpenPage) -> None:
    tables = word_tables(browser_page, "compare_words.js", "compareWords")
    text = "".join(file.read_text(encoding="utf-8") for file in PAGE.glob("*.js"))
    assert [key for key in tables["en"] if not re.search(rf"\.{key}\b", text)] == []
