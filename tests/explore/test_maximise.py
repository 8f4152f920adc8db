"""The images that maximise a channel: their activations by NumPy, the stages, and their view."""

import base64
import re
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import pytest
from flax import nnx

from jcnn import ops
from jcnn.data.events import Note, Reading, silent
from jcnn.explore import _maximise as file
from jcnn.explore import page as explorer_page
from jcnn.explore._maximise import maximised
from jcnn.explore._network import Network, network
from jcnn.explore._stages import stages
from jcnn.layers import Conv2D, Dense, Flatten, Layer, Sequential
from jcnn.models import build
from tests.explore.branches import MODELS
from tests.explore.branches_made import as_oracle
from tests.explore.models import drawn, of_every_layer
from tests.explore.oracle import run_all
from tests.explore.scripts import joined_files
from tests.explore.small import OpenPage, at, numbers, word_tables
from tests.explore.test_page import content_of, pictures

BUILD, SHAPE = MODELS["residual"]
CLASSES = ["ant", "bee", "cat"]


@pytest.fixture(scope="module")
def model() -> Any:
    return drawn(BUILD)


@pytest.fixture(scope="module")
def found(model: Any) -> tuple[Network, dict[str, Any]]:
    made = network(model, SHAPE)
    return made, maximised(made, pictures(3, *SHAPE), 2, silent)


def means(made: Network, image: npt.NDArray[Any], layer: int) -> npt.NDArray[np.float64]:
    """The mean of every channel, by the oracle; `image (H, W, C)` is uint8 or 0..1."""
    scaled = image.astype(np.float32) / np.float32(255) if image.dtype == np.uint8 else image
    output = run_all(as_oracle(made), scaled.astype(np.float64)[None])[layer]
    return np.asarray(output.reshape(-1, output.shape[-1]).mean(0))


