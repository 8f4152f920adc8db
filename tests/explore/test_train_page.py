"""The page "Train" in a browser: steps, accuracy, drawings, workers, keys, words and looks."""

import re
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from playwright.sync_api import Page, Position, ViewportSize

from jcnn import ops
from jcnn.data import digits
from jcnn.explore import page as explorer_page
from jcnn.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D, Sequential
from tests.explore.scripts import PAGE
from tests.explore.small import TIMES, OpenPage, word_tables
from tests.explore.test_looks import CONTRASTS

VIEW = "#view=train&lang=en"
DESKTOP: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 390, "height": 844}
TRAIN, TEST = digits()
COUNT = 200


def model(rate: float = 0.0) -> Sequential:
    rngs = nnx.Rngs(3)
    drops = [Dropout(rate, rngs=rngs)] if rate else []
    return Sequential(
        [
            Conv2D(1, 6, activation=ops.relu, rngs=rngs),
            MaxPooling2D(),
            Flatten(),
            *drops,
            Dense(96, 10, rngs=rngs),
        ]
    )


def html(rate: float = 0.0, count: int = COUNT) -> str:
    learned = np.asarray(TRAIN.images[:count]), [int(label) for label in TRAIN.labels[:count]]
    images, labels = learned[0][:4], learned[1][:4]
    names = TRAIN.class_names
    return explorer_page(model(rate), images, names, labels=labels, learn=learned).html


@pytest.fixture(scope="module")
def made() -> str:
    return html()


def press(page: Page, key: str) -> None:
    page.locator(f'#train [data-key="{key}"]').click()


def choose(page: Page, key: str, value: str) -> None:
    page.locator(f'#train [data-key="{key}"]').select_option(value)


def wait_for(page: Page, words: str) -> None:
    """Until the line of progress contains these words."""
    page.wait_for_function(
        "(words) => document.querySelector('.train-go').innerText.includes(words)", arg=words
    )


@pytest.mark.parametrize("optimizer", [pytest.param("sgd", marks=pytest.mark.slow), "adam"])
def test_steps_are_those_of_jcnns_own_model(browser_page: OpenPage, optimizer: str) -> None:
    """Gradients and weights in float32 to 1e-5; an epoch is one batch, so its order is all one."""
    page = browser_page(html(count=40), VIEW)
    choose(page, "optimizer", optimizer)
    rate = {"sgd": 0.1, "adam": 0.01}[optimizer]
    choose(page, "rate", str(rate))
    page.locator('[data-key="filters"]').focus()
    rule = optax.sgd(rate) if optimizer == "sgd" else optax.adam(rate)
    module = model()
    params: Any
    graph, params = nnx.split(module, nnx.Param)
    state = rule.init(params)
    x, labels = jnp.asarray(TRAIN.images[:32]) / 255, jnp.asarray(TRAIN.labels[:32])

    @jax.jit
    def gradients(params: Any) -> Any:
        def loss(params: Any) -> Any:
            scores = nnx.merge(graph, params)(x)
            return optax.softmax_cross_entropy_with_integer_labels(scores, labels).mean()

        return jax.grad(loss)(params)

    place = [1, 1, 0, 0]
    for step, key in enumerate(["PageDown", "ArrowDown", "ArrowRight"]):
        page.keyboard.press(key)
        place[{"PageDown": 3, "ArrowDown": 0, "ArrowRight": 1}[key]] += 1
        where = f"filter {place[3]}, row {place[0]}, column {place[1]}"
        assert page.locator("#announce").inner_text() == where
        press(page, "step")
        wait_for(page, f"steps {step + 1}; 32 of 32")
        page.locator('[data-key="filters"]').focus()
        before = np.asarray(params["conv2d"]["kernel"][...])[tuple(place)]
        moved = gradients(params)
        gradient = np.asarray(moved["conv2d"]["kernel"][...])[tuple(place)]
        updates, state = rule.update(moved, state)
        params = jax.tree.map(jnp.add, params, updates)
        after = np.asarray(params["conv2d"]["kernel"][...])[tuple(place)]
        assert shown(page, "gradient") == pytest.approx([gradient], rel=1e-5, abs=3e-6)
        assert shown(page, "before")[:1] == pytest.approx([before], rel=1e-5)
        assert shown(page, "before")[-1:] == pytest.approx([after], rel=1e-5)


