"""Rarer image modes, written by Pillow, and the shape that `read_image_shape` finds in headers."""

import io
import re
import threading
import warnings
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from jcnn.data import DataError, read_image
from jcnn.data.image_files import read_image_shape

RANDOM = np.random.default_rng(7)
GREY = RANDOM.integers(0, 256, (5, 7), np.uint8)
COLOUR = RANDOM.integers(0, 256, (5, 7, 3), np.uint8)


def cmyk_of(rgb: list[list[int]]) -> Image.Image:
    """CMYK inks without black: cyan is 255 - red."""
    inks = [[255 - light for light in colour] + [0] for colour in rgb]
    return Image.frombytes("CMYK", (len(rgb), 1), bytes(chain(*inks)))


def test_cmyk_inks_take_their_light(tmp_path: Path) -> None:
    colours = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [200, 100, 50], [255, 255, 255]]
    cmyk_of(colours).save(tmp_path / "a.tif")
    assert read_image(tmp_path / "a.tif", (1, 5, 3))[0].tolist() == colours


def test_cmyk_jpeg_is_inverted_as_adobe_has_it(tmp_path: Path) -> None:
    # Adobe stores CMYK in JPEG as 255 - ink and marks the file; others omit the mark, but store
    # the same values.
    colour = [200, 100, 50]
    stream = io.BytesIO()
    cmyk_of([colour]).resize((16, 16)).save(stream, "JPEG", quality=100, subsampling=0)
    marked = stream.getvalue()
    start = marked.index(b"\xff\xee\0\x0eAdobe")
    (tmp_path / "marked.jpg").write_bytes(marked)
    (tmp_path / "plain.jpg").write_bytes(marked[:start] + marked[start + 16 :])
    for name in ("marked.jpg", "plain.jpg"):
        read = read_image(tmp_path / name, (16, 16, 3)).astype(int)
        np.testing.assert_allclose(read, np.full((16, 16, 3), colour), rtol=0, atol=3)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_is_read(tmp_path: Path, kind: str) -> None:
    frames = [Image.fromarray(RANDOM.integers(0, 256, (9, 8), np.uint8)) for _ in range(3)]
    path = tmp_path / f"a.{kind.lower()}"
    options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {}
    frames[0].save(path, kind, save_all=True, append_images=frames[1:], duration=50, **options)
    with Image.open(path) as opened:
        assert getattr(opened, "n_frames", 1) == 3
    np.testing.assert_array_equal(read_image(path, (9, 8, 1))[..., 0], np.asarray(frames[0]))
    assert read_image_shape(path)[:2] == (9, 8)


