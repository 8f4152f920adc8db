"""Common to all views: marks on rounded digits, the keyboard, words, text as text, widths."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.explore import layers_given as given
from tests.explore.layers_given import alike, numbers
from tests.explore.scripts import PAGE
from tests.explore.viewed import Layer, Viewed

SHAPE = [7, 6, 3]
CLASSES = ["<img src=x onerror=alert(1)>", "b", "c", "d"]
# Every view, one layer of its kind, on inputs of which some are short numbers.
VIEWS: dict[str, tuple[Layer, dict[str, Any]]] = {
    "im2col": (given.conv(2, True), {}),
    "max": (given.pool("max_pool"), {}),
    "average": (given.pool("average_pool"), {}),
    "relu": (alike("activation", SHAPE, function="relu"), {}),
    "gelu": (alike("activation", SHAPE, function="gelu"), {}),
    "flatten": (given.flatten(SHAPE), {}),
    "dense": (given.dense(126, 4), {}),
    "dropout": (alike("dropout", SHAPE, rate=0.3), {"dropoutTraining": True, "dropoutSeed": 3}),
    "norm": (given.batch_norm(SHAPE), {}),
    "softmax": (alike("softmax", [4]), {}),
    "add": (given.join("add", SHAPE), {}),
    "multiply": (given.join("multiply", SHAPE, numbers(9, 1, 1, 3)), {}),
    "divide": (given.join("divide", SHAPE, numbers(9, 1, 1, 1)), {}),
    "concatenate": (given.join("concatenate", SHAPE), {}),
    "zero pad": (given.zero_pad(), {}),
    "crop": (given.crop(), {}),
    "nearest": (given.upsample("nearest"), {}),
    "bilinear": (given.upsample("bilinear"), {}),
    "layer norm": (given.example_norm("layer_norm", SHAPE), {}),
    "group norm": (given.example_norm("group_norm", SHAPE, groups=3), {}),
    "transposed": (given.conv_transpose(), {}),
    "spatial dropout": (
        alike("spatial_dropout", SHAPE, rate=0.3),
        {"dropoutTraining": True, "dropoutSeed": 3},
    ),
    "depth": (
        alike("stochastic_depth", SHAPE, rate=0.3),
        {"dropoutTraining": True, "dropoutSeed": 3},
    ),
}
BY_KIND = (
    *("add", "multiply", "divide", "concatenate", "zero_pad", "crop", "upsample", "reshape"),
    *("layer_norm", "group_norm", "spatial_dropout", "stochastic_depth"),
)


@pytest.fixture
def view(open_view: Callable[..., Viewed]) -> Callable[..., Viewed]:
    def opened(name: str, **more: Any) -> Viewed:
        layer, state = VIEWS[name]
        x = numbers(30, *layer["in"])
        x = np.where(np.arange(x.size).reshape(x.shape) % 4 == 0, np.round(2 * x) / 2, x)
        return open_view([layer], x, classes=CLASSES, **state, **more)

    return opened


MINUS = "\u2212"

# Text, full number, whether a "≈" is drawn at the number, and the sign of its equation, if any.
MARKS = """(nodes) => nodes.map((node) => [
  node.textContent, node.dataset.value,
  getComputedStyle(node, "::before").content.includes("≈"),
  node.closest(".unit-equation")?.querySelector(".relation")?.textContent.trim() ?? "",
])"""


@pytest.mark.parametrize("name", VIEWS)
def test_its_marks_its_width_and_its_text(view: Callable[..., Viewed], name: str) -> None:
    """Both in one page: opening it takes as long as either."""
    shown = view(name)
    assert_rounded_numbers_are_marked_and_all_digits_are_all(shown, name)
    shown.page.set_viewport_size({"width": 390, "height": 800})
    shown.select(0)
    assert_it_fits_a_phone_and_its_text_is_text(shown)


def assert_rounded_numbers_are_marked_and_all_digits_are_all(shown: Viewed, name: str) -> None:
    marks, rounded = [], 0
    size = int(np.prod(VIEWS[name][0]["out"]))
    for unit in (0, 3, size // 2, size * 2 // 3):
        shown.select(unit)
        marks += shown.page.eval_on_selector_all("section [data-value]", MARKS)
    for text, full, marked, sign in marks:
        same = float(text.replace(MINUS, "-")) == float(full)
        assert same or marked or sign == "≈", (text, full)
        assert not (marked and (same or sign)), (text, full)
        rounded += not same
    assert rounded > 0
    assert len(marks) > rounded
    shown.change(exact=True)
    for text, full, marked, _ in shown.page.eval_on_selector_all("section [data-value]", MARKS):
        assert (text.replace(MINUS, "-"), marked) == (full, False)


def assert_it_fits_a_phone_and_its_text_is_text(shown: Viewed) -> None:
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    for language in ("en", "ja"):
        for exact in (False, True):
            shown.change(exact=exact, language=language)
            assert shown.page.evaluate(wide) == 0
        (text,) = shown.texts("section")
        assert (re.search("[ぁ-んァ-ン]", text) is not None) == (language == "ja")
        assert not re.search(r"undefined|null|NaN|\{\w+\}", text)
    assert shown.page.evaluate("document.images.length") == 0
    controls = "section button, section input"
    named = "(nodes) => nodes.filter((n) => !(n.labels?.[0]?.innerText ?? n.innerText).trim())"
    assert shown.page.eval_on_selector_all(controls, named) == []


def test_the_keyboard_alone(view: Callable[..., Viewed]) -> None:
    shown = view("dense")
    keys = shown.page.keyboard

    def focused() -> str:
        return str(shown.page.evaluate("document.activeElement.dataset.key ?? ''"))

    def tab_to(key: str) -> None:
        for _ in range(20):
            keys.press("Tab")
            if focused() == key:
                return
        raise AssertionError(f"Tab never came to {key}")

    tab_to("out-unit")
    keys.press("ArrowUp")
    assert (shown.state("selected.unit"), focused()) == (1, "out-unit")
    keys.press("ArrowUp")
    assert (shown.state("selected.unit"), focused()) == (2, "out-unit")
    tab_to("sort-order")
    keys.press("Enter")
    assert (shown.state("termOrder"), focused()) == ("order", "sort-order")
    tab_to("page-next")
    for page in (1, 2, 3, 4, 5, 6, 6):
        keys.press("Enter")
        assert (shown.state("termPage"), focused()) == (page, "page-next")
    assert "121\u2013126" in shown.texts(".view-page")[0]


def test_a_typed_place_stays_inside(view: Callable[..., Viewed]) -> None:
    shown = view("max")
    for typed, unit in [("9", 3 * 18), ("-4", 0), ("1.6", 2 * 18), ("", 0)]:
        shown.page.fill("[data-key=out-row]", typed)
        shown.page.press("[data-key=out-row]", "Enter")
        assert shown.state("selected.unit") == unit


def test_both_languages_have_every_word(view: Callable[..., Viewed]) -> None:
    shown = view("max").page
    words, more = (shown.evaluate(f"explorer.{name}") for name in ("viewWords", "graphWords"))
    assert not words["en"].keys() & more["en"].keys()
    words = {language: words[language] | more[language] for language in ("en", "ja")}
    assert words["en"].keys() == words["ja"].keys()
    for key, english in words["en"].items():
        gaps = [sorted(re.findall(r"\{\w+\}", words[of][key])) for of in ("en", "ja")]
        assert gaps[0] == gaps[1], key
        assert english
        assert words["ja"][key]
    used = {
        key
        for file in PAGE.glob("*.js")
        for key in re.findall(r"\b(?:text|general|graph)\.(\w+)", file.read_text(encoding="utf-8"))
        if re.search(r"(view|graph)_words\.js", file.read_text(encoding="utf-8"))
    }
    of_kinds = {f"{kind}{part}" for kind in BY_KIND for part in ("Title", "Intro")}
    of_kinds |= {"nearestIntro", "bilinearIntro"}
    assert used | of_kinds - {"upsampleIntro"} == words["en"].keys()
