"""The methods of the page "What matters": gradient, Grad-CAM and channels."""

import re
from decimal import Decimal

import numpy as np
import pytest
from playwright.sync_api import Page

from jcnn.explore import page as explorer_page
from jcnn.explore._network import network
from jcnn.graph import INPUT
from jcnn.models import build
from tests.explore.branches_made import made
from tests.explore.gradients_by_jax import by_jax
from tests.explore.models import shaken
from tests.explore.occlusion_reference import VIEW
from tests.explore.scripts import PAGE
from tests.explore.small import CLASSES, PICTURES, OpenPage, html, numbers, outputs, word_tables
from tests.explore.test_looks import CONTRASTS
from tests.explore.test_occlusion_view import pixels
from tests.explore.test_page import pictures

PHONE = {"width": 390, "height": 844}
MAP = '[data-key="map"]'


def go(page: Page, method: str) -> None:
    if page.locator(VIEW).count():
        page.locator(VIEW).click()
    page.locator(f'[data-key="method-{method}"]').click()


def choose(page: Page, key: str, value: int) -> None:
    page.locator(f'[data-key="{key}"]').select_option(str(value))


def test_the_gradient_is_that_of_jax(browser_page: OpenPage) -> None:
    _, residual = made("residual")
    page = browser_page(residual)
    go(page, "gradient")
    for unit in (0, 2):
        choose(page, "target", unit)
        wanted = by_jax("residual", unit)[INPUT]
        steepest = abs(wanted).max(-1)
        place = int(page.locator(".occ-result").get_attribute("data-place") or "")
        assert place == steepest.argmax()
        page.locator(MAP).focus()
        page.keyboard.press("ArrowUp")
        page.keyboard.press("ArrowLeft")
        row, column = max(0, place // 8 - 1), max(0, place % 8 - 1)
        shown = numbers(page, ".occ-result .numeral")
        np.testing.assert_allclose(shown, wanted[row, column], rtol=0, atol=1e-5 * steepest.max())
        said = page.locator("#announce").inner_text()
        assert said.startswith(f"Row {row}, column {column}: ")
        page.keyboard.press("Escape")
        assert page.locator(".occ-result").get_attribute("data-place") == str(place)
        ends = numbers(page, ".occ-legend .scale .numeral")
        assert ends == pytest.approx([-steepest.max(), 0, steepest.max()], rel=1e-5)


def test_gradcam_of_a_layer_and_a_class_is_that_of_jax(browser_page: OpenPage) -> None:
    found, residual = made("residual")
    names = [layer.name for layer in found.layers]
    image = pictures(1, 9, 8, 3)[0]
    page = browser_page(residual)
    go(page, "gradcam")
    values = found.outputs(image)
    assert page.locator('[data-key="maps"]').input_value() == str(names.index("add#2 relu") + 1)
    seen = 0
    for unit, name in ((0, "add#2 relu"), (1, "add#2 relu"), (2, "conv1")):
        choose(page, "target", unit)
        choose(page, "maps", names.index(name) + 1)
        weights = by_jax("residual", unit)[name].mean((0, 1))
        cam = np.maximum((values[names.index(name)] * weights).sum(-1), 0)
        shown = numbers(page, ".why-cards .numeral")
        wanted = sorted(weights, key=abs, reverse=True)
        np.testing.assert_allclose(shown, wanted, rtol=0, atol=1e-5 * abs(weights).max())
        (value,) = numbers(page, ".occ-result .numeral")
        ends = numbers(page, ".occ-legend .scale .numeral")
        assert ends == [0, value]
        assert value <= cam.max() * (1 + 1e-5)  # between the centres it is less
        assert (value > 0) == (cam.max() > 0)
        seen += value > 0
        # Each pixel has the colour of its value over its grey.
        legend = pixels(page, ".occ-legend canvas")[..., :3]
        drawn = pixels(page, f"{MAP} canvas")[..., :3]
        rows, columns = (int(v) for v in np.unravel_index(drawn[..., 2].argmin(), (9, 8)))
        greys = image[rows, columns].mean() / 255
        assert drawn.shape == (9, 8, 3)
        near = abs(legend[int(np.rint(15 * greys))].astype(int) - drawn[rows, columns]).max(-1)
        assert near.min() <= 9
    assert seen >= 1


def test_a_pixel_under_the_pointer(browser_page: OpenPage) -> None:
    page = browser_page(html())
    go(page, "gradcam")
    area = page.locator(MAP).bounding_box()
    assert area is not None
    page.locator(MAP).hover(position={"x": area["width"] * 5.5 / 7, "y": area["height"] * 2.5 / 6})
    assert page.locator(".occ-result").get_attribute("data-place") == str(2 * 7 + 5)
    assert page.locator(".occ-spot").get_attribute("d") == "M5 2h1v1h-1z"


def test_shares_of_channels_add_up_as_written(browser_page: OpenPage) -> None:
    """64 channels, of which 12 are shown at first; open all, then one in the network."""
    model = shaken(build("conv2pool", (12, 12, 1), 3))
    image = pictures(1, 12, 12, 1)
    page = browser_page(explorer_page(model, image, ["ant", "bee", "cat"]).html)
    go(page, "channels")
    found = network(model, (12, 12, 1))
    values = found.outputs(image[0])
    logits = found.layers[-1].inputs[0]
    maps = found.layers[logits - 1]
    x = values[[layer.name for layer in found.layers].index("max_pooling2d")]
    unit = 2
    choose(page, "target", unit)
    kernel = maps.arrays["kernel"][:, unit].reshape(x.shape)
    shares = (x * kernel).sum((0, 1), dtype=np.float64)
    order = np.argsort(-abs(shares), kind="stable")
    assert page.locator(".why-cards li").count() == 12
    shown = numbers(page, ".why-cards .numeral")
    np.testing.assert_allclose(shown, shares[order[:12]], rtol=1e-4)
    others, bias, logit = numbers(page, ".why-sum .numeral")
    assert bias == maps.arrays["bias"][unit]
    assert logit == pytest.approx(values[logits - 1][unit], rel=1e-5)
    assert sum(shown) + others + bias == pytest.approx(logit, rel=1e-12)

    def written() -> list[Decimal]:
        texts = page.locator(".why-cards .numeral, .why-sum .numeral").all_inner_texts()
        return [Decimal(text.replace("\N{MINUS SIGN}", "-")) for text in texts]

    *parts, total = written()
    assert sum(parts) == total
    assert page.locator(".why-sum dt").last.inner_text() == "= logit of cat"
    page.locator('[data-key="all-channels"]').click()
    assert page.locator(".why-cards li").count() == 64
    *parts, total = written()
    assert len(parts) == 64 + 1
    assert sum(parts) == total
    page.locator('[data-control="exact"]').check()
    assert re.search(r"\d{10}", page.locator(".why-cards").inner_text())

    page.locator(".why-thumb").first.click()
    assert page.locator("#detail h2").inner_text().startswith(f"max_pooling2d, channel {order[0]}")
    (value,) = numbers(page, "#detail .value .numeral")
    assert value == pytest.approx(x[..., order[0]].max(), rel=1e-5)


@pytest.mark.slow
def test_the_address_keeps_method_class_and_layer(browser_page: OpenPage) -> None:
    page = browser_page(html())
    go(page, "gradcam")
    choose(page, "target", 1)
    choose(page, "maps", 1)
    page.wait_for_function("location.hash.includes('maps=1')")
    hash_ = page.evaluate("location.hash")
    assert "view=occlusion&method=gradcam&class=1&maps=1" in hash_
    page.reload()
    page.wait_for_selector("body[data-ready=true]")
    assert page.locator(".why-body h2").inner_text() == "What matters: Grad-CAM"
    assert page.locator('[data-key="target"]').input_value() == "1"
    assert page.locator('[data-key="maps"]').input_value() == "1"
    for method in ("occlusion", "gradient", "channels"):  # the class is kept
        go(page, method)
        assert page.locator('[data-key="target"]').input_value() == "1"
        assert page.evaluate("document.activeElement.dataset.key") == f"method-{method}"
    for nonsense in ("method=xx", "class=99", "maps=99"):
        page.evaluate("(hash) => { location.hash = hash; }", f"view=occlusion&{nonsense}")
        page.wait_for_function("() => location.hash.includes('class=1&maps=1')")
        assert page.locator(".why-body h2").inner_text() == "What matters: channels"


@pytest.mark.slow
def test_another_picture_another_explanation(browser_page: OpenPage) -> None:
    page = browser_page(html())
    go(page, "channels")
    for picture in (0, 1):
        page.locator(".thumb").nth(picture).click()
        logits = outputs(picture)[-2]
        best = int(logits.argmax())
        assert numbers(page, '.why-sum [data-role="total"] .numeral') == pytest.approx(
            [logits[best]], rel=1e-12
        )
        text = page.locator('[data-key="target"] option:checked').inner_text()
        assert text == f"most probable: {CLASSES[best]}"
    assert PICTURES.shape[0] == 2


def test_networks_without_maps_or_shares_say_so(browser_page: OpenPage) -> None:
    model = build("mlp", (5, 4, 1), 3)
    page = browser_page(explorer_page(model, pictures(1, 5, 4, 1), ["a", "b", "c"]).html)
    go(page, "gradcam")
    assert "this network has none" in page.locator(".why-body").inner_text()
    go(page, "channels")  # the units of its hidden layer
    assert page.locator(".why-cards").inner_text().startswith("unit ")
    _, normalised = made("normalised")
    page = browser_page(normalised)
    go(page, "channels")
    assert "not the output of a dense layer" in page.locator(".why-body").inner_text()


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_the_channels_can_be_read_on_a_phone(browser_page: OpenPage, scheme: str) -> None:
    page = browser_page(made("residual")[1], color_scheme=scheme, viewport=PHONE)
    for language in ("en", "ja"):
        hash_ = f"view=occlusion&method=channels&lang={language}"
        page.evaluate("(hash) => { location.hash = hash; }", hash_)
        page.wait_for_function("(lang) => document.documentElement.lang === lang", arg=language)
        found: list[tuple[float, str]] = page.evaluate(CONTRASTS)
        assert len(found) > 30
        assert [text for ratio, text in found if ratio < 4.5] == []
        assert page.evaluate("document.documentElement.scrollWidth") == 390


@pytest.mark.parametrize(
    "method",
    [
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("occlusion", "gradient")),
        "gradcam",
    ],
)
def test_figure_class_and_bars_stand_in_one_window(browser_page: OpenPage, method: str) -> None:
    """Choices, map, legend, numbers and the bars of the channels; on a phone, nothing is cut."""
    _, residual = made("residual")
    page = browser_page(residual, f"#view=occlusion&method={method}")
    parts = ".why-body :is(figure, .occ-legend, .occ-choices, .occ-result, .why-channels)"
    for width, height in ((1280, 800), (1920, 1080)):
        page.set_viewport_size({"width": width, "height": height})
        boxes = page.locator(parts).evaluate_all(
            "(all) => all.map((e) => e.getBoundingClientRect()).map((r) => [r.right, r.bottom])"
        )
        assert len(boxes) == (6 if method == "gradcam" else 5)
        assert max(right for right, _ in boxes) <= width
        assert max(bottom for _, bottom in boxes) <= height
        map_, choices = (page.locator(one).bounding_box() for one in (MAP, ".occ-choices"))
        assert map_ is not None
        assert choices is not None
        assert map_["x"] >= choices["x"] + choices["width"]  # beside each other
        assert map_["width"] >= 330
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_both_languages_have_the_words(browser_page: OpenPage) -> None:
    tables = word_tables(browser_page, "why_words.js", "whyWords")
    for key, english in tables["en"].items():
        assert tables["ja"][key] and english
    used = {
        key
        for file in PAGE.glob("*.js")
        for key in re.findall(r"\bwhy\.(\w+)", file.read_text(encoding="utf-8"))
        if "why_words.js" in file.read_text(encoding="utf-8")
    }
    names = {f"{method}Name" for method in ("occlusion", "gradient", "gradcam", "channels")}
    direct = {"whyPixel"}
    assert used | names | direct == set(tables["en"])
