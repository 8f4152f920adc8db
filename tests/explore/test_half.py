"""Pages with parameters rounded to float16: the numbers in the browser, JAX's, and their size."""

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import pytest
from flax import nnx

from jcnn import ops
from jcnn.data.preprocessing import Preprocessing, set_preprocessing
from jcnn.explore import Epochs, page
from jcnn.layers import BatchNormalization, Conv2D, Dense, Flatten, Sequential, eval_mode
from jcnn.models import build
from tests.explore.models import shaken
from tests.explore.scripts import joined_files
from tests.explore.small import OpenPage
from tests.explore.test_page import at, content_of, element, numbers_of, pictures

CLASSES = ["ant", "bee", "cat"]
IMAGES = pictures(2, 5, 4, 1)
# Ties (to even), subnormals, what rounds to zero, the largest, and either zero.
AWKWARD = [
    *(2049 / 2048, 2051 / 2048, -0.1, 3e-6, -6e-8, 2.0**-25, -(2.0**-26), 65504.0, -65504.0),
    *(0.0, -0.0, 6.103515625e-05),
]


def model(seed: int = 0) -> Sequential:
    rngs = nnx.Rngs(seed)
    layers: list[Any] = [
        Conv2D(1, 2, 3, padding="SAME", rngs=rngs),
        BatchNormalization(2, rngs=rngs),
        ops.relu,
        Flatten(),
        Dense(40, 3, rngs=rngs),
    ]
    made: Sequential = shaken(Sequential(layers))
    set_preprocessing(made, Preprocessing((5, 4), "stretch", "grey", (0.4,), (0.3,)))
    return made


def awkward() -> Sequential:
    made = model()
    kernel = np.array(made.dense.kernel[...])
    kernel[: len(AWKWARD), 1] = AWKWARD
    made.dense.kernel[...] = jnp.asarray(kernel)
    return made


def bits(array: Any) -> npt.NDArray[np.uint32]:
    """float32 numbers by their bits: -0 differs from 0."""
    return np.asarray(array, np.float32).view(np.uint32)


def as_half(array: Any) -> npt.NDArray[np.uint32]:
    return bits(np.asarray(array, np.float32).astype(np.float16))


UNPACKED = f"""<body><script>{joined_files("numbers.js")}; document.body.dataset.ready = "true"
</script>"""


def test_the_browser_has_the_numbers_that_numpy_rounds_to(browser_page: OpenPage) -> None:
    """Bit for bit, by the page's own `unpack`."""
    made = awkward()
    found = browser_page(UNPACKED).evaluate(
        """async (html) => {
          const parsed = new DOMParser().parseFromString(html, "text/html");
          const { layers } = await unpack(parsed);
          const { data } = layers.find(({ kind }) => kind === "dense").arrays.kernel;
          return Array.from(new Uint32Array(data.buffer, data.byteOffset, data.length));
        }""",
        page(made, IMAGES, CLASSES, half=True).html,
    )
    kernel = np.array(found, np.uint32).reshape(40, 3)
    np.testing.assert_array_equal(kernel, as_half(made.dense.kernel[...]))
    changed = kernel[: len(AWKWARD), 1] != bits(AWKWARD)
    assert changed.tolist() == [True] * 7 + [False] * 5
    assert kernel[4, 1] == bits(-(2.0**-24))  # the smallest subnormal
    assert kernel[6, 1] == kernel[10, 1] == 1 << 31  # -0


@pytest.mark.parametrize("language", ["en", pytest.param("ja", marks=pytest.mark.slow)])
def test_the_page_agrees_with_jax_and_says_what_is_rounded(
    browser_page: OpenPage, language: str
) -> None:
    opened = browser_page(page(model(), IMAGES, CLASSES, half=True).html, f"#lang={language}")
    opened.wait_for_selector('#badge[data-verdict="ok"]')
    note = {"en": "rounded to float16", "ja": "float16 に丸めて"}[language]
    assert note in opened.locator("#left-out").inner_text()