def test_grey_with_alpha_as_webp(tmp_path: Path) -> None:
    picture = Image.fromarray(np.stack([GREY, GREY[::-1]], axis=-1))
    assert picture.mode == "LA"
    picture.save(tmp_path / "a.webp", lossless=True, exact=True)
    alpha = GREY[::-1].astype(float)
    expected = 255 + (GREY.astype(float) - 255) * alpha / 255
    read = read_image(tmp_path / "a.webp", (5, 7, 1))[..., 0]
    np.testing.assert_allclose(read, expected, rtol=0, atol=1)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_of_grey_span_black_to_white(tmp_path: Path, bits: int) -> None:
    # A grey PNG of fewer bits, made from a palette of greys.
    steps = 2**bits
    picture = Image.frombytes("P", (steps, 1), bytes(range(steps)))
    picture.putpalette(
        [value for step in range(steps) for value in [255 * step // (steps - 1)] * 3]
    )
    picture.save(tmp_path / "a.png", bits=bits)
    expected = [255 * step // (steps - 1) for step in range(steps)]
    assert read_image(tmp_path / "a.png", (1, steps, 1)).ravel().tolist() == expected
    assert read_image_shape(tmp_path / "a.png") == (1, steps, 1)


@pytest.mark.parametrize(
    ("picture", "name", "channels"),
    [
        (Image.fromarray(GREY), "a.png", 1),
        (Image.fromarray(GREY), "a.jpg", 1),
        (Image.fromarray(GREY), "a.gif", 1),
        (Image.fromarray(GREY), "a.bmp", 1),
        (Image.fromarray(GREY > 99), "a.png", 1),
        (Image.fromarray(GREY > 99), "a.bmp", 1),
        (Image.fromarray(GREY).convert("LA"), "a.png", 1),
        (Image.fromarray(GREY.astype(np.uint16) * 257), "a.png", 1),
        (Image.fromarray(GREY.astype(np.uint16) * 257), "a.tif", 1),
        (Image.fromarray(GREY).convert("RGB").quantize(8), "a.png", 1),
        (Image.fromarray(COLOUR), "a.png", 3),
        (Image.fromarray(COLOUR), "a.jpg", 3),
        (Image.fromarray(COLOUR), "a.webp", 3),
        (Image.fromarray(COLOUR).quantize(8), "a.png", 3),
        (Image.fromarray(COLOUR).quantize(8), "a.gif", 3),
        (Image.fromarray(COLOUR).quantize(8), "a.bmp", 3),
        (Image.fromarray(COLOUR).convert("CMYK"), "a.jpg", 3),
        (Image.fromarray(COLOUR).convert("LAB"), "a.tif", 3),
        (Image.fromarray(COLOUR).convert("RGBA"), "a.png", 3),
    ],
)
def test_the_head_tells_size_and_colour(
    tmp_path: Path, picture: Image.Image, name: str, channels: int
) -> None:
    picture.save(tmp_path / name)
    assert read_image_shape(tmp_path / name) == (5, 7, channels)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_head_tells_the_size_upright(tmp_path: Path, name: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(COLOUR).save(tmp_path / name, exif=exif)
    expected = (5, 7, 3) if orientation < 5 else (7, 5, 3)
    assert read_image_shape(tmp_path / name) == expected


def test_the_head_of_what_is_no_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"")
    with pytest.raises(DataError, match=f"^{re.escape(str(path))}: not an image; expected one"):
        read_image_shape(path)
    with pytest.raises(FileNotFoundError, match=r"b\.png: no such file"):
        read_image_shape(tmp_path / "b.png")
    Image.fromarray(GREY).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 30)
    with pytest.raises(DataError, match=r"a\.png: too large an image; expected at most 30 pixels"):
        read_image_shape(path)


def test_many_threads_leave_the_warnings_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two readers overlap: the second is still reading when the first ends.
    good, bomb = tmp_path / "good.png", tmp_path / "bomb.png"
    Image.fromarray(GREY).save(good)
    Image.new("L", (40, 40)).save(bomb)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    first_is_in, second_is_in, first_left = (threading.Event() for _ in range(3))
    warnings.simplefilter("ignore")  # otherwise pytest would raise the warning as an error
    before, outcomes = list(warnings.filters), []
    exif_transpose = "PIL.ImageOps.exif_transpose"

    def wait(*_args: object, **_options: object) -> None:
        if threading.current_thread().name == "first":
            first_is_in.set()
            assert second_is_in.wait(10)
        else:
            second_is_in.set()
            assert first_left.wait(10)

    monkeypatch.setattr(exif_transpose, wait)

    def read(path: Path) -> None:
        read_image(path, (5, 7, 1))
        outcomes.append(threading.current_thread().name)

    first = threading.Thread(target=read, args=(good,), name="first")
    second = threading.Thread(target=read, args=(good,), name="second")
    first.start()
    assert first_is_in.wait(10)
    second.start()
    first.join(10)
    # The first has ended; the warning is still an error while the second is reading.
    with pytest.raises(DataError, match="too large an image"):
        read_image(bomb, (5, 7, 1))
    first_left.set()
    second.join(10)
    assert outcomes == ["first", "second"]
    assert warnings.filters == before
