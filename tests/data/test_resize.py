"""Stretch, crop and pad, each against its definition in NumPy float64."""

import itertools
from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from jcnn.data import read_image
from jcnn.data.request import Resize

RANDOM = np.random.default_rng(5)
SIZES = [(28, 28), (3, 50), (90, 8), (1, 1), (31, 47), (62, 94), (17, 40)]


def tent(
    size: int, out: int, start: float = 0, length: float | None = None
) -> npt.NDArray[np.float64]:
    """Weights `(out, size)` that resize `length` pixels, beginning at `start`, to `out` pixels."""
    scale = (size if length is None else length) / out
    distance = np.arange(size) + 0.5 - (start + (np.arange(out)[:, None] + 0.5) * scale)
    weights = np.maximum(0, 1 - np.abs(distance) / max(scale, 1))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float64)


def saved(pixels: npt.NDArray[np.uint8], folder: Path) -> Path:
    path = folder / "a.png"
    Image.fromarray(pixels).save(path)
    return path


def picture(height: int = 31, width: int = 47) -> npt.NDArray[np.uint8]:
    return RANDOM.integers(0, 256, (height, width), np.uint8)


@pytest.mark.parametrize("size", SIZES)
def test_stretch_weighs_all_pixels(tmp_path: Path, size: tuple[int, int]) -> None:
    pixels = picture()
    rows, columns = (tent(n, out) for n, out in zip(pixels.shape, size, strict=True))
    read = read_image(saved(pixels, tmp_path), (*size, 1), "stretch")[..., 0]
    np.testing.assert_allclose(read, rows @ pixels @ columns.T, rtol=0, atol=1.01)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("source", [(31, 47), (47, 31), (40, 40), (1, 9)])
def test_crop_fills_with_the_middle(
    tmp_path: Path, source: tuple[int, int], size: tuple[int, int]
) -> None:
    pixels = picture(*source)
    scale = min(
        n / out for n, out in zip(source, size, strict=True)
    )  # source pixels per output pixel
    rows, columns = (
        tent(n, out, (n - out * scale) / 2, out * scale)
        for n, out in zip(source, size, strict=True)
    )
    read = read_image(saved(pixels, tmp_path), (*size, 1), "crop")[..., 0]
    np.testing.assert_allclose(read, rows @ pixels @ columns.T, rtol=0, atol=1.01)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("source", [(31, 47), (47, 31), (40, 40), (1, 9)])
def test_pad_shows_all_on_black(
    tmp_path: Path, source: tuple[int, int], size: tuple[int, int]
) -> None:
    pixels = np.maximum(picture(*source), 1)
    scale = max(n / out for n, out in zip(source, size, strict=True))
    inner = [max(1, round(n / scale)) for n in source]
    rows, columns = (tent(n, out) for n, out in zip(source, inner, strict=True))
    expected = np.zeros(size)
    top, left = ((out - n) // 2 for out, n in zip(size, inner, strict=True))
    expected[top : top + inner[0], left : left + inner[1]] = rows @ pixels @ columns.T
    read = read_image(saved(pixels, tmp_path), (*size, 1), "pad")[..., 0]
    np.testing.assert_allclose(read, expected, rtol=0, atol=1.01)


def test_crop_and_pad_by_hand(tmp_path: Path) -> None:
    pixels = np.arange(2 * 6, dtype=np.uint8).reshape(2, 6) * 10
    path = saved(pixels, tmp_path)
    np.testing.assert_array_equal(read_image(path, (2, 2, 1), "crop")[..., 0], pixels[:, 2:4])
    padded = read_image(path, (5, 6, 1), "pad")[..., 0]
    np.testing.assert_array_equal(padded[1:3], pixels)
    assert not padded[0].any()
    assert not padded[3:].any()


@pytest.mark.parametrize("resize", get_args(Resize))
@pytest.mark.parametrize("channels", [1, 3])
def test_the_right_size_keeps_its_pixels(tmp_path: Path, resize: Resize, channels: int) -> None:
    pixels = RANDOM.integers(0, 256, (5, 7, channels), np.uint8)
    path = saved(pixels.squeeze(), tmp_path)
    np.testing.assert_array_equal(read_image(path, (5, 7, channels), resize), pixels)


def test_the_ways_differ_but_for_equal_proportions(tmp_path: Path) -> None:
    path = saved(picture(20, 40), tmp_path)
    for shape, equal in (((10, 20, 1), True), ((10, 10, 1), False)):
        read = [read_image(path, shape, resize) for resize in get_args(Resize)]
        for one, other in itertools.combinations(read, 2):
            assert np.array_equal(one, other) == equal


@pytest.mark.parametrize("resize", get_args(Resize))
def test_a_turned_picture_is_resized_upright(tmp_path: Path, resize: Resize) -> None:
    pixels = picture(20, 44)
    upright = read_image(saved(pixels, tmp_path), (16, 16, 1), resize)
    exif = Image.Exif()
    exif[274] = 8  # rotate by 90 degrees to the left
    Image.fromarray(np.rot90(pixels, -1).copy()).save(tmp_path / "b.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "b.png", (16, 16, 1), resize), upright)


def test_extreme_proportions_keep_one_pixel(tmp_path: Path) -> None:
    read = read_image(saved(np.full((1, 1000), 200, np.uint8), tmp_path), (9, 9, 1), "pad")
    assert read.max(axis=(1, 2)).tolist() == read.min(axis=(1, 2)).tolist()
    assert read[:, 0, 0].tolist() == [0, 0, 0, 0, 200, 0, 0, 0, 0]
