"""A page over the epochs of a training: network, curves and confusion move together."""

import re

import numpy as np
import pytest
from playwright.sync_api import Page, ViewportSize

from tests.explore.epochs_made import (
    ACCURACY,
    CONFUSION,
    EPOCHS,
    TEST_LOSS,
    at_epoch,
    epochs_page,
    weights,
)
from tests.explore.scripts import PAGE, joined_files
from tests.explore.small import SPLIT, OpenPage, numbers, word_tables
from tests.explore.test_looks import CONTRASTS

SLIDER = '[data-key="epoch"]'
PLAY = '[data-key="play-epochs"]'


def assert_shows(page: Page, place: int, picture: int = 0) -> None:
    """The probabilities, the label, the counts and the tests' curves of an epoch."""
    shown = numbers(page, ".cells.bars >> nth=-1 >> .numeral")
    np.testing.assert_allclose(shown, at_epoch(place, picture)[-1], rtol=1e-12)
    text = "Before training" if place == 0 else f"Epoch {EPOCHS[place]} of 5"
    assert page.locator("#epochs h2").inner_text() == text
    assert page.locator(SLIDER).get_attribute("aria-valuetext") == text
    counts = page.locator(".confusion tbody td").evaluate_all(
        "(a) => a.map((e) => e.dataset.count)"
    )
    assert np.reshape(np.array(counts, int), (3, 3)).tolist() == CONFUSION[place].tolist()
    for name, values in (("loss", TEST_LOSS), ("accuracy", ACCURACY)):
        found = numbers(page, f'section[data-curve="{name}"] [data-curve="test"] .numeral')
        assert found == [values[place]]


def slide(page: Page, place: int) -> None:
    page.locator(SLIDER).fill(str(place))


def badge(page: Page, said: str) -> str:
    page.wait_for_function(
        "(said) => document.getElementById('badge').textContent.includes(said)", arg=said
    )
    return page.locator("#badge").get_attribute("data-verdict") or ""


def test_the_slider_moves_everything(browser_page: OpenPage) -> None:
    page = browser_page(epochs_page(), SPLIT)
    assert_shows(page, 2)
    assert badge(page, "6 of 6 layers compared with JAX: same") == "ok"
    for place in (0, 1, 2):
        slide(page, place)
        assert_shows(page, place)
    page.locator(".thumb").nth(1).click()
    slide(page, 1)
    assert_shows(page, 1, picture=1)
    assert badge(page, "2 of 6 layers compared with JAX: same; 4 not included") == "ok"
    train = numbers(page, 'section[data-curve="loss"] [data-curve="train"] .numeral')
    assert train == [0.9]
    assert page.locator('[data-curve="accuracy"] [data-curve="validation"]').count() == 0


def test_a_loss_that_is_missing_is_no_number(browser_page: OpenPage) -> None:
    page = browser_page(epochs_page(), SPLIT)
    slide(page, 0)  # before training there is none
    train = page.locator('section[data-curve="loss"] [data-curve="train"]')
    assert train.inner_text().endswith("\N{EN DASH}")
    points = page.locator('section[data-curve="loss"] .of-train polyline').get_attribute("points")
    assert points is not None
    assert len(points.split()) == 4  # of five epochs


def test_each_epoch_is_compared_with_its_own_numbers(browser_page: OpenPage) -> None:
    page = browser_page(epochs_page(wrong=1), SPLIT)
    slide(page, 1)
    assert badge(page, "2 of 6 layers compared with JAX: 2 different") == "bad"
    slide(page, 0)
    assert badge(page, "2 of 6 layers compared with JAX: same") == "ok"


def edit_kernel(page: Page, text: str) -> None:
    cell = page.locator("#detail .card:first-of-type .editable").first
    cell.dblclick()
    page.keyboard.type(text)
    page.keyboard.press("Enter")


def test_changes_by_hand_are_of_the_epoch_and_reset_goes_to_the_last(
    browser_page: OpenPage,
) -> None:
    page = browser_page(epochs_page(), f"{SPLIT}&epoch=2&layer=0&unit=0")
    reset = page.locator('[data-tool="reset"]')
    assert_shows(page, 1)
    assert reset.is_visible()  # it is not the last epoch
    first = page.locator("#detail .card:first-of-type .editable").first
    before = str(weights(1)["kernel"][0, 0, 0, 0])
    assert first.get_attribute("data-value") == before
    assert page.locator(".editable.changed").count() == 0
    edit_kernel(page, "7")
    badge(page, "parameters changed")
    assert page.locator(".editable.changed").count() == 1
    edit_kernel(page, before)  # undone by hand: comparable again
    assert badge(page, "2 of 6 layers compared with JAX: same") == "ok"
    edit_kernel(page, "7")
    slide(page, 0)
    assert_shows(page, 0)
    assert badge(page, "2 of 6 layers compared with JAX: same") == "ok"
    slide(page, 1)
    assert_shows(page, 1)  # the change is forgotten
    edit_kernel(page, "7")
    reset.click()
    assert_shows(page, 2)
    assert badge(page, "6 of 6 layers compared with JAX: same") == "ok"
    assert reset.is_hidden()