def shown(page: Page, line: str) -> list[float]:
    """The numbers of a line of the weight's card: of the gradient's mean, or of the last one."""
    lines = page.locator(".train-weight .unit-equation")
    index = {"gradient": 1, "before": lines.count() - 1}[line]
    found = [
        float(value)
        for value in lines.nth(index)
        .locator(".numeral")
        .evaluate_all("(all) => all.map((e) => e.dataset.value)")
    ]
    return found[-1:] if line == "gradient" else found


def test_digits_are_learned_in_a_worker(made: str, browser_page: OpenPage) -> None:
    """From random weights to 85 percent of the held-out pictures, seen on the network's page."""
    page = browser_page(made, VIEW)
    choose(page, "from", "he_normal")
    choose(page, "rate", "0.01")
    choose(page, "batch", "16")
    press(page, "anew")
    press(page, "start")
    page.wait_for_function(
        "() => Number(document.querySelectorAll('.train-key b')[2].textContent) >= 0.85"
    )
    press(page, "start")
    page.wait_for_function(
        "() => document.querySelector('[data-key=start]').textContent === 'Start'"
    )
    assert "in a worker" in page.locator(".train-go").inner_text()
    assert "parameters changed" in page.locator("#badge").inner_text()
    page.locator("#pages button").first.click()
    assert page.locator("#overview").is_visible()
    right = 0
    for thumb in page.locator(".thumb").all():
        thumb.click()
        right += page.locator("#prediction .right").count()
    assert right >= 3


def draw(page: Page, *cells: tuple[int, int]) -> None:
    """Paint cells of the pad, which is cleared first."""
    pad = page.locator("#train .pad-frame")
    page.locator('#train [data-pen="clear"]').click()
    page.locator('#train [data-pen="size-1"]').click()
    area = pad.bounding_box()
    assert area is not None
    for row, column in cells:
        spot: Position = {
            "x": (column + 0.5) * area["width"] / 8,
            "y": (row + 0.5) * area["height"] / 8,
        }
        pad.click(position=spot)


COLUMN = [(row, 3) for row in range(8)]
ROW = [(4, column) for column in range(8)]


@pytest.mark.slow
def test_own_drawings_are_learned(made: str, browser_page: OpenPage) -> None:
    page = browser_page(made, VIEW)
    choose(page, "use", "drawn")
    press(page, "step")
    assert "There are no drawings to learn" in page.locator("#train .refused").inner_text()
    for label, cells in (("1", COLUMN), ("7", ROW), ("7", ROW[1:])):
        draw(page, *cells)
        choose(page, "class", label)
        press(page, "add")
    assert page.locator(".train-counts").inner_text() == f"3 added: 1 {TIMES} 1, 7 {TIMES} 2"
    options = page.locator('[data-key="use"] option').all_inner_texts()
    assert options == ["packed (160)", "all (163)", "drawn (3)"]
    choose(page, "rate", "0.03")
    press(page, "start")
    page.wait_for_function(
        "() => Number(document.querySelector('.train-key b').textContent.split('e')[0]) < 0.01"
        " || document.querySelector('.train-key b').textContent.includes('e')"
    )
    press(page, "start")
    assert page.locator("#train .refused").is_hidden()
    assert "of 3 pictures" in page.locator(".train-go").inner_text()
    # At once: a report that was on its way replaces the list.
    names = page.locator(".train-batch li").evaluate_all("(all) => all.map((e) => e.title)")
    assert sorted(name[:11] for name in names) == ["1, taken fo", "7, taken fo", "7, taken fo"]
    draw(page, *COLUMN)
    page.wait_for_function("() => document.querySelector('#prediction b').textContent === '1'")
    draw(page, *ROW)
    page.wait_for_function("() => document.querySelector('#prediction b').textContent === '7'")
    press(page, "clear-drawn")
    assert page.locator(".train-counts").inner_text() == "None added yet."
    press(page, "epoch")
    assert "There are no drawings to learn" in page.locator("#train .refused").inner_text()