def halved(made: Sequential) -> Any:
    """The model in eval mode, its variables rounded by NumPy."""

    def rounded(array: Any) -> Any:
        return jnp.asarray(np.asarray(array).astype(np.float16).astype(np.float32))

    kept = nnx.Any(nnx.Param, nnx.BatchStat)
    nnx.update(made, jax.tree.map(rounded, nnx.state(made, kept)))
    return eval_mode(made)


def test_all_parameters_are_rounded_and_jax_computes_with_them() -> None:
    made = model()
    half = page(made, IMAGES, CLASSES, half=True)
    content, numbers = content_of(half), numbers_of(half)
    assert content["half"] is True
    standard, conv, norm, _, _, dense, _ = content["layers"]
    for name, array in (
        (conv["arrays"]["kernel"], made.conv2d.kernel),
        (conv["arrays"]["bias"], made.conv2d.bias),
        (norm["arrays"]["scale"], made.batch_normalization.scale),
        (norm["arrays"]["mean"], made.batch_normalization.mean),
        (norm["arrays"]["variance"], made.batch_normalization.var),
        (dense["arrays"]["kernel"], made.dense.kernel),
        (dense["arrays"]["bias"], made.dense.bias),
    ):
        np.testing.assert_array_equal(bits(at(numbers, name)), as_half(array[...]))
    # The preprocessing is no parameter.
    assert at(numbers, standard["arrays"]["mean"]) == np.float32(0.4)
    x = (IMAGES / np.float32(255) - np.float32(0.4)) / np.float32(0.3)
    wanted = np.asarray(halved(model())(jnp.asarray(x)))
    for check, row in zip(content["checks"], wanted, strict=True):
        logits = at(numbers, check["outputs"][5])
        np.testing.assert_allclose(logits, row, rtol=1e-5, atol=1e-6)
        assert (bits(logits) != as_half(logits)).any()  # outputs are not rounded
    exact = np.asarray(eval_mode(model())(jnp.asarray(x)))
    assert np.abs(exact - wanted).max() > 1e-4
    assert "half" not in content_of(page(made, IMAGES, CLASSES))


def test_epochs_and_both_of_two_models_are_rounded() -> None:
    given = Epochs((1, 2), model, IMAGES, np.array([0, 2]))
    made = page(model(2), IMAGES, CLASSES, epochs=given, half=True)
    content, numbers = content_of(made), numbers_of(made)
    for seed, weights in zip((1, 2), content["epochs"]["weights"], strict=True):
        kernel = at(numbers, weights[5]["kernel"])
        np.testing.assert_array_equal(bits(kernel), as_half(model(seed).dense.kernel[...]))
    assert content["layers"][5]["arrays"] == content["epochs"]["weights"][-1][5]
    made = page(model(1), IMAGES, CLASSES, other=("B", model(2)), half=True)
    content, numbers = content_of(made), numbers_of(made)
    kernel = at(numbers, content["compare"]["layers"][5]["arrays"]["kernel"])
    np.testing.assert_array_equal(bits(kernel), as_half(model(2).dense.kernel[...]))


def test_the_page_of_a_large_model_is_about_half_as_large() -> None:
    large, image = build("mlp", (40, 40, 1), 10), pictures(1, 40, 40, 1)
    whole, half = (
        len(element(page(large, image, [*"abcdefghij"], half=one).html, "script", id="numbers"))
        for one in (False, True)
    )
    assert 0.5 < half / whole < 0.56


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("conv2d", 65505.0, "half: kernel of layer 'conv2d' has 65505; accepted: -65504 to 65504"),
        ("dense", -1e9, "half: kernel of layer 'dense' has -1e+09; accepted: -65504 to 65504"),
    ],
)
def test_what_is_beyond_float16_is_refused(path: str, value: float, message: str) -> None:
    made = model()
    layer = getattr(made, path)
    layer.kernel[...] = layer.kernel[...].at[..., 1].set(value)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        page(made, IMAGES, CLASSES, half=True)
    page(made, IMAGES, CLASSES)


def test_what_is_not_finite_is_refused_as_ever() -> None:
    made = model()
    made.dense.kernel[...] = made.dense.kernel[...].at[3, 1].set(jnp.inf)
    with pytest.raises(ValueError, match="its kernel has 1 infinite of 120 numbers"):
        page(made, IMAGES, CLASSES, half=True)