def test_the_epoch_is_in_the_address(browser_page: OpenPage) -> None:
    page = browser_page(epochs_page(), f"{SPLIT}&epoch=0&picture=1")
    assert_shows(page, 0, picture=1)
    slide(page, 1)
    page.wait_for_function("location.hash.includes('epoch=2')")
    for nonsense in ("epoch=1", "epoch=x", "epoch=-2", "epoch="):
        page.evaluate("(hash) => { location.hash = hash; }", nonsense)
        page.wait_for_function("() => location.hash.includes('epoch=2')")
        assert_shows(page, 1, picture=1)
    page.evaluate("() => { location.hash = 'epoch=5&picture=0'; }")
    page.wait_for_function("() => document.querySelector('#epochs h2').innerText.includes('5 of')")
    assert_shows(page, 2)


def test_play_goes_through_the_epochs(browser_page: OpenPage) -> None:
    page = browser_page(epochs_page(), SPLIT, alone=True)
    page.clock.install()
    page.clock.pause_at(page.evaluate("Date.now() + 1000"))
    page.locator(PLAY).click()
    assert page.locator(PLAY).inner_text() == "Pause"
    assert_shows(page, 0)
    page.clock.run_for(1900)
    assert_shows(page, 0)
    page.clock.run_for(200)
    assert_shows(page, 1)
    page.locator(SLIDER).focus()
    page.keyboard.press(" ")
    assert page.locator(PLAY).inner_text() == "Play"
    page.clock.run_for(5000)
    assert_shows(page, 1)
    page.keyboard.press(" ")
    page.clock.run_for(2100)
    assert_shows(page, 2)
    assert page.locator(PLAY).inner_text() == "Play"
    assert page.locator("#announce").inner_text() == "Epoch 5 of 5"
    page.locator(PLAY).click()  # from the start again
    page.locator(SLIDER).press("End")  # the reader takes over
    page.clock.run_for(5000)
    assert_shows(page, 2)


def test_a_click_on_a_curve_and_the_kernels(browser_page: OpenPage) -> None:
    page = browser_page(epochs_page(), SPLIT)
    area = page.locator(".epoch-curve").first.bounding_box()
    assert area is not None
    page.locator(".epoch-curve").first.click(position={"x": area["width"] * 0.45, "y": 20})
    assert_shows(page, 1)
    largest = max(abs(weights(e)["kernel"]).max() for e in range(3))
    figure = page.locator(".epoch-kernels")
    assert float(figure.get_attribute("data-range") or 0) == pytest.approx(largest)
    assert figure.locator("canvas").count() == 4 * 3


def test_the_channels_shown_stay_the_same_over_the_epochs(browser_page: OpenPage) -> None:
    """Otherwise one could not follow a map. Another picture may have others."""
    source = joined_files("channels.js")
    script = f"{source}; globalThis.ready = channelsShown; document.body.dataset.ready = 'true';"
    page = browser_page(f"<body><script>{script}</script>")
    found = page.evaluate(
        """() => {
          const column = { index: 1, shape: [1, 1, 3] };
          const input = [0];
          const at = (epochs, x, values) =>
            [...ready(column, { network: { epochs }, outputs: [x, values] }, 2, null)];
          return [at({}, input, [3, 2, 1]), at({}, input, [1, 2, 3]), at({}, [0], [1, 2, 3]),
            at(undefined, input, [3, 2, 1])];
        }"""
    )
    assert found == [[0, 1], [0, 1], [1, 2], [0, 1]]


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_it_stands_beside_the_network_and_can_be_read(browser_page: OpenPage, scheme: str) -> None:
    window = {"width": 1280, "height": 800}
    page = browser_page(epochs_page(), color_scheme=scheme, viewport=window)
    slide(page, 1)
    network, panel = (page.locator(one).bounding_box() for one in ("#overview", "#epochs"))
    assert network is not None
    assert panel is not None
    assert network["x"] + network["width"] <= panel["x"]
    assert panel["y"] + panel["height"] <= 800
    assert page.locator("#overview").evaluate("(e) => e.scrollWidth <= e.clientWidth")
    found: list[tuple[float, str]] = page.evaluate(CONTRASTS)
    assert [text for ratio, text in found if ratio < 4.5] == []
    phone: ViewportSize = {"width": 390, "height": 844}
    page.set_viewport_size(phone)
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_both_languages_have_the_words(browser_page: OpenPage) -> None:
    tables = word_tables(browser_page, "epochs_words.js", "epochWords")
    text = "".join(file.read_text(encoding="utf-8") for file in PAGE.glob("*.js"))
    assert [key for key in tables["en"] if not re.search(rf'\.{key}\b|"{key}"', text)] == []
