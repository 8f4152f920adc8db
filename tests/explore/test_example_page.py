"""The page of a lecturer's examples in the browser."""

from pathlib import Path

import pytest

from jcnn.cli.example_file import read_examples
from jcnn.explore import example_page
from tests.explore.conftest import OpenPage
from tests.explore.playground_browser import choose, output_cell, outputs

FILE = """\
title: Neighbours
lecture: Z
slide: 12
input: 1 2 3; 4 5 7
kernel: 1 -1
kernel: 0 2
bias: 0 -5
relu: yes
---
title: </script><b>Pool
operation: average_pool
window: 1 2
stride: 1 1
input: 1 2 4
printed: 1.5 2
note: One is misprinted.
---
title: My similarity
operation: similarity
input: 1 0; 0 1
kernel: 1 1; 0 1
exercise: yes
"""


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = Path(tmp_path_factory.mktemp("own")) / "own.txt"
    file.write_text(FILE, encoding="utf-8")
    return example_page(read_examples(file), "Week 3 & 4")


def test_the_first_example_is_shown_and_all_are_listed(browser_page: OpenPage, html: str) -> None:
    page = browser_page(html)
    assert page.title() == "Week 3 & 4"
    assert page.locator(".pg-tag").text_content() == "Lecture Z · slide: 12"
    assert outputs(page) == [[[0, 0], [0, 0]], [[0, 1], [5, 9]]]
    group = page.locator("optgroup").first
    assert group.locator("option").all_text_contents() == [
        "Neighbours",
        "</script><b>Pool",
        "My similarity",
    ]
    choose(page, "own_1")
    assert outputs(page) == [[[1.5, 3]]]
    assert page.locator(".pg-misprint").count() == 1
    assert "One is misprinted." in (page.locator(".pg-notes").text_content() or "")
    choose(page, "own_2")
    output_cell(page, 0, 0).fill("0.75")
    output_cell(page, 0, 0).blur()
    assert page.locator(".pg-progress").text_content() == "1 of 1 right All right!"


def test_its_address_and_language(browser_page: OpenPage, html: str) -> None:
    page = browser_page(html)
    choose(page, "own_1")
    output_cell(page, 0, 1).click()
    assert "example=own_1" in page.url
    page.reload()
    page.wait_for_selector("body[data-ready=true]")
    assert outputs(page) == [[[1.5, 3]]]
    assert page.locator(".pg-working h3").text_content() == "Output (0, 1)"
    page.locator("[data-control=language]").select_option("ja")
    assert page.locator("h2").text_content() == "実験室"
    page.evaluate("location.hash = '#view=playground&example=003_valid'")
    page.wait_for_function("location.hash.includes('turn=0')")
    assert len(outputs(page)[0]) == 4


def test_it_stands_in_one_screen(browser_page: OpenPage, html: str) -> None:
    page = browser_page(html)
    page.set_viewport_size({"width": 1280, "height": 800})
    choose(page, "own_0")
    output_cell(page, 1, 1, 1).click()
    for part in page.locator(".pg-grid, .pg-sum, .pg-walk button").all():
        box = part.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 800
