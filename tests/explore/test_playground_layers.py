"""Filters, bias, ReLU, dense, dropout, global pooling and similarity of the playground."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from playwright.sync_api import Page

from jcnn import ops
from tests.explore.playground_browser import (
    choose,
    output_cell,
    outputs,
    playground,
    playground_as_left,
    playground_tab,
    set_field,
)
from tests.explore.small import OpenPage, html
from tests.ops.conv import oracle

tab = playground_tab
page = playground
as_left = playground_as_left
Random = np.random.Generator
BASE = {"stride": [1, 1], "dilation": [1, 1], "padding": "valid", "kernel": [2, 2]}


def draw(page: Page, choices: dict[str, Any], x: Any, **more: Any) -> Any:
    """Draw own numbers, and read the outputs as (H, W, C)."""
    play = {"example": None, "inputs": np.moveaxis(x, -1, 0).tolist(), "kernels": []}
    play |= {"at": None, "filled": None, "answers": None, "hint": False} | more
    play["choices"] = BASE | {"size": list(x.shape[:2])} | choices
    page.evaluate("playground => draw({ playground })", play)
    return np.stack(outputs(page), axis=-1)


def by_filter(kernel: Any) -> Any:
    """(KH, KW, C, F) as grids, filter by filter."""
    return np.transpose(kernel, (3, 2, 0, 1)).reshape(-1, *kernel.shape[:2]).tolist()


@pytest.mark.parametrize(
    ("channels", "filters"),
    [
        (4, 2),
        (1, 4),
        pytest.param(6, 1, marks=pytest.mark.slow),
        pytest.param(2, 3, marks=pytest.mark.slow),
    ],
)
def test_filters_bias_and_relu(as_left: Page, channels: int, filters: int) -> None:
    random = np.random.default_rng(channels)
    x = random.integers(-9, 10, (5, 4, channels)) / 4
    kernel = random.integers(-9, 10, (3, 2, channels, filters)) / 4
    bias = random.integers(-9, 10, filters) / 4
    choices = {"operation": "conv", "kernel": [3, 2], "padding": "same", "filters": filters}
    choices |= {"bias": True, "stride": [1, 2]}
    own = {"kernels": by_filter(kernel), "bias": bias.tolist()}
    expected = oracle.conv2d(x[None], kernel, bias, stride=(1, 2), padding="SAME")[0]
    np.testing.assert_allclose(draw(as_left, choices, x, **own), expected, atol=1e-12)
    found = draw(as_left, choices | {"relu": True}, x, **own)
    np.testing.assert_allclose(found, np.maximum(expected, 0), atol=1e-12)
    assert (expected < 0).any()
    place = tuple(int(i) for i in np.argwhere(expected < 0)[0])
    output_cell(as_left, *place).focus()
    said = [line.replace("\u2212", "-") for line in as_left.locator(".pg-sum").all_text_contents()]
    assert said[-1].startswith("ReLU: max(-")
    assert said[-1].endswith(", 0) = 0")
    assert "bias" in said[-2]
    values = as_left.locator(".pg-sum").evaluate_all("all => all.map(e => Number(e.dataset.value))")
    assert values[-2] == pytest.approx(expected[place])


def test_dense(page: Page) -> None:
    random = np.random.default_rng(7)
    x = random.integers(-9, 10, (2, 3, 2)) / 4
    weights, bias = random.integers(-9, 10, (12, 4)) / 4, random.integers(-9, 10, 4) / 4
    own = {"weights": weights.tolist(), "bias": bias.tolist()}
    choices = {"operation": "dense", "units": 4, "bias": True}
    found = draw(page, choices, x, **own)
    expected = oracle.dense(x.reshape(1, -1), weights, bias)
    np.testing.assert_allclose(found[0, :, 0], expected[0], atol=1e-12)
    assert page.locator(".pg-formula [data-value]").get_attribute("data-value") == "52"
    lines = page.locator(".pg-all line")
    assert lines.count() == 48  # all to all
    signs = lines.evaluate_all(
        "all => all.map(l => [+l.dataset.input, +l.dataset.unit, l.classList[0]])"
    )
    names = {1: "pg-positive", -1: "pg-negative", 0: "pg-nothing"}
    assert all(name == names[int(np.sign(weights[i, u]))] for i, u, name in signs)
    output_cell(page, 0, 2).focus()
    products = page.locator(".pg-result [data-value]").evaluate_all(
        "all => all.map(e => Number(e.dataset.value))"
    )
    np.testing.assert_allclose(products, x.ravel() * weights[:, 2])
    assert page.locator(".pg-all .pg-faded").count() == 36


@pytest.mark.parametrize(
    ("rate", "seed"),
    [
        pytest.param(0.5, 0, marks=pytest.mark.slow),
        (0.3, 12),
        (0.875, 2**32 - 1),
        pytest.param(0, 1, marks=pytest.mark.slow),
    ],
)
def test_dropout_has_the_mask_of_ops(as_left: Page, rate: float, seed: int) -> None:
    x = np.random.default_rng(3).integers(1, 10, (4, 5, 3)).astype(float)
    found = draw(as_left, {"operation": "dropout", "rate": rate, "seed": seed}, x)
    key = jax.random.key(seed)
    expected = ops.dropout(jnp.asarray(x[None], "float32"), rate, key=key)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    many = as_left.evaluate(f"[...seededMask(1000, {rate}, {seed}).mask]")
    ones = ops.dropout(jnp.ones((1000,)), rate, key=key)
    np.testing.assert_array_equal(many, np.asarray(ones != 0))


def test_similarity_is_the_share_of_equal_pixels(page: Page) -> None:
    random = np.random.default_rng(5)
    x, kernel = random.integers(0, 2, (4, 5, 2)), random.integers(0, 2, (2, 3, 2, 3))
    choices = {"operation": "similarity", "kernel": [2, 3], "filters": 3, "stride": [1, 2]}
    found = draw(page, choices, x, kernels=by_filter(kernel))
    for r, c, f in np.ndindex(found.shape):
        patch = x[r : r + 2, 2 * c : 2 * c + 3]
        assert found[r, c, f] == np.mean(patch == kernel[..., f])
    assert found.shape == (3, 2, 3)


def test_the_similarity_of_lecture_e_is_an_exercise(page: Page) -> None:
    choose(page, "similar")
    assert page.locator(".pg-tag").text_content() == (
        "Lecture E: Conv2D with Python scripts · slide: filters as similarity: 1.0 and 0.75"
    )
    for column, answer in enumerate(["1", "0.75"]):
        output_cell(page, 0, column).fill(answer)
        output_cell(page, 0, column).blur()
    assert page.locator(".pg-progress").text_content() == "2 of 2 right All right!"
    page.locator(".pg-turn").click()
    output_cell(page, 0, 1).focus()
    said = page.locator(".pg-working .pg-sum").text_content()
    assert said == "3 of 4 pixels are equal: 3 ÷ 4 = 0.75"


@pytest.mark.parametrize("operation", ["global_max_pool", "global_average_pool"])
def test_global_pooling(as_left: Page, operation: str) -> None:
    x = np.random.default_rng(2).integers(-9, 10, (3, 4, 4)).astype(float)
    found = draw(as_left, {"operation": operation}, x)
    expected = x.max((0, 1)) if operation == "global_max_pool" else x.mean((0, 1))
    np.testing.assert_allclose(found, expected[None, None], rtol=1e-15)


def test_every_example_has_its_lecture_and_slide(page: Page) -> None:
    tags = page.evaluate("[...EXAMPLES, ...MORE_EXAMPLES].map(e => tagOf(playgroundWords.en, e))")
    assert all(tag.startswith("Lecture ") and " · slide: " in tag for tag in tags)
    used = page.evaluate("MORE_EXAMPLES.flatMap(({ id, slide }) => [id, slide])")
    assert set(used) <= set(page.evaluate("Object.keys(playgroundWords.ja)"))


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("rate", "1", "rate: got 1; accepted: 0 <= rate < 1"),
        ("seed", "-1", "seed: got -1; accepted: 0 to 4294967295"),
    ],
)
def test_what_dropout_refuses(page: Page, name: str, value: str, reason: str) -> None:
    choose(page, "dropout_half")
    set_field(page, name, value)
    assert page.locator(".pg-reason").text_content() == reason
    assert page.locator(f"[name={name}]").get_attribute("aria-invalid") == "true"


def test_a_dense_layer_of_many_inputs_is_refused(page: Page) -> None:
    choose(page, "dense_nine")
    set_field(page, "size_0", "16")
    set_field(page, "size_1", "5")
    reason = "inputs: got 80; accepted: up to 64, as many cells as this page draws"
    assert page.locator(".pg-reason").text_content() == reason


@pytest.mark.parametrize(
    "name",
    [
        "features",
        *(
            pytest.param(n, marks=pytest.mark.slow)
            for n in ("four_to_two", "dense_nine", "dropout_half")
        ),
    ],
)
def test_own_numbers_of_every_kind_come_back(browser_page: OpenPage, name: str) -> None:
    """A changed example is stored whole in the address."""
    page = browser_page(html())
    page.locator('#pages button:text-is("Playground")').click()
    choose(page, name)
    field = page.locator(".pg-stage input").first
    field.fill("7")
    field.blur()
    before = outputs(page)
    assert "example=" not in page.url
    assert before != []
    page.reload()
    page.wait_for_selector("body[data-ready=true]")
    assert outputs(page) == before
    if name == "four_to_two":
        page.locator("[name=channels]").select_option("3")
        assert np.shape(outputs(page)) == (2, 3, 3)
        page.locator("[name=filters]").select_option("3")
        assert np.shape(outputs(page)) == (3, 3, 3)
