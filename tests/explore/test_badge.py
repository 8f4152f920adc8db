"""The comparison with JAX: differences are relative, and what overflows is never the same."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jcnn.explore import page
from jcnn.layers import Dense, Flatten, Sequential
from tests.explore.built import built, plain
from tests.explore.models import drawn
from tests.explore.small import SPLIT, Array, OpenPage, numbers
from tests.explore.test_page import pictures, small
from tests.ops.conv import oracle

PICTURE = np.random.default_rng(3).integers(1, 256, (1, 4, 5, 1), dtype=np.uint8)
WEIGHTS = np.random.default_rng(4).normal(size=(20, 3)).astype(np.float32).astype(np.float64)


def shown(
    browser_page: OpenPage, weights: Array, change: Any, language: str = "en"
) -> tuple[str, list[str], list[float]]:
    """The page's badge, the layers' verdicts and differences, of a dense layer and a softmax.

    `change(logits, probabilities)` changes the outputs that the page takes for those of JAX.
    """
    x = (PICTURE.astype(np.float32) / np.float32(255)).astype(np.float64).reshape(1, -1)
    logits = oracle.dense(x, weights, np.zeros(3))
    checks: list[list[Any]] = [[None, *change(logits[0], oracle.softmax(logits)[0])]]
    chain = [
        plain("flatten", "flatten", [4, 5, 1], [20]),
        plain("dense", "dense", [20], [3], arrays={"kernel": weights}),
        plain("softmax", "softmax", [3]),
    ]
    opened = browser_page(built(chain, PICTURE, classes=["a", "b", "c"], checks=checks), SPLIT)
    opened.locator('[data-control="language"]').select_option(language)
    opened.wait_for_function("document.querySelector('#badge').dataset.verdict !== undefined")
    badges = opened.locator(".column .badge").evaluate_all("(b) => b.map((e) => e.dataset.verdict)")
    said = opened.locator("#badge").inner_text()
    return said, badges[1:], numbers(opened, ".column .badge .numeral")


def test_a_difference_is_relative_to_large_numbers(browser_page: OpenPage) -> None:
    """Logits of 1e30 that are one part in 2**20 apart are 1e24 apart."""
    said, verdicts, found = shown(
        browser_page, WEIGHTS * 1e30, lambda y, p: [y * (1 + 2.0**-20), p]
    )
    assert verdicts == ["ok", "ok"]
    assert found == pytest.approx([2.0**-20, 0], rel=0.1, abs=1e-12)
    assert said.startswith("✓ 2 of 3 layers compared with JAX: same; 1 not included; largest diff")


def test_probabilities_are_not_the_same_because_logits_are_large(browser_page: OpenPage) -> None:
    """Their tolerance followed from that of the logits, 1e25: any probability was right."""
    said, verdicts, found = shown(
        browser_page, WEIGHTS * 1e30, lambda y, p: [y, np.roll(p, 1)], "ja"
    )
    assert verdicts == ["ok", "bad"]
    assert found[1] == 1
    assert said.startswith("✗ 3 層中 2 層を JAX と照合: 1 層が不一致、1 層は含まれていません")


def test_a_difference_that_would_be_seen_is_not_the_same(browser_page: OpenPage) -> None:
    """Whatever the sum of the terms: here 1e6 times the result."""
    weights = WEIGHTS.copy()
    weights[0] += 3e5
    weights[1] -= 3e5 * float(PICTURE.flat[0]) / float(PICTURE.flat[1])
    weights = weights.astype(np.float32).astype(np.float64)
    _, verdicts, found = shown(browser_page, weights, lambda y, p: [y + 0.4 * (y == y.max()), p])
    assert verdicts[0] == "bad"
    assert found[0] > 0.01


@pytest.mark.slow
def test_what_overflows_32_bits_is_not_the_same(browser_page: OpenPage) -> None:
    model: Any = drawn(small)
    for layer in (model.conv2d, model.dense):
        layer.kernel[...] = layer.kernel[...] * 1e30
    made = page(model, pictures(1, 5, 4, 1), ["a", "b", "c"])
    opened = browser_page(made.html, SPLIT)
    opened.wait_for_selector('#badge[data-verdict="bad"]')
    badges = opened.locator(".column .badge")
    verdicts = badges.evaluate_all("(all) => all.map((e) => e.dataset.verdict)")
    assert verdicts == ["ok", "ok", "ok", "bad", "bad"]
    assert badges.nth(3).inner_text() == "✗ too large for 32-bit floats"
    assert (
        opened.locator("#badge").inner_text()
        == "✗ 5 of 5 layers compared with JAX: 2 different; too large for 32-bit floats"
    )


def test_small_numbers_that_underflow_are_the_same(browser_page: OpenPage) -> None:
    model: Any = drawn(lambda: Sequential([Flatten(), Dense(20, 3, rngs=nnx.Rngs(0))]))
    model.dense.kernel[...] = jnp.full((20, 3), 1e-42)
    opened = browser_page(page(model, pictures(1, 5, 4, 1), ["a", "b", "c"]).html, SPLIT)
    opened.wait_for_selector('#badge[data-verdict="ok"]')
