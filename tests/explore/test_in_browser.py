"""The page in a real browser: numbers are exact bit for bit, no injection, no requests."""

import base64
from html import escape
from typing import Any

import pytest
from playwright.sync_api import Browser, Route

from jcnn.explore import Page, page
from tests.explore.conftest import OpenPage
from tests.explore.models import OfFlax, drawn, of_every_layer
from tests.explore.scripts import joined_files
from tests.explore.test_page import HOSTILE, at, content_of, numbers_of, pictures

# The functions of the page are inside its module; this copy makes them callable.
UNPACK = joined_files("numbers.js")
READ = """
  const network = await unpack(document);
  const plain = ({ data, shape }) => ({ kind: data.constructor.name, data: [...data], shape });
  return {
    layers: network.layers.map(({ arrays }) =>
      Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, plain(array)]))),
    checks: network.checks.map(({ outputs }) => outputs.map((array) => array && plain(array))),
    pixels: network.pictures.map(({ pixels }) => [pixels.constructor.name, ...pixels]),
    classes: network.classes,
  };
"""


@pytest.fixture(scope="module")
def made() -> Page:
    """Every layer, hostile words, and one layer unchecked."""
    names = [HOSTILE, "b", "c", "d"]
    images = pictures(2, 12, 11, 3)
    return page(drawn(of_every_layer), images, names, names=[HOSTILE, "2"], title=HOSTILE)


def test_every_number_arrives_bit_for_bit(made: Page, browser_page: OpenPage) -> None:
    shown: dict[str, Any] = browser_page(made.html).evaluate(f"async () => {{ {UNPACK} {READ} }}")
    content, numbers = content_of(made), numbers_of(made)
    assert shown["classes"] == [HOSTILE, "b", "c", "d"]
    pairs = [
        (arrays[name], place)
        for arrays, layer in zip(shown["layers"], content["layers"], strict=True)
        for name, place in layer["arrays"].items()
    ]
    for outputs, check in zip(shown["checks"], content["checks"], strict=True):
        pairs += zip(outputs, check["outputs"], strict=True)
    for array, place in pairs:
        expected = at(numbers, place)
        assert (array["kind"], array["shape"]) == ("Float32Array", list(expected.shape))
        assert array["data"] == expected.ravel().tolist()
    assert len(pairs) == 15 + 2 * 17
    for pixels, image in zip(shown["pixels"], pictures_of(content), strict=True):
        assert pixels == ["Uint8Array", *image]


def pictures_of(content: dict[str, Any]) -> list[list[int]]:
    return [list(base64.b64decode(picture["pixels"])) for picture in content["pictures"]]


@pytest.mark.slow
def test_a_layer_without_a_check_is_null(
    browser_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jcnn.explore import _page

    monkeypatch.setattr(_page, "LIMIT", 1000)
    monkeypatch.setattr(_page, "_FOR_CHECKS", 60)
    monkeypatch.setattr(_page, "_PART_FOR_CHECKS", 0)
    made = page(drawn(OfFlax), pictures(1, 16, 14, 1), ["a", "b", "c"])
    shown = browser_page(made.html).evaluate(f"async () => {{ {UNPACK} {READ} }}")
    (outputs,) = shown["checks"]
    assert outputs[0] is None
    assert len(outputs[-1]["data"]) == 3


def test_words_from_outside_run_nothing(made: Page, browser_page: OpenPage) -> None:
    opened = browser_page(made.html)
    assert opened.evaluate("window.hacked") is None
    assert opened.locator("[onerror]").count() == 0
    assert opened.title() == HOSTILE
    assert opened.locator("h1").inner_text() == HOSTILE


def test_the_policy_stops_everything_else(made: Page, chromium: Browser) -> None:
    """Text that would run if it were taken for markup does not run; there are no requests."""
    asked: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.abort()

    with chromium.new_context() as context:
        opened = context.new_page()
        context.route("http://**", refuse)
        opened.set_content(made.html)
        opened.wait_for_selector("body[data-ready=true]")
        stopped = opened.evaluate(
            """async () => {
              const stopped = [];
              document.addEventListener("securitypolicyviolation",
                (event) => stopped.push(event.effectiveDirective));
              const script = document.createElement("script");
              script.textContent = "window.hacked = 1";
              const style = document.createElement("style");
              style.textContent = "body { color: red }";
              const image = document.createElement("img");
              image.src = "http://example.org/x.png";
              const button = document.createElement("button");
              button.setAttribute("onclick", "window.hacked = 1");
              const base = document.createElement("base");
              base.href = "http://example.org/";
              document.head.append(base);
              document.body.append(script, style, image, button);
              button.click();
              await fetch("http://example.org/").catch(() => null);
              await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
              return stopped.sort();
            }"""
        )
        assert opened.evaluate("window.hacked") is None
    assert sorted(set(stopped)) == [
        "base-uri",
        "connect-src",
        "img-src",
        "script-src-attr",
        "script-src-elem",
        "style-src-elem",
    ]
    assert asked == []


def test_a_notebooks_frame_shows_the_page(made: Page, browser_page: OpenPage) -> None:
    outer = f'<!doctype html><body data-ready="true">{made._repr_html_()}'
    opened = browser_page(outer)
    frame = opened.frame_locator("iframe")
    frame.locator("body[data-ready=true]").wait_for(timeout=60_000)
    assert frame.locator("h1").inner_text() == HOSTILE
    assert escape(HOSTILE) in made.html


def test_a_complaint_would_be_seen(chromium: Browser, made: Page) -> None:
    """A script that the policy does not allow is reported on the console."""
    said: list[str] = []
    with chromium.new_context() as context:
        opened = context.new_page()
        opened.on("console", lambda message: said.append(message.text))
        opened.set_content(made.html.replace("</body>", "<script>1</script></body>"))
        opened.wait_for_selector("body[data-ready=true]")
    assert len(said) == 1
    assert "Content Security Policy" in said[0]
