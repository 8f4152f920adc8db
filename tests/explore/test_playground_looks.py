"""The playground by keys alone, in two languages, in light and dark, on a phone."""

import re
from typing import Any, Literal

import pytest
from playwright.sync_api import Page

from tests.explore.playground_browser import (
    choose,
    output_cell,
    playground,
    playground_tab,
    set_field,
)

tab = playground_tab
page = playground


def focused(page: Page) -> list[Any]:
    """The label of the grid with the focus, and the cell's row and column."""
    found: list[Any] = page.evaluate(
        "(active => [active.closest('[role=grid]')?.ariaLabel ?? active.name,"
        " Number(active.dataset.row), Number(active.dataset.column)])(document.activeElement)"
    )
    return found


def test_everything_is_reached_by_keys(page: Page) -> None:
    """One stop for Tab in each grid, arrows inside it, over the padding and at the border."""
    choose(page, "000_same")
    page.locator("[name=example]").focus()
    stops: list[str] = []
    while (stop := focused(page)[0]) != "play" and len(stops) < 30:
        stops.append(stop)
        page.keyboard.press("Tab")
    grids = ["Input", "Kernel", "Output"]
    assert [stop for stop in stops if stop in grids] == grids
    assert {"example", "operation", "channels", "size_0", "padding", "stride_1"} <= set(stops)

    page.keyboard.press("Shift+Tab")
    assert focused(page) == ["Output", 0, 0]
    for key, place in [
        ("ArrowRight", (0, 1)),
        ("ArrowDown", (1, 1)),
        ("End", (1, 4)),
        ("ArrowRight", (1, 4)),
        ("Home", (1, 0)),
        ("Control+End", (4, 4)),
        ("ArrowUp", (3, 4)),
        ("Enter", (4, 0)),
        ("Control+Home", (0, 0)),
        ("ArrowUp", (0, 0)),
        ("ArrowRight", (0, 1)),
    ]:
        page.keyboard.press(key)
        assert focused(page) == ["Output", *place], key
        heading = page.locator(".pg-working h3").text_content()
        assert heading == "Output ({}, {})".format(*place)
    label = page.evaluate("document.activeElement.ariaLabel")
    assert label == "row 0, column 1: 0"
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    assert focused(page) == ["Output", 0, 1]


def test_an_exercise_is_done_by_keys_alone(page: Page) -> None:
    choose(page, "000_exercise_valid")
    output_cell(page, 0, 0).focus()
    for text in "103020301":
        page.keyboard.type(text)
        page.keyboard.press("Enter")
    assert "9 of 9 right All right!" in page.evaluate("said.at(-1)")


def test_both_languages_say_everything(page: Page) -> None:
    words = page.evaluate("playgroundWords")
    assert words["en"].keys() == words["ja"].keys()
    for key, english in words["en"].items():
        japanese = words["ja"][key]
        assert english.strip() and japanese.strip()
        names = [sorted(set(re.findall(r"\{(\w+)\}", text))) for text in (english, japanese)]
        assert set(names[1]) <= set(names[0]), key
        if re.search("[a-z]", re.sub(r"\{\w+\}|valid|same", "", english)):
            assert re.search("[ぁ-んァ-ン一-龠]", japanese), key
    used = page.evaluate("EXAMPLES.concat(CALCULATIONS).map(({ id }) => id)")
    used += page.evaluate("EXAMPLES.filter((one) => one.note).map(({ id }) => `note_${id}`)")
    assert set(used) <= set(words["en"])


@pytest.mark.parametrize(
    ("scheme", "language"), [("light", "en"), pytest.param("dark", "ja", marks=pytest.mark.slow)]
)
def test_it_is_legible_and_fits_a_phone(
    page: Page, scheme: Literal["light", "dark"], language: str
) -> None:
    """Contrast of 4.5 to 1 for every text, nothing wider than 390 pixels, no word missing."""
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 390, "height": 800})
    page.evaluate("language => draw({ language })", language)
    page.locator("summary").click()

    def look() -> None:
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert "undefined" not in page.locator("main").inner_text()
        faint = page.evaluate(_FAINT)
        assert faint["looked"] > 50
        assert faint["found"] == []

    choose(page, "003_same")
    output_cell(page, 0, 0).focus()
    look()
    page.locator(".pg-turn").click()
    for column, text in enumerate(["8", "15", "x"]):
        output_cell(page, 0, column).fill(text)
    page.locator("button[name=hint]").click()
    look()
    set_field(page, "stride_0", "0")
    look()


# Texts with less contrast than 4.5 to 1 against the first background that is not transparent.
_FAINT = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = (colour) => {
    const [r, g, b] = rgba(colour).map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (rgba(colour)[3] === 255) return colour;
    }
    return "white";
  };
  const found = [];
  let looked = 0;
  for (const element of document.querySelectorAll(".playground *")) {
    const text = element.value ?? [...element.childNodes].filter((n) => n.nodeType === 3)
      .map((n) => n.data).join("").trim();
    if (!text || !element.checkVisibility({ visibilityProperty: true })) continue;
    if (element.closest("optgroup, option, :disabled, [aria-hidden]")) continue;
    looked++;
    const [ink, paper] = [light(getComputedStyle(element).color), light(ground(element))];
    const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    if (ratio < 4.5) found.push(`${element.className}: ${text}`);
  }
  return { looked, found };
}"""
