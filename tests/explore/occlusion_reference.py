"""Occlusion by its definition, a loop in NumPy; and functions to operate its page."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import numpy.typing as npt
from flax import nnx
from playwright.sync_api import Page

from tests.explore import oracle as network
from tests.explore.small import layers
from tests.ops.conv import oracle

Array = npt.NDArray[np.float64]
Predict = Callable[[npt.NDArray[np.float32]], npt.NDArray[Any]]
VIEW = '[aria-pressed="false"]:text-is("What matters")'
PROGRESS = "#occlusion progress"


def occlusion(
    predict: Predict, image: npt.NDArray[np.uint8], side: int, step: int, grey: str
) -> tuple[Array, Array, list[tuple[int, int, int, int]]]:
    """The definition, plainly.

    Returns:
        p(class | picture) (K,), p(class | picture with the patch there) (rows, columns, K), and
        each patch's (top, bottom, left, right).
    """
    x = image.astype(np.float32) / np.float32(255)
    fill = np.float32(0 if grey == "zero" else x.astype(np.float64).mean())
    height, width, _ = x.shape
    patches, places = [x], []
    corners = [(r, c) for r in range(0, height, step) for c in range(0, width, step)]
    for r, c in corners:
        top, left = r - (side - step) // 2, c - (side - step) // 2
        bottom, right = min(height, top + side), min(width, left + side)
        places.append((max(0, top), bottom, max(0, left), right))
        patched = x.copy()
        patched[max(0, top) : bottom, max(0, left) : right] = fill
        patches.append(patched)
    p = np.asarray(predict(np.stack(patches)), np.float64)
    grid = p[1:].reshape(len(range(0, height, step)), len(range(0, width, step)), -1)
    return p[0], grid, places


def of_model(model: nnx.Module) -> Predict:
    """Probabilities by JAX."""
    model.eval()
    run = nnx.jit(lambda model, x: jax.nn.softmax(model(x)))
    return lambda x: np.asarray(run(model, x))


def of_small(x: npt.NDArray[np.float32]) -> Array:
    """Probabilities of tests.explore.small's network, by NumPy."""
    chain = [{"arrays": {}, **layer} for layer in layers()[:-1]]
    logits = [network.run_all(chain, one[None].astype(np.float64))[-1] for one in x]
    return oracle.softmax(np.stack(logits))


def fill(page: Page, key: str, value: int) -> None:
    field = page.locator(f'[data-key="{key}"]')
    field.fill(str(value))
    field.press("Enter")


def finished(page: Page) -> None:
    script = (
        f"() => {{ const e = document.querySelector('{PROGRESS}'); return e.value === e.max; }}"
    )
    page.wait_for_function(script)


def opened(page: Page) -> None:
    """The table of all values."""
    page.locator(".occ-all summary").click()
    page.wait_for_selector(".occ-all td .numeral")