def test_all_pictures_are_packed_and_drawn_ones(browser_page: OpenPage) -> None:
    page = browser_page(html(count=10), VIEW)
    draw(page, *COLUMN)
    press(page, "add")
    choose(page, "use", "both")
    press(page, "step")
    wait_for(page, "steps 1; 9 of 9")
    assert page.locator(".train-batch li").count() == 9


@pytest.mark.parametrize("refusal", ["none", pytest.param("policy", marks=pytest.mark.slow)])
def test_without_workers_it_runs_in_the_page(
    browser_page: OpenPage, new_tab: OpenPage, made: str, refusal: str, tmp_path: Path
) -> None:
    """Where the browser has none, and where a policy (of a notebook) refuses them."""
    file = tmp_path / "refused.html"
    file.write_text(made.replace("worker-src blob:; ", "") if refusal == "policy" else made)
    page = new_tab(alone=True)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    if refusal == "none":
        page.add_init_script("delete globalThis.Worker")
    page.goto(file.as_uri() + VIEW)
    page.wait_for_selector("body[data-ready=true]")
    choose(page, "batch", "128")
    press(page, "epoch")
    wait_for(page, "160 of 160 pictures of this epoch")
    wait_for(page, "in the page itself, since this browser refuses workers")
    assert errors == []


@pytest.mark.slow
def test_it_starts_anew_in_the_page_where_its_worker_fails(
    new_tab: OpenPage, made: str, tmp_path: Path
) -> None:
    file = tmp_path / "failing.html"
    file.write_text(made)
    page = new_tab(alone=True)
    page.add_init_script(
        "const Real = Worker; globalThis.Worker = class extends Real {"
        "constructor(...all) { super(...all); globalThis.failing = this; } };"
    )
    page.goto(file.as_uri() + VIEW)
    page.wait_for_selector("body[data-ready=true]")
    value = "() => document.querySelector('.train-weight .numeral').dataset.value"
    own = page.evaluate(value)
    press(page, "epoch")
    wait_for(page, "160 of 160 pictures of this epoch")
    assert page.evaluate(value) != own
    page.evaluate("failing.dispatchEvent(new ErrorEvent('error', { cancelable: true }))")
    wait_for(page, "steps 0;")
    assert page.evaluate(value) == own
    press(page, "epoch")
    wait_for(page, "160 of 160 pictures of this epoch")
    wait_for(page, "in the page itself")
    assert page.evaluate(value) != own


def test_another_start_gives_other_weights_and_the_same_seed_the_same(
    made: str, browser_page: OpenPage
) -> None:
    page = browser_page(made, VIEW)
    value = "() => document.querySelector('.train-weight .numeral').dataset.value"
    own = page.evaluate(value)

    def start(kind: str, seed: int) -> str:
        choose(page, "from", kind)
        page.locator('[data-key="seed"]').fill(str(seed))
        before = page.evaluate(value)
        press(page, "anew")
        page.wait_for_function(
            "(before) => document.querySelector('.train-weight .numeral').dataset.value !== before",
            arg=before,
        )
        return str(page.evaluate(value))

    first, second = start("glorot_uniform", 1), start("glorot_uniform", 2)
    again = start("glorot_uniform", 1)
    assert again == first
    assert len({own, first, second, start("he_uniform", 1)}) == 4
    assert start("own", 3) == own


def test_a_reset_of_the_page_starts_anew(made: str, browser_page: OpenPage) -> None:
    page = browser_page(made, VIEW)
    press(page, "start")
    page.wait_for_function("() => document.querySelector('#badge').innerText.includes('changed')")
    page.locator("#pages button").first.click()
    page.locator('[data-tool="reset"]').click()
    page.locator('[data-tool="reset"]').wait_for(state="hidden")
    page.wait_for_function("() => document.querySelector('#badge').innerText.includes('same')")
    page.locator("#pages button").nth(2).click()
    wait_for(page, "steps 0;")
    assert page.locator('[data-key="start"]').inner_text() == "Start"
    page.locator("#pages button").first.click()
    assert "same" in page.locator("#badge").inner_text()


