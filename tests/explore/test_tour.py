"""The guided tour: complete in both languages, by address and by keys; its numbers and tasks."""

import json
import re
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from tests.explore.scripts import joined_files
from tests.explore.small import OpenPage
from tests.explore.tour_models import DONE, MODELS, Toured, fact, show, solve, toured

CONTRASTS = (Path(__file__).parent / "contrasts.js").read_text(encoding="utf-8")
CONV = ["numbers", "network", "filter", "position", "bias", "activation", "channels", "field"]
REST = ["flatten", "dense", "softmax", "classes", "why"]
LAST = ["weight", "draw", "training"]
STOPS = {
    "conv4": [*CONV, "padding", "stride", "pool", *REST, "dropout", *LAST],
    "rgb": ["numbers", "colours", *CONV[1:], "stride", "pool", *REST, *LAST],
    "mlp": ["numbers", "network", "activation", *REST, "dropout", *LAST],
}
# The stop, its title, the whole text with hints, how many marks are seen, whether it is done.
CARD = """() => ({
  stop: document.querySelector("#tour").dataset.stop,
  title: document.querySelector("#tour h2").textContent,
  text: document.querySelector("#tour .tour-text").textContent,
  marks: [...document.querySelectorAll(".tour-mark")].filter((e) => e.checkVisibility()).length,
  tasks: document.querySelectorAll("#tour .tour-task").length,
  done: document.querySelectorAll("#tour .tour-done:not([hidden])").length,
})"""
JAPANESE = re.compile("[\u3040-\u30ff\u4e00-\u9fff]")


@pytest.mark.parametrize(
    "name",
    [n if n == "rgb" else pytest.param(n, marks=pytest.mark.slow) for n in MODELS],
)
def test_every_stop_by_address_with_its_numbers_and_task(browser_page: OpenPage, name: str) -> None:
    """In one pass: a stop costs 0.1 s. No task is done before it is solved; each can be solved."""
    model = toured(name)
    page = browser_page(model.html, "#tour=1")
    count = page.locator('[data-tour="stops"] option').count()
    stops: list[str] = []
    for number in range(1, count + 1):
        show(page, f"#tour={number}&picture=0&lang={'ja' if number % 2 else 'en'}")
        card = page.evaluate(CARD)
        stop = card["stop"]
        stops.append(stop)
        assert bool(JAPANESE.search(card["title"])) == bool(number % 2), stop
        assert bool(JAPANESE.search(card["text"])) == bool(number % 2), stop
        assert "undefined" not in card["text"], stop
        assert "{" not in card["text"], stop
        assert card["marks"] > 0, stop
        assert (card["tasks"], card["done"]) == (1, 0), stop
        facts = _facts(model, stop) if name in STOPS else {}
        for fact_name, wanted in facts.items():
            assert fact(page, fact_name) == pytest.approx(wanted, rel=2e-4, abs=1e-5), (
                stop,
                fact_name,
            )
        solve(page, model, stop)
        assert page.locator(DONE).count() == 1, stop
        assert page.locator("#tour .tour-hint:not([hidden])").count() == 0
    if name in STOPS:
        assert stops == STOPS[name]
    else:
        assert {"join", "filter", "dense"} <= set(stops)
    assert (12 if "pool" in stops else 10) <= len(stops) <= 20


def test_what_is_changed_at_a_stop_is_undone_at_the_next(browser_page: OpenPage) -> None:
    model = toured("conv4")
    page = browser_page(model.html, "#tour=5")
    before = page.locator("#prediction .numeral").get_attribute("data-value")
    solve(page, model, "bias")
    assert page.locator("#prediction .numeral").get_attribute("data-value") != before
    page.locator('[data-tour="next"]').click()
    assert page.locator("#prediction .numeral").get_attribute("data-value") == before
    assert page.locator('[data-tool="reset"]').is_hidden()


def test_hints_after_wrong_tries(browser_page: OpenPage) -> None:
    model = toured("conv4")
    page = browser_page(model.html, "#tour=13")
    hints = "#tour .tour-hint:not([hidden])"
    assert page.locator(hints).count() == 0
    worst = int(np.argmin(model.outputs()[-2]))
    show(page, f"#layer={model.logits}&unit={worst}")
    page.wait_for_selector(hints)
    first = page.locator(hints).text_content() or ""
    show(page, f"#layer={model.logits}&unit={int(np.argmax(model.outputs()[-2]))}")
    page.wait_for_function(
        "([at, text]) => document.querySelector(at).textContent !== text", arg=[hints, first]
    )
    assert page.locator(hints).count() == 1
    assert page.locator('[data-tour="next"]').is_enabled()  # a task never blocks the way
    solve(page, model, "dense")
    assert page.locator(DONE).count() == 1


