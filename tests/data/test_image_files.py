"""Images are read as a viewer shows them; an invalid file raises one line that names it."""

import io
import re
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from jcnn.data import DataError, read_image

Pixels = npt.NDArray[np.uint8]
Turn = Callable[[Pixels], Pixels]
RANDOM = np.random.default_rng(11)
GREY = RANDOM.integers(0, 256, (5, 7), np.uint8)
COLOUR = RANDOM.integers(0, 256, (5, 7, 3), np.uint8)


def saved(picture: Image.Image, path: Path, **options: Any) -> Path:
    picture.save(path, **options)
    return path


def luminance(colour: Pixels) -> npt.NDArray[np.float64]:
    return np.asarray(colour @ np.array([0.299, 0.587, 0.114]), np.float64)


def png_16_bit(values: npt.NDArray[np.uint16], colour_type: int, bits: bytes = b"") -> bytes:
    """Write a PNG from the specification: Pillow writes no 16-bit colour and no sBIT (`bits`).

    `values` is (H, W, channels).
    """

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0))
        + chunk(b"tEXt", b"Comment\0sBIT")
        + (chunk(b"sBIT", bits) if bits else b"")
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tiff", "a.pgm", "a.gif"])
def test_grey_of_the_right_size_keeps_its_pixels(tmp_path: Path, name: str) -> None:
    path = saved(Image.fromarray(GREY), tmp_path / name)
    read = read_image(str(path), (5, 7, 1))
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, GREY[..., None], strict=True)
    np.testing.assert_array_equal(read_image(path, (5, 7, 3)), GREY[..., None].repeat(3, 2))