def test_the_weights_of_dense_units_are_pictures(browser_page: OpenPage) -> None:
    rngs = nnx.Rngs(0)
    dense = Sequential([Flatten(), Dense(64, 40, rngs=rngs), Dense(40, 10, rngs=rngs)])
    learned = np.asarray(TRAIN.images[:20]), [int(label) for label in TRAIN.labels[:20]]
    page = browser_page(
        explorer_page(dense, learned[0][:1], TRAIN.class_names, learn=learned).html, VIEW
    )
    assert "a picture for each unit (32 of 40)" in page.locator("#train").inner_text()
    cell = page.locator(".train-filters .map-frame").nth(5)
    area = cell.bounding_box()
    assert area is not None
    cell.click(position={"x": 2.5 / 8 * area["width"], "y": 6.5 / 8 * area["height"]})
    assert "unit 5, input row 6, column 2, channel 0" in page.locator(".train-weight").inner_text()
    kernel = np.asarray(dense.dense.kernel[...])
    found = page.locator(".train-weight .numeral").first.get_attribute("data-value") or ""
    assert float(found) == pytest.approx(kernel[6 * 8 + 2, 5], rel=1e-6)


@pytest.mark.slow
def test_it_goes_on_while_the_language_changes(browser_page: OpenPage) -> None:
    page = browser_page(html(rate=0.3), VIEW)
    press(page, "start")
    wait_for(page, "in a worker")
    page.locator('[data-control="language"]').select_option("ja")
    wait_for(page, "ワーカーで計算")
    before = page.locator(".train-go").inner_text()
    page.wait_for_function(
        "(before) => document.querySelector('.train-go').innerText !== before", arg=before
    )
    press(page, "start")
    assert page.locator('[data-key="start"]').inner_text() == "開始"


def test_a_page_without_pictures_to_learn_has_no_such_view(browser_page: OpenPage) -> None:
    plain = explorer_page(model(), np.asarray(TEST.images[:1]), TRAIN.class_names).html
    assert "worker-src" not in plain
    page = browser_page(plain, VIEW)
    buttons = page.locator("#pages button:visible").all_inner_texts()
    assert buttons == ["Network", "What matters", "Playground"]
    assert page.locator("#network-view").is_visible()


def test_the_policy_stays_strict(made: str) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', made)
    assert policy is not None
    parts = dict(part.strip().split(" ", 1) for part in policy[1].split(";"))
    assert parts["worker-src"] == "blob:"
    assert parts["default-src"] == "'none'"
    assert re.fullmatch(r"'sha256-[^' ]+'", parts["script-src"])
    assert "unsafe" not in policy[1]


@pytest.mark.parametrize(
    ("scheme", "locale"), [("light", "ja"), pytest.param("dark", "en", marks=pytest.mark.slow)]
)
def test_it_fits_the_screen_and_can_be_read(
    made: str, browser_page: OpenPage, scheme: Literal["light", "dark"], locale: str
) -> None:
    address = VIEW.replace("en", locale) if locale == "ja" else VIEW
    page = browser_page(made, address, viewport=DESKTOP, color_scheme=scheme)
    choose(page, "batch", "64")
    press(page, "step")
    page.locator(".train-batch li").nth(31).wait_for()
    bottoms = page.locator(".train-grid > div").evaluate_all(
        "(all) => all.map((e) => e.getBoundingClientRect().bottom)"
    )
    assert max(bottoms) <= 800
    assert page.evaluate("document.documentElement.scrollWidth") == 1280
    found: list[tuple[float, str]] = page.evaluate(CONTRASTS)
    assert len(found) > 100
    assert [(round(ratio, 2), words) for ratio, words in found if ratio < 4.5] == []
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_both_languages_have_every_word(browser_page: OpenPage) -> None:
    tables = word_tables(browser_page, "train_words.js", "trainWords")
    text = "".join(file.read_text(encoding="utf-8") for file in PAGE.glob("train_*.js"))
    used = set(re.findall(r"\btext\.(\w+)", text))
    assert used <= set(tables["en"])