def _facts(model: Toured, stop: str) -> dict[str, float]:
    """Numbers of a caption where the tour enters a stop, by JAX."""
    y = model.outputs()
    logits, shares = y[-2], y[-1]
    best = int(np.argmax(shares))
    if stop == "numbers":
        return {"least": y[0].min(), "most": y[0].max(), "count": y[0].size, "high": y[0].shape[0]}
    if stop == "colours":
        return dict(zip(("red", "green", "blue"), y[0].mean((0, 1)), strict=True))
    if stop == "network":
        count = sum(a.size for layer in model.layers for a in layer.arrays.values())
        return {"parameters": count, "layers": len(model.layers), "score": shares[best]}
    if stop in ("position", "bias"):
        conv = model.first("conv")
        unit = np.unravel_index(np.argmax(y[conv + 1]), y[conv + 1].shape)
        bias = float(model.layers[conv].arrays["bias"][unit[-1]])
        result = float(y[conv + 1][unit])
        found = {"result": result, "sum": result - bias}
        return found | ({"bias": bias} if stop == "bias" else {})
    if stop == "activation":
        layer = model.first("activation")
        x = y[model.layers[layer].inputs[0]]
        return {"x": x.max(), "y": y[layer + 1].ravel()[np.argmax(x)], "negative": (x < 0).sum()}
    if stop == "pool":
        pool = model.first("max_pool")
        channel = int(np.argmax(y[pool + 1].max((0, 1))))
        return {"result": y[pool + 1][..., channel].min(), "from": y[pool].size}
    if stop == "dense":
        return {"logit": logits[best], "inputs": model.layers[model.logits].in_shape[0]}
    if stop == "softmax":
        return {"probability": shares[best], "sum": np.exp(logits - logits.max()).sum(), "total": 1}
    if stop == "weight":
        second = int(np.argsort(logits)[-2])
        return {"own": shares[second], "gap": logits[best] - logits[second]}
    if stop == "training":
        label = 0 if model is toured("conv4") else best
        return {"probability": shares[label], "loss": -np.log(shares[label])}
    return {}


def test_captions_follow_the_picture(browser_page: OpenPage) -> None:
    model = toured("conv4")
    page = browser_page(model.html, "#tour=14")
    for picture in (1, 2):
        page.locator(".thumb").nth(picture).click()
        layer_unit = int(np.argmax(model.outputs()[-1]))
        wanted = model.outputs(picture)[-1][layer_unit]
        assert fact(page, "probability") == pytest.approx(wanted, rel=1e-4)


@pytest.mark.slow
def test_keys(browser_page: OpenPage) -> None:
    """A presenter's keys always; the arrows only where they have no other meaning."""
    model = toured("conv4")
    page = browser_page(model.html, "#tour=1")
    for wanted in STOPS["conv4"][1:]:
        page.keyboard.press("PageDown")
        assert page.evaluate(CARD)["stop"] == wanted
    page.keyboard.press("PageDown")  # there is no further one
    assert page.evaluate(CARD)["stop"] == "training"
    page.keyboard.press("PageUp")
    assert page.evaluate(CARD)["stop"] == "draw"
    show(page, "#tour=3")
    cells = page.locator(".column .cells").nth(1)
    cells.focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate(CARD)["stop"] == "filter"
    page.keyboard.press("PageDown")
    assert page.evaluate(CARD)["stop"] == "position"
    page.locator('[data-tour="next"]').focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate(CARD)["stop"] == "bias"
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(CARD)["stop"] == "position"


def test_an_address_with_a_selection_keeps_it(browser_page: OpenPage) -> None:
    page = browser_page(toured("conv4").html, "#layer=0&unit=5&view=network&tour=4&lang=en")
    assert page.evaluate(CARD)["stop"] == "position"
    assert "layer=0&unit=5&" in page.evaluate("location.hash")
    page.locator('[data-tour="close"]').click()
    assert page.locator("#tour").is_hidden()
    assert "tour=" not in page.evaluate("location.hash")
    assert page.locator(".tour-mark").count() == 0
    for address in ("#tour=99", "#tour=0", "#tour=x"):
        show(page, address)
    assert page.evaluate(CARD)["stop"] == "numbers"


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)])
def test_the_card_hides_nothing(browser_page: OpenPage, size: tuple[int, int]) -> None:
    """The network stands above it; on a phone everything can be scrolled above it."""
    viewport = {"width": size[0], "height": size[1]}
    page = browser_page(toured("conv4").html, "#tour=2", viewport=viewport)
    card = page.locator("#tour").bounding_box()
    assert card is not None
    assert page.evaluate("document.documentElement.scrollWidth") == size[0]
    if size[0] > 1000:
        bottoms = page.locator(".column").evaluate_all(
            "(all) => all.map((e) => e.getBoundingClientRect().bottom)"
        )
        assert max(bottoms) <= card["y"]
        assert card["height"] < 0.3 * size[1]
    else:
        assert card["height"] < 0.5 * size[1]
        page.evaluate("scrollTo(0, 1e6)")
        bottom = page.evaluate("document.querySelector('main').getBoundingClientRect().bottom")
        assert bottom <= card["y"] + 1
    page.locator('[data-tour="fold"]').click()
    assert page.locator("#tour").is_hidden()
    assert "tour=2" in page.evaluate("location.hash")
    page.locator('[data-guide="tour"]').click()
    assert page.locator("#tour").is_visible()