@pytest.mark.parametrize(
    ("name", "options"),
    [("a.png", {}), ("a.bmp", {}), ("a.tif", {}), ("a.ppm", {}), ("a.webp", {"lossless": True})],
)
def test_colour_keeps_its_pixels(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    path = saved(Image.fromarray(COLOUR), tmp_path / name, **options)
    np.testing.assert_array_equal(read_image(path, (5, 7, 3)), COLOUR, strict=True)
    read = read_image(path, (5, 7, 1))[..., 0]
    np.testing.assert_allclose(read, luminance(COLOUR), rtol=0, atol=0.51)


def test_the_name_does_not_matter(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "a.png")
    path = (tmp_path / "a.png").rename(tmp_path / "picture of\nno kind")
    np.testing.assert_array_equal(read_image(path, (5, 7, 1))[..., 0], GREY)


def test_jpeg_is_close(tmp_path: Path) -> None:
    smooth = np.linspace(0, 255, 16 * 16).reshape(16, 16).astype(np.uint8)
    path = saved(Image.fromarray(smooth), tmp_path / "a.jpg", quality=100)
    read = read_image(path, (16, 16, 1))[..., 0]
    np.testing.assert_allclose(read, smooth.astype(float), rtol=0, atol=2)


def test_1_bit_is_black_and_white(tmp_path: Path) -> None:
    path = saved(Image.fromarray(GREY > 127), tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(path, (5, 7, 1))[..., 0], (GREY > 127) * 255)


def test_cmyk_black_and_white(tmp_path: Path) -> None:
    # Four inks of 0 are white; full black ink is black.
    inks = Image.frombytes("CMYK", (2, 1), bytes([0, 0, 0, 0, 0, 0, 0, 255]))
    path = saved(inks, tmp_path / "a.tif")
    assert read_image(path, (1, 2, 1)).ravel().tolist() == [255, 0]


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_a_16_bit_gradient_maps_exactly(tmp_path: Path, name: str) -> None:
    every = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    read = read_image(saved(Image.fromarray(every), tmp_path / name), (256, 256, 1))
    np.testing.assert_array_equal(read.ravel(), np.rint(np.arange(65536) / 257))
    np.testing.assert_array_equal(read.ravel()[::257], np.arange(256))


def test_a_16_bit_pgm_maps_exactly(tmp_path: Path) -> None:
    # Pillow reads this one as 32-bit integers.
    path = tmp_path / "a.pgm"
    path.write_bytes(b"P5 4 1 65535\n" + np.array([0, 257, 25700, 65535], ">u2").tobytes())
    assert read_image(path, (1, 4, 1)).ravel().tolist() == [0, 1, 100, 255]


def file_of_16_bits(
    path: Path, values: npt.NDArray[np.uint16], *, sbit: int = 0, white: int = 0
) -> Path:
    """Write grey values: a PNG with its chunk sBIT, a TIFF with MaxSampleValue, or a PGM."""
    if path.suffix == ".png":
        path.write_bytes(png_16_bit(values[..., None], 0, bytes([sbit] * bool(sbit))))
    elif path.suffix == ".pgm":
        size = f"{values.shape[1]} {values.shape[0]}"
        path.write_bytes(f"P5 {size} {white}\n".encode() + values.astype(">u2").tobytes())
    else:
        tags: dict[int, Any] = {281: white} if white else {}
        Image.fromarray(values).save(path, tiffinfo=tags)
    return path


RAMP_12 = np.arange(4096, dtype=np.uint16).reshape(64, 64)
RAMP_10 = np.arange(1024, dtype=np.uint16).reshape(32, 32)


@pytest.mark.parametrize(
    ("name", "values", "says", "white"),
    [
        # The file states no bits: 12 if they suffice, else 16.
        ("a.png", RAMP_12, {}, 4095),
        ("a.tif", RAMP_12, {}, 4095),
        ("a.png", RAMP_10, {}, 4095),
        ("a.png", RAMP_12 + 1, {}, 65535),
        ("a.tif", np.zeros((2, 3), np.uint16), {}, 4095),
        # The file states the bits used.
        ("a.png", RAMP_10, {"sbit": 10}, 1023),
        ("a.png", RAMP_12, {"sbit": 12}, 4095),
        ("a.png", RAMP_12, {"sbit": 14}, 16383),
        ("a.png", RAMP_12, {"sbit": 16}, 65535),
        ("a.png", RAMP_12 + 1, {"sbit": 12}, 65535),
        ("a.png", RAMP_12, {"sbit": 99}, 4095),
        ("a.tif", RAMP_10, {"white": 1023}, 1023),
        ("a.tif", RAMP_12, {"white": 65535}, 65535),
        ("a.tif", RAMP_12 + 1, {"white": 4095}, 65535),
        ("a.pgm", RAMP_10, {"white": 1023}, 1023),
        ("a.pgm", RAMP_12, {"white": 4095}, 4095),
        ("a.pgm", RAMP_12, {"white": 65535}, 65535),
        # A dark image that was scaled to 16 bits, as the PNG specification recommends, stays dark.
        ("a.png", RAMP_12[:4] * 16, {"sbit": 12}, 65535),
        ("a.png", np.rint(RAMP_10[:1] * (65535 / 1023)).astype(np.uint16), {"sbit": 10}, 65535),
    ],
)
def test_the_bits_that_a_16_bit_file_uses(
    tmp_path: Path, name: str, values: npt.NDArray[np.uint16], says: dict[str, int], white: int
) -> None:
    path = file_of_16_bits(tmp_path / name, values, **says)
    read = read_image(path, (*values.shape, 1))[..., 0]
    # Within half a grey level. Pillow first scales a PGM's values to 16 bits.
    off = np.abs(read - values.astype(np.float64) * 255 / white)
    assert off.max() <= (0.501 if name == "a.pgm" else 0.5)


@pytest.mark.parametrize(
    ("largest", "bits", "white"), [(4095, b"", 4095), (1023, b"\n\n\n", 1023), (4096, b"", 65535)]
)
def test_12_bits_of_colour(tmp_path: Path, largest: int, bits: bytes, white: int) -> None:
    values = RANDOM.integers(0, largest + 1, (5, 7, 3)).astype(np.uint16)
    values[1, 2, 0] = largest
    path = tmp_path / "a.png"
    path.write_bytes(png_16_bit(values, 2, bits))
    off = np.abs(read_image(path, (5, 7, 3)) - values.astype(np.float64) * 255 / white)
    assert off.max() <= (1 if white == 65535 else 0.5)  # the high byte alone is less exact


def test_a_tiff_of_12_packed_bits(tmp_path: Path) -> None:
    values = RAMP_12[:1, :64].astype(np.uint16)
    values[0, -1] = 900  # dark, although the file allows brighter values
    pairs = values.reshape(-1, 2).astype(np.uint32)
    packed = ((pairs[:, 0] << 12) | pairs[:, 1]).astype(">u4").view(np.uint8).reshape(-1, 4)[:, 1:]
    tags = [(256, 64), (257, 1), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, 1)]
    tags.append((279, packed.size))
    head = b"II*\0" + struct.pack("<I", 8 + packed.size) + packed.tobytes()
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    path = tmp_path / "a.tif"
    path.write_bytes(head + struct.pack("<H", len(tags)) + entries + bytes(4))
    read = read_image(path, (1, 64, 1)).ravel()
    assert np.abs(read - values.ravel() * (255 / 4095)).max() <= 0.5


