"""Occlusion against a loop in NumPy around the JAX model."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from flax import nnx

from jcnn.compile import run_once
from jcnn.explore import page as explorer_page
from jcnn.layers import BatchNormalization, Conv2D, Dense, Flatten, MaxPooling2D, Sequential
from jcnn.models import build
from tests.explore.models import shaken
from tests.explore.occlusion_reference import VIEW, fill, finished, occlusion, of_model, opened
from tests.explore.small import OpenPage, numbers


def _with_batch_norm() -> Sequential:
    """Three channels, BatchNorm, a stride, a dilation, groups, and softmax over maps."""
    rngs = nnx.Rngs(7)
    return Sequential(
        [
            Conv2D(3, 6, (3, 2), stride=(2, 1), padding="SAME", rngs=rngs),
            BatchNormalization(6, rngs=rngs),
            nnx.softmax,
            Conv2D(6, 4, 3, padding="SAME", dilation=2, groups=2, activation=nnx.gelu, rngs=rngs),
            MaxPooling2D((2, 3), stride=(1, 2)),
            Flatten(),
            Dense(6 * 5 * 4, 5, rngs=rngs),
        ]
    )


def with_batch_norm() -> Any:
    """The same in one compiled program, with batch statistics like those of a trained model."""
    model = nnx.merge(*run_once(lambda: nnx.split(_with_batch_norm())))
    shaken(model.batch_normalization)
    return model


# The network, the shape of its picture, the settings (None: defaults of the page), and a factor on
# the last kernel that makes the probabilities vary.
MODELS: dict[str, tuple[Callable[[], Any], tuple[int, ...], Any, float]] = {
    "conv4": (lambda: build("conv4", (28, 28, 1), 10), (28, 28, 1), None, 30),
    "tiny_vgg": (
        lambda: build("tiny_vgg", (32, 24, 3), 7),
        (32, 24, 3),
        (9, 5, "zero"),
        20,
    ),
    "batch_norm": (
        with_batch_norm,
        (13, 11, 3),
        (5, 2, "mean"),
        100,
    ),
}


@pytest.mark.parametrize(
    "name", [n if n == "batch_norm" else pytest.param(n, marks=pytest.mark.slow) for n in MODELS]
)
def test_every_position_is_pythons(browser_page: OpenPage, name: str) -> None:
    make, shape, settings, factor = MODELS[name]
    model = make()
    head = list(model)[-1].kernel
    head[...] = head[...] * factor
    image = np.random.default_rng(4).integers(0, 256, shape, dtype=np.uint8)
    image[: shape[0] // 2] //= 3
    names = [f"class {i}" for i in range(head.shape[1])]
    page = browser_page(explorer_page(model, image[None], names).html)
    page.locator(VIEW).click()
    if settings is None:
        side, step, grey = 5, 3, "mean"
    else:
        side, step, grey = settings
        fill(page, "side", side)
        fill(page, "step", step)
        page.locator('[data-key="fill"]').select_option(grey)
    whole, patched, _ = occlusion(of_model(model), image, side, step, grey)
    drops = whole - patched
    finished(page)
    opened(page)
    for target in {int(whole.argmax()), int(np.ptp(drops, axis=(0, 1)).argmax())}:
        page.locator('[data-key="target"]').select_option(str(target))
        shown = np.reshape(numbers(page, ".occ-all td .numeral"), drops.shape[:2])
        # The values vary.
        assert 0.02 < np.abs(drops[..., target]).max() < 0.98
        assert np.unique(drops[..., target].round(4)).size > drops[..., target].size / 2
        np.testing.assert_allclose(shown, drops[..., target], rtol=0, atol=3e-6)
        # The largest drop is shown first.
        place = int(page.locator(".occ-result > div").get_attribute("data-position") or "")
        assert place == drops[..., target].argmax()
