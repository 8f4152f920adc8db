"""Inverted images are noticed by their border; a data set's own test images are not."""

from pathlib import Path

import numpy as np
import pytest

from jcnn.data import Dataset, digits, load, mnist5k
from jcnn.data.polarity import border_brightness, has_other_polarity, training_border
from tests.animals import animals_dir
from tests.fashion import fashion_mnist_dir


def test_the_border_is_the_outermost_pixels() -> None:
    images = np.random.default_rng(3).integers(0, 256, (4, 5, 7, 3)).astype(np.uint8)
    for image, found in zip(images, border_brightness(images), strict=True):
        on_border = [
            float(np.mean(image[y, x])) / 255
            for y in range(5)
            for x in range(7)
            if y in (0, 4) or x in (0, 6)
        ]
        assert len(on_border) == 20
        assert found == pytest.approx(np.median(on_border), abs=1e-12)
    for shape in ((1, 1, 1, 1), (2, 1, 6, 1), (2, 6, 1, 3)):
        flat = np.full(shape, 51, np.uint8)
        np.testing.assert_allclose(border_brightness(flat), 0.2, atol=1e-12)


def test_few_images_of_a_large_set_are_read() -> None:
    rows = np.arange(1001)
    images = np.broadcast_to(
        (rows % 2 * 255).astype(np.uint8)[:, None, None, None], (1001, 3, 3, 1)
    )
    border = training_border(Dataset(images, (rows % 2).astype(np.int32), ("a", "b")))
    assert border is not None
    assert border[0] == pytest.approx(0.5, abs=0.05)
    assert border[1] == pytest.approx(0.5, abs=0.01)


def test_digits_are_noticed_when_they_are_inverted() -> None:
    rng = np.random.default_rng(0)
    for train, test in (mnist5k(), digits()):
        border = training_border(train)
        assert border is not None
        images = np.asarray(test.images)
        assert has_other_polarity(images, border).mean() == 0
        assert has_other_polarity(255 - images, border).all()
        # Grey ink on paper in weak and in strong light.
        light = rng.uniform(0.7, 1.2, (len(images), 1, 1, 1))
        photographed = np.clip((200 - 0.6 * images) * light, 0, 255).astype(np.uint8)
        assert has_other_polarity(photographed, border).mean() > 0.95
        # A model of black on white, too.
        inverted = (1 - border[0], border[1])
        assert has_other_polarity(images, inverted).all()
        assert not has_other_polarity(255 - images, inverted).any()


def test_clothes_have_a_background_and_photographs_have_none(cache: Path) -> None:
    for name, shape, alarms in (
        (f"idx:{fashion_mnist_dir()}", None, 1.0),
        (f"folder:{animals_dir()}", (28, 28, 1), 0.0),
    ):
        train, test = load(name, image_shape=shape)
        border = training_border(train)
        assert border is not None
        images = np.asarray(test.images)
        assert has_other_polarity(images, border).mean() <= 0.01
        found = has_other_polarity(255 - images, border).mean()
        assert found == pytest.approx(alarms, abs=0.01)