@pytest.mark.parametrize(("colour_type", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_16_bit_colour_and_alpha(tmp_path: Path, colour_type: int, channels: int) -> None:
    values = np.full((1, 256, channels), 65535, np.uint16)
    values[..., : 3 if channels > 2 else 1] = np.arange(256)[None, :, None] * 257
    path = tmp_path / "a.png"
    path.write_bytes(png_16_bit(values, colour_type))
    np.testing.assert_array_equal(read_image(path, (1, 256, 1)).ravel(), np.arange(256))


def test_32_bit_beyond_16_bits_is_refused(tmp_path: Path) -> None:
    values = np.array([[-5, 70000]], np.int32)
    path = saved(Image.fromarray(values), tmp_path / "a.tif")
    assert refused(path) == ("picture with values -5 to 70000; expected 16-bit numbers, 0 to 65535")


def test_floats_are_refused(tmp_path: Path) -> None:
    path = saved(Image.fromarray(np.zeros((2, 2), np.float32)), tmp_path / "a.tif")
    assert refused(path) == "picture of floats; expected 8 or 16-bit numbers"


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_alpha_is_laid_over_white(tmp_path: Path, mode: str) -> None:
    alpha = RANDOM.integers(0, 256, GREY.shape, np.uint8)
    picture = Image.fromarray(GREY).convert(mode)
    picture.putalpha(Image.fromarray(alpha))
    read = read_image(saved(picture, tmp_path / "a.png"), (5, 7, 1))[..., 0]
    expected = 255 + (GREY.astype(float) - 255) * alpha / 255
    np.testing.assert_allclose(read, expected, rtol=0, atol=1)


@pytest.mark.parametrize("name", ["a.png", "a.gif"])
def test_palette_with_transparency(tmp_path: Path, name: str) -> None:
    picture = Image.frombytes("P", (3, 1), bytes([0, 1, 2]))
    picture.putpalette([10, 20, 30, 200, 100, 50, 0, 0, 0])
    path = saved(picture, tmp_path / name, transparency=1)
    expected = [[10, 20, 30], [255, 255, 255], [0, 0, 0]]
    assert read_image(path, (1, 3, 3))[0].tolist() == expected


def test_palette_with_partial_transparency(tmp_path: Path) -> None:
    picture = Image.frombytes("P", (3, 1), bytes([0, 1, 2]))
    picture.putpalette([0, 0, 0] * 3)
    path = saved(picture, tmp_path / "a.png", transparency=bytes([0, 51, 255]))
    assert read_image(path, (1, 3, 1)).ravel().tolist() == [255, 204, 0]


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.tif"])
@pytest.mark.parametrize(
    ("orientation", "back"),
    [  # EXIF 2.3, tag 274: what must be done to the stored image to see it upright.
        (1, lambda p: p),
        (2, lambda p: p[:, ::-1]),
        (3, lambda p: p[::-1, ::-1]),
        (4, lambda p: p[::-1]),
        (5, lambda p: p.T),
        (6, lambda p: np.rot90(p, -1)),
        (7, lambda p: p[::-1, ::-1].T),
        (8, lambda p: np.rot90(p)),
    ],
)
def test_exif_orientation_is_honoured(
    tmp_path: Path, name: str, orientation: int, back: Turn
) -> None:
    stored = np.kron([[0, 80, 160], [240, 40, 120]], np.ones((16, 16))).astype(np.uint8)
    exif = Image.Exif()
    exif[274] = orientation
    path = saved(Image.fromarray(stored), tmp_path / name, exif=exif)
    upright = back(stored)
    read = read_image(path, (*upright.shape, 1))[..., 0]
    np.testing.assert_allclose(read, upright.astype(float), rtol=0, atol=8)


@pytest.mark.parametrize("size", [(28, 28), (3, 50), (90, 8), (1, 1)])
def test_resize_is_a_triangle_filter_with_antialiasing(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    picture = RANDOM.integers(0, 256, (31, 47), np.uint8)
    path = saved(Image.fromarray(picture), tmp_path / "a.png")
    rows, columns = (triangle(n, out) for n, out in zip(picture.shape, size, strict=True))
    expected = rows @ picture @ columns.T
    read = read_image(path, (*size, 1))[..., 0]
    np.testing.assert_allclose(read, expected, rtol=0, atol=1.01)  # Pillow rounds each axis


def triangle(size: int, out: int) -> npt.NDArray[np.float64]:
    """Weights of one axis: a triangle about each output pixel, as wide as its source pixels."""
    scale = size / out
    distance = np.arange(size) + 0.5 - (np.arange(out)[:, None] + 0.5) * scale
    weights = np.maximum(0, 1 - np.abs(distance) / max(scale, 1))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float64)


@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 2), (28, 28, 4), (0, 28, 1), (28, -1, 3)])
def test_a_wrong_shape_is_refused(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    message = f"image_shape: got {shape}; expected (H, W, C) with C = 1 or 3"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        read_image(tmp_path / "none.png", shape)


def refused(path: Path) -> str:
    """Read a file that must raise a one-line DataError; return the reason after the file name."""
    before = list(warnings.filters)
    with pytest.raises(DataError) as caught:
        read_image(path, (4, 4, 1))
    assert warnings.filters == before
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.isprintable()
    return message.removeprefix(f"{path}: ")


def test_missing_empty_and_foreign_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"^{re.escape(str(tmp_path))}/no: no such file$"):
        read_image(tmp_path / "no", (4, 4, 1))
    assert refused(tmp_path) == "a folder; expected a file"
    path = tmp_path / "wrong.png"
    for data in (b"", b"words", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"):
        path.write_bytes(data)
        assert refused(path) == (
            "not an image; expected one of BMP, GIF, JPEG, PNG, PPM, TIFF, WEBP"
        )


def test_half_a_picture_is_refused(tmp_path: Path) -> None:
    path = saved(Image.fromarray(RANDOM.integers(0, 256, (64, 64), np.uint8)), tmp_path / "a.png")
    path.write_bytes(path.read_bytes()[:2000])
    assert refused(path).startswith("damaged image (")


@pytest.mark.parametrize("side", [11, 40])  # Pillow warns above its limit, refuses above twice it
def test_a_decompression_bomb_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, side: int
) -> None:
    path = saved(Image.new("L", (side, side)), tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert refused(path) == "too large an image; expected at most 100 pixels"


def whole(kind: str) -> bytes:
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[274] = 6
    options = {} if kind in ("GIF", "BMP", "PPM") else {"exif": exif}
    Image.fromarray(COLOUR).save(stream, kind, **options)
    return stream.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures")


@pytest.mark.parametrize("kind", ["BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP"])
@given(data=st.data())
def test_damage_is_a_data_error_or_harmless(folder: Path, kind: str, data: st.DataObject) -> None:
    content = bytearray(whole(kind))
    changes = st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=4)
    for position, value in data.draw(changes):
        content[position] = value
    path = folder / kind
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    try:
        read = read_image(path, (4, 4, 3))
    except DataError as error:
        assert str(error).startswith(f"{path}: ")
        assert str(error).isprintable()
    else:
        assert read.shape == (4, 4, 3)