def test_the_glossary(browser_page: OpenPage) -> None:
    page = browser_page(toured("conv4").html, "#tour=3&lang=ja")
    page.locator('.term[data-term="map"]').click()
    assert (page.locator(".tour-meaning").text_content() or "").startswith("特徴マップ")
    page.locator('[data-tour="glossary"]').click()
    assert page.locator(".tour-glossary dt").count() >= 20
    assert page.locator(".tour-text").is_hidden()
    page.locator('[data-tour="glossary"]').click()
    assert page.locator(".tour-text").is_visible()


def test_both_languages_have_the_same_words(browser_page: OpenPage) -> None:
    names = "{ en: STOPS_EN, ja: STOPS_JA, words: tourWords, glossary: GLOSSARY }"
    files = ("tour_words_en.js", "tour_words_ja.js", "tour_words.js", "glossary_words.js")
    ready = f"globalThis.tables = {names}; document.body.dataset.ready = 'true';"
    page = browser_page(f"<body><script>{joined_files(*files)}; {ready}</script>")
    tables = json.loads(page.evaluate("JSON.stringify(tables)"))

    def paths(node: Any, at: str = "") -> list[str]:
        if isinstance(node, str):
            assert node.strip()
            return [at]
        pairs = node.items() if isinstance(node, dict) else enumerate(node)
        return [path for key, one in pairs for path in paths(one, f"{at}/{key}")]

    assert paths(tables["en"]) == paths(tables["ja"])
    assert paths(tables["words"]["en"]) == paths(tables["words"]["ja"])
    assert list(tables["glossary"]["en"]) == list(tables["glossary"]["ja"])
    for language in ("en", "ja"):
        for stop, words in tables[language].items():
            used, known = (
                set(re.findall(r"\{(\w+)\}", json.dumps(one)))
                for one in (words, tables["en"][stop])
            )
            assert used <= known, (language, stop)
        text = json.dumps(tables[language], ensure_ascii=False)
        linked = set(re.findall(r"\]\((\w+)\)", text))
        assert linked <= set(tables["glossary"][language])
        assert len(linked) > 18


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_every_text_of_the_card_can_be_read(
    browser_page: OpenPage, scheme: Literal["light", "dark"]
) -> None:
    page = browser_page(toured("conv4").html, "#tour=3", color_scheme=scheme)
    page.evaluate(
        "document.querySelectorAll('#tour [hidden]').forEach((e) => { e.hidden = false; })"
    )
    for address in ("", "#tour=10", "#tour=10&lecture=1", "#tour=2&lecture=1"):
        if address:
            show(page, address)
        found: list[tuple[float, str]] = page.evaluate(CONTRASTS)
        assert len(found) > 30
        assert [(round(ratio, 2), text) for ratio, text in found if ratio < 4.5] == []


@pytest.mark.parametrize(
    "motion", ["reduce", pytest.param("no-preference", marks=pytest.mark.slow)]
)
def test_scrolling_is_smooth_only_where_it_is_welcome(
    browser_page: OpenPage, motion: Literal["reduce", "no-preference"]
) -> None:
    """And happens only where nothing that a stop talks about is in sight."""
    viewport = {"width": 390, "height": 844}
    page = browser_page(toured("conv4").html, "#tour=1", reduced_motion=motion, viewport=viewport)
    page.evaluate(
        """() => {
          globalThis.scrolled = [];
          Element.prototype.scrollIntoView = function (how) { scrolled.push(how.behavior); };
          const far = document.createElement("div");
          far.style.height = "3000px";
          document.querySelector("main").append(far);
        }"""
    )
    page.keyboard.press("PageDown")
    page.evaluate("scrollTo(0, 3000)")
    page.evaluate("scrolled.length = 0")
    page.locator('[data-tour="back"]').click()
    wanted = ["auto"] if motion == "reduce" else ["smooth"]
    assert page.evaluate("scrolled") == wanted
    page.evaluate("scrollTo(0, 0)")
    page.evaluate("scrolled.length = 0")
    page.locator('[data-tour="next"]').click()
    assert page.evaluate("scrolled") == []
