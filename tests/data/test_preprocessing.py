"""Preprocessing: its arithmetic against NumPy float64, its JSON and its texts."""

import dataclasses
import json
import re
from typing import Any

import jax
import numpy as np
import numpy.typing as npt
import pytest

from jcnn.data.batches import normalise
from jcnn.data.preprocessing import Preprocessing, scaled

RANDOM = np.random.default_rng(11)
IMAGENET = Preprocessing((5, 4), "crop", "rgb", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
LITE = Preprocessing((5, 4), "crop", "rgb", (127 / 255,) * 3, (128 / 255,) * 3)
CAFFE = Preprocessing((5, 4), "pad", "bgr", (0.41, 0.46, 0.48), (1 / 255,) * 3)


def pictures(channels: int, count: int = 3) -> npt.NDArray[np.uint8]:
    return RANDOM.integers(0, 256, (count, 5, 4, channels), np.uint8)


def expected(images: npt.NDArray[np.uint8], of: Preprocessing) -> npt.NDArray[np.float64]:
    """The definition, one channel of the result after the other."""
    order = {"grey": [0], "rgb": [0, 1, 2], "bgr": [2, 1, 0]}[of.channels]
    return np.stack(
        [
            (images[..., source].astype(np.float64) / 255 - of.mean[i]) / of.deviation[i]
            for i, source in enumerate(order)
        ],
        axis=-1,
    )


@pytest.mark.parametrize("of", [IMAGENET, LITE, CAFFE])
@pytest.mark.parametrize("compiled", [False, True])
def test_the_arithmetic(of: Preprocessing, compiled: bool) -> None:
    images = pictures(3)
    result = (jax.jit(of) if compiled else of)(images)
    assert result.dtype == np.float32
    # Three roundings in 0..1, divided by the deviation; then relative.
    tolerance = 3 * 2**-24 / min(of.deviation)
    np.testing.assert_allclose(result, expected(images, of), rtol=2**-23, atol=tolerance)


def test_lite_is_its_authors_formula() -> None:
    images = pictures(3)
    formula = (images.astype(np.float64) - 127) / 128
    np.testing.assert_allclose(LITE(images), formula, rtol=2**-23, atol=4e-7)


@pytest.mark.parametrize("channels", [1, 3])
def test_mean_0_and_deviation_1_are_normalise_bit_for_bit(channels: int) -> None:
    images = np.tile(np.arange(256, dtype=np.uint8)[:, None, None, None], (1, 5, 4, channels))
    plain = scaled((5, 4, channels))
    np.testing.assert_array_equal(plain(images), normalise(images), strict=True)
    np.testing.assert_array_equal(jax.jit(plain)(images), jax.jit(normalise)(images), strict=True)


def test_it_is_a_static_argument() -> None:
    images = pictures(1)
    apply = jax.jit(lambda of, x: of(x), static_argnums=0)
    grey = Preprocessing((5, 4), "pad", "grey", (0.5,), (0.25,))
    np.testing.assert_allclose(apply(grey, images), expected(images, grey), atol=1e-6)
    assert hash(grey) == hash(dataclasses.replace(grey))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 5, 4, 3), np.float32), "images: got dtype float32; expected uint8"),
        (pictures(1), "images: got shape (3, 5, 4, 1); expected (N, 5, 4, 3)"),
        (pictures(3)[0], "images: got shape (5, 4, 3); expected (N, 5, 4, 3)"),
        (pictures(3)[:, :4], "images: got shape (3, 4, 4, 3); expected (N, 5, 4, 3)"),
    ],
)
def test_other_images_are_refused(images: npt.NDArray[Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        IMAGENET(images)


@pytest.mark.parametrize("of", [IMAGENET, LITE, CAFFE, scaled((28, 28, 1), "pad")])
def test_json_is_read_back(of: Preprocessing) -> None:
    assert Preprocessing.from_json(json.loads(json.dumps(of.to_json()))) == of
    assert Preprocessing.from_json(of.to_json()) == of


GOOD = IMAGENET.to_json()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "preprocessing: got []; accepted: a JSON object"),
        (GOOD | {"sise": 1}, "preprocessing: got the field 'sise'; accepted: size, resize, "),
        ({"size": [1, 1]}, "preprocessing: resize is missing"),
        (GOOD | {"size": [5]}, "preprocessing: size: got (5,); accepted: (H, W), two ints >= 1"),
        (GOOD | {"size": [5, 0]}, "preprocessing: size: got (5, 0); accepted: (H, W), two ints"),
        (GOOD | {"size": [5, True]}, "preprocessing: size: got (5, True); accepted: (H, W), two"),
        (GOOD | {"size": [5.0, 4]}, "preprocessing: size: got (5.0, 4); accepted: (H, W), two"),
        (GOOD | {"size": "5x4"}, "preprocessing: size: got '5x4'; accepted: (H, W), two ints >= 1"),
        (
            GOOD | {"resize": "cropp"},
            "preprocessing: resize: got 'cropp'; accepted: stretch, crop, pad; did you mean 'crop'",
        ),
        (GOOD | {"resize": [1]}, "preprocessing: resize: got (1,); accepted: stretch, crop, pad"),
        (GOOD | {"resize": {}}, "preprocessing: resize: got {}; accepted: stretch, crop, pad"),
        (
            GOOD | {"channels": "RGB"},
            "preprocessing: channels: got 'RGB'; accepted: grey, rgb, bgr; did you mean 'rgb'?",
        ),
        (GOOD | {"channels": "grey"}, "preprocessing: mean: got (0.485, 0.456, 0.406); accepted: "),
        (
            GOOD | {"mean": 0.5},
            "preprocessing: mean: got 0.5; accepted: a tuple of 3 numbers, -1e+06 to 1e+06",
        ),
        (GOOD | {"mean": [0, 0, "0"]}, "preprocessing: mean: got (0, 0, '0'); accepted: a tuple"),
        (GOOD | {"mean": [0, 0, np.nan]}, "preprocessing: mean: got (0, 0, nan); accepted: a tup"),
        (GOOD | {"mean": [0, [0], 0]}, "preprocessing: mean: got (0, [0], 0); accepted: a tuple"),
        (
            GOOD | {"deviation": [1, 1, 0]},
            "preprocessing: deviation: got (1, 1, 0); accepted: a tuple of 3 numbers, 1e-06 to",
        ),
        (GOOD | {"deviation": [1, -1, 1]}, "preprocessing: deviation: got (1, -1, 1); accepted: "),
        (GOOD | {"mean": [0, 0, 10**400]}, "preprocessing: mean: got (0, 0, 1000000"),
        (GOOD | {"deviation": [1, 1, 1e-9]}, "preprocessing: deviation: got (1, 1, 1e-09); acc"),
        (GOOD | {"deviation": [1, 1]}, "preprocessing: deviation: got (1, 1); accepted: a tuple"),
    ],
)
def test_a_wrong_field_is_named(content: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        Preprocessing.from_json(content)


def test_it_describes_itself() -> None:
    assert scaled((28, 28, 1)).describe() == "resized to 28 x 28 (stretch), grey, x / 255"
    assert LITE.describe() == "resized to 5 x 4 (crop), RGB, (x / 255 - 0.498) / 0.502"
    assert IMAGENET.describe() == (
        "resized to 5 x 4 (crop), RGB, (x / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)"
    )
    assert CAFFE.describe() == (
        "resized to 5 x 4 (pad), BGR, (x / 255 - (0.41, 0.46, 0.48)) / 0.003922"
    )