def pixels_of(entry: dict[str, Any], shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    return np.frombuffer(base64.b64decode(entry["pixels"]), np.uint8).reshape(shape)


def test_each_exceeds_every_image_and_the_start(found: tuple[Network, dict[str, Any]]) -> None:
    made, of = found
    images = pictures(30, *SHAPE)
    noise = np.random.default_rng(0).normal(0.5, 0.05, (9, 8, 1))
    others = [*images, np.broadcast_to(noise, SHAPE).astype(np.float32)]
    names = [made.layers[stage["layers"][0]].name for stage in of["stages"]]
    assert names == ["conv1", "conv2", "projection", "conv3"]
    for stage in of["stages"]:
        shown = stage["shown"]
        assert len(stage["channels"]) == 2
        largest = np.max([means(made, image, shown) for image in others], 0)
        for entry in stage["channels"]:
            image = pixels_of(entry, SHAPE)
            value = means(made, image, shown)[entry["channel"]]
            assert entry["value"] == pytest.approx(value, rel=1e-5, abs=1e-5)
            assert value > largest[entry["channel"]]


def test_the_channels_are_those_with_the_largest_numbers(
    found: tuple[Network, dict[str, Any]],
) -> None:
    made, of = found
    outputs = [
        run_all(as_oracle(made), (image / np.float32(255)).astype(np.float64)[None])
        for image in pictures(3, *SHAPE)
    ]
    for stage in of["stages"]:
        maps = np.concatenate([one[stage["shown"]].reshape(-1, 4) for one in outputs])
        wanted = sorted(np.argsort(-np.abs(maps).max(0))[:2])
        assert [entry["channel"] for entry in stage["channels"]] == wanted


@pytest.mark.slow
def test_the_same_call_gives_the_same_images_and_tells_its_progress(
    found: tuple[Network, dict[str, Any]],
) -> None:
    made, of = found
    told: list[Reading | Note] = []
    assert maximised(made, pictures(3, *SHAPE), 2, told.append) == of
    assert told[0] == Reading("maximising channels of conv1", 0, 4)
    assert [one.done for one in told if isinstance(one, Reading)] == [0, 1, 2, 3]


def edges(kernel: npt.ArrayLike) -> Sequential:
    """One 3x3 filter with the bias -1 and ReLU, for pictures of 6x6x1."""
    rngs = nnx.Rngs(0)
    layers: list[Layer] = [
        Conv2D(1, 1, 3, activation=ops.relu, rngs=rngs),
        Flatten(),
        Dense(36, 2, rngs=rngs),
    ]
    model = Sequential(layers)
    model.conv2d.kernel[...] = jnp.asarray(kernel, jnp.float32)[..., None, None]
    model.conv2d.bias[...] = jnp.asarray([-1.0], jnp.float32)
    return model


GREY = np.full((1, 6, 6, 1), 128, np.uint8)
HORIZONTAL = [[1, 1, 1], [-2, -2, -2], [0, 0, 0]]


@pytest.mark.slow
def test_a_relu_that_gives_only_zeros_at_the_start() -> None:
    """The ascent follows what the activation reads."""
    made = network(edges(HORIZONTAL), (6, 6, 1))
    assert made.outputs(GREY[0])[1].max() == 0
    (entry,) = maximised(made, GREY, 1, silent)["stages"][0]["channels"]
    assert entry["value"] > 0.2


def test_what_is_not_finite_has_no_image() -> None:
    """A page's JSON has no infinity."""
    of = maximised(network(edges(np.full((3, 3), 3e38)), (6, 6, 1)), GREY, 1, silent)
    assert of["stages"] == [{"layers": [0, 1], "shown": 1, "channels": []}]


@pytest.mark.slow
def test_stages_are_those_of_the_page(browser_page: OpenPage) -> None:
    script = joined_files("stages.js")
    opened = browser_page(f'<body><script>{script}; document.body.dataset.ready = "true"</script>')
    given: dict[str, tuple[Any, tuple[int, int, int]]]
    given = {name: (drawn(MODELS[name][0]), MODELS[name][1]) for name in ("residual", "squeeze")}
    given["every layer"] = (drawn(of_every_layer), (12, 11, 3))
    shared = 0
    for model, shape in given.values():
        made = network(model, shape)
        layers = [
            {"kind": one.kind, "inputs": list(one.inputs), "out": list(one.out_shape)}
            for one in made.layers
        ]
        found = opened.evaluate("(layers) => stagesOf({ layers }, false)", layers)
        assert found[0]["layers"] == []  # the image
        ours = stages(made)
        assert [{"layers": one.layers, "shown": one.shown + 1} for one in ours] == found[1:]
        shared += sum(len(one.layers) > 1 for one in ours)
    assert shared > 8


def test_both_languages_have_every_word(browser_page: OpenPage) -> None:
    word_tables(browser_page, "maximised_words.js", "maximisedWords")


@pytest.mark.parametrize("language", [pytest.param("en", marks=pytest.mark.slow), "ja"])
def test_the_view_shows_them(
    browser_page: OpenPage, model: Any, found: tuple[Network, dict[str, Any]], language: str
) -> None:
    made, of = found
    images = pictures(3, *SHAPE)
    written = explorer_page(model, images, CLASSES, maximise=2, top_images=images)
    assert content_of(written)["maximised"] == of
    page = browser_page(written.html, viewport={"width": 390, "height": 844})
    stage = of["stages"][0]
    first, second = stage["channels"]
    at(page, stage["shown"], first["channel"], "tab=top", f"lang={language}")
    assert page.locator(".maximised-one").get_attribute("data-channel") == str(first["channel"])
    reached, now = numbers(page, ".maximised-one .numeral")
    assert reached == first["value"]
    assert now == pytest.approx(means(made, images[0], stage["shown"])[first["channel"]], rel=1e-5)
    assert page.locator(".top-pictures li").count() == 3
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    # The browser computes from the packed bytes what JAX computed.
    page.locator("[data-key=maximised-run]").click()
    reached, now = numbers(page, ".maximised-one .numeral")
    assert now == pytest.approx(reached, rel=1e-5)
    # The convolution itself has the same; a click on another picture goes to its channel.
    at(page, stage["layers"][0], first["channel"], "tab=top", f"lang={language}")
    page.locator(f'.maximised [data-channel="{second["channel"]}"] button').click()
    assert page.locator(".maximised-one").get_attribute("data-channel") == str(second["channel"])
    without = next(k for k in range(4) if k not in (first["channel"], second["channel"]))
    at(page, stage["shown"], without, "tab=top", f"lang={language}")
    assert page.locator(".maximised-one").count() == 0
    assert page.locator(".maximised li").count() == 2


@pytest.mark.slow
def test_each_of_two_models_has_its_own() -> None:
    other = edges(np.transpose(HORIZONTAL))
    made = explorer_page(
        edges(HORIZONTAL), GREY, ["a", "b"], other=("B", other), maximise=1, half=True
    )
    content = content_of(made)
    assert content["compare"]["maximised"] == maximised(network(other, (6, 6, 1)), GREY, 1, silent)
    assert content["compare"]["maximised"] != content["maximised"]


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (17, "maximise: got 17; accepted: 0 to 16 channels"),
        (-1, "maximise: got -1; accepted: 0 to 16 channels"),
        (4, "maximise: got 4; the images take 0.0 MB in a page; accepted: 0 to 2 (0 MB)"),
    ],
)
def test_a_number_that_is_not_accepted(
    model: Any, monkeypatch: pytest.MonkeyPatch, count: int, message: str
) -> None:
    monkeypatch.setattr(file, "MOST_BYTES", 4 * 288 * 3 - 1)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        explorer_page(model, pictures(1, *SHAPE), CLASSES, maximise=count)


def test_a_model_without_a_convolution_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^maximise: the model has no convolution; accepted: 0$"):
        explorer_page(build("mlp", (5, 4, 1), 3), pictures(1, 5, 4, 1), CLASSES, maximise=1)
