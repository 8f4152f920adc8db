"""Converts images of more than 8 bits to 8: finds how many bits their values use."""

import struct
from typing import IO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, ImageOps

_BITS_PER_SAMPLE, _MAX_SAMPLE_VALUE = 258, 281  # tags of TIFF


class UnknownRangeError(ValueError):
    """The file does not state which values are black and white."""


def decode_8_bits(image: ImageFile.ImageFile, *, upright: bool) -> Image.Image:
    """Decode an image and convert 16-bit values to 8 bits, as `read_image` says.

    (Pillow's own conversion of grey clips at 255.) 8-bit images do not change.

    Args:
        image: opened from a stream, but not decoded yet.
        upright: whether to apply the EXIF orientation.

    Raises:
        UnknownRangeError: the values are floats, or outside 0..65535.
    """
    if image.mode == "F":
        raise UnknownRangeError("picture of floats; expected 8 or 16-bit numbers")
    stream, kind = image.fp, image.format
    deep_colour = kind == "PNG" and any(tile.args == "RGB;16B" for tile in image.tile)
    stated = _stated_bits(image) if deep_colour or image.mode.startswith("I") else None
    if upright:
        ImageOps.exif_transpose(image, in_place=True)
    if deep_colour and stream is not None:
        high = np.array(image)
        if high.max() >= 16:  # more than 12 bits are used, and Pillow has kept the high 8
            return image
        values = 256 * high.astype(np.int64) + _low_bytes(stream, upright=upright)
    elif image.mode.startswith("I"):
        values = np.array(image).astype(np.int64)
    else:
        return image
    if values.min() < 0 or values.max() > 65535:
        raise UnknownRangeError(
            f"picture with values {values.min()} to {values.max()}; "
            f"expected 16-bit numbers, 0 to 65535"
        )
    white = 2 ** _used_bits(values, kind, stated) - 1
    return Image.fromarray(((510 * values + white) // (2 * white)).astype(np.uint8))


def _low_bytes(stream: IO[bytes], *, upright: bool) -> npt.NDArray[np.uint8]:
    """The low bytes of a 16-bit colour PNG, which Pillow drops: read in the other byte order."""
    stream.seek(0)
    with Image.open(stream, formats=("PNG",)) as image:
        image.tile = [tile._replace(args="RGB;16L") for tile in image.tile]
        if upright:
            ImageOps.exif_transpose(image, in_place=True)
        return np.array(image, np.uint8)


def _stated_bits(image: ImageFile.ImageFile) -> int | None:
    """The significant bits that a 16-bit file states; None if it states none."""
    if image.format == "PPM":
        return 16
    if image.format == "PNG":
        return _significant_bits(image)
    if image.format != "TIFF":
        return None
    tags = image.getexif()
    bits = int(np.atleast_1d(tags.get(_BITS_PER_SAMPLE, 16))[0])
    if bits < 16:
        return bits
    largest = tags.get(_MAX_SAMPLE_VALUE)
    return None if largest is None else int(np.atleast_1d(largest)[0]).bit_length() or None


def _used_bits(values: npt.NDArray[np.int64], kind: str | None, stated: int | None) -> int:
    """The number of bits of these values' white."""
    largest = int(values.max())
    if stated is None:
        return 12 if largest < 2**12 else 16
    if largest >= 2**stated or (kind == "PNG" and _are_scaled(values, stated)):
        return 16
    return stated


def _are_scaled(values: npt.NDArray[np.int64], bits: int) -> bool:
    """Whether these are values of fewer bits, scaled to 16 as the PNG specification recommends."""
    numbers, white = values >> (16 - bits), 2**bits - 1
    shifted = numbers << (16 - bits)
    linear = (numbers * 65535 + white // 2) // white
    return bool((values == shifted).all() or (abs(values - linear) <= 1).all())


def _significant_bits(image: ImageFile.ImageFile) -> int | None:
    """The first channel's entry in the chunk sBIT of a PNG, which Pillow does not read."""
    stream = image.fp
    if stream is None:
        return None
    place, bits = stream.tell(), None
    stream.seek(8)  # after the signature; Pillow has checked all chunks before the pixels
    while len(head := stream.read(8)) == 8:
        size, kind = struct.unpack(">I4s", head)
        if kind == b"IDAT":
            break
        if kind == b"sBIT" and size > 0:
            bits = stream.read(1)[0]
            break
        stream.seek(size + 4, 1)
    stream.seek(place)
    return bits if bits is not None and 1 <= bits <= 16 else None
