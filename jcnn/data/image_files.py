"""Reads an image file of any size and mode as the `(H, W, C)` uint8 array of a model."""

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, UnidentifiedImageError

from jcnn.data._files import check_file, show
from jcnn.data._warnings import pillow_warnings
from jcnn.data.bit_depth import UnknownRangeError, decode_8_bits
from jcnn.data.errors import DataError
from jcnn.data.request import Resize

# Pillow knows more formats, but some of them start another program (EPS runs Ghostscript).
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_ORIENTATION = 274  # the EXIF tag; 5 to 8 change height and width
_TRIANGLE = Image.Resampling.BILINEAR


def read_image(
    path: str | Path, image_shape: tuple[int, int, int], resize: Resize = "stretch"
) -> npt.NDArray[np.uint8]:
    """Read an image as a viewer shows it, in a model's input shape.

    The steps, in this order:

    1. The image is rotated or mirrored as its EXIF orientation says.
    2. 16-bit values `v` with `b` significant bits become `255 v / (2**b - 1)`, rounded. Colour is
       converted so only in a PNG without a value above 4095; of other 16-bit colour, Pillow keeps
       the high byte.
    3. Transparency is composited over white.
    4. Colour becomes luminance (ITU-R 601), or grey becomes RGB.
    5. The image is resized to H x W by a triangle filter with antialiasing. An image of this size
       keeps its pixels.

    Of an animation, the first frame is read.

    Cameras and scanners store 12 bits in 16-bit files, which would be nearly black if read as 16
    bits. `b` is 16 for PGM, whose values Pillow scales by the file's maximum. For TIFF it is taken
    from BitsPerSample or MaxSampleValue, for PNG from the chunk sBIT unless the values are scaled
    to 16 bits. Without such an entry, `b` is 12 if no value exceeds 4095, and 16 otherwise.

    Args:
        path: a BMP, GIF, JPEG, PNG, PPM (PGM, PBM), TIFF or WebP file.
        image_shape: `(H, W, C)` with C = 1 (grey) or 3 (red, green, blue).
        resize: "stretch" changes the aspect ratio; "crop" cuts the centre of the image to H x W;
            "pad" keeps all of it and fills the rest with black.

    Returns:
        `(H, W, C)` uint8.

    Raises:
        ValueError: `image_shape` is not such a tuple.
        FileNotFoundError: there is no such file.
        DataError: the file is not such an image, is damaged or has more than
            `PIL.Image.MAX_IMAGE_PIXELS` pixels, or its values are floats or exceed 16 bits (no
            file states which of these are black and white).
    """
    check_image_shape(image_shape)
    return decode_image(_opener(Path(path)), str(path), image_shape, resize)


def decode_image(
    open_stream: Callable[[], IO[bytes]],
    place: str,
    image_shape: tuple[int, int, int],
    resize: Resize = "stretch",
) -> npt.NDArray[np.uint8]:
    """Read an image as `read_image` does, from any stream of bytes.

    Args:
        open_stream: opens the stream, which is closed again.
        place: what the stream is called in messages.
        image_shape, resize: as for `read_image`.
    """
    with _opened(open_stream, place) as opened:
        return fit_image(decode_8_bits(opened, upright=True), image_shape, resize)


def fit_image(
    image: Image.Image, image_shape: tuple[int, int, int], resize: Resize = "stretch"
) -> npt.NDArray[np.uint8]:
    """Convert an upright 8-bit image to `(H, W, C)` uint8, as `read_image` does."""
    height, width, channels = image_shape
    image, mode = _over_white(image), "L" if channels == 1 else "RGB"
    # Pillow would copy an image that needs no change, which takes half as long as decoding it.
    if image.mode != mode:
        image = image.convert(mode)
    if image.size != (width, height):
        image = _RESIZE[resize](image, height, width)
    return np.array(image, np.uint8).reshape(height, width, channels)


def read_image_shape(path: str | Path) -> tuple[int, int, int]:
    """The `(H, W, C)` of an image file, from its header: nothing is decoded.

    C is 1 if the image's mode or palette holds only grey, else 3.

    Raises:
        FileNotFoundError: there is no such file.
        DataError: the file is not an image that `read_image` takes, or is too large.
    """
    return decode_image_shape(_opener(Path(path)), str(path))


def decode_image_shape(open_stream: Callable[[], IO[bytes]], place: str) -> tuple[int, int, int]:
    """As `read_image_shape`, from any stream of bytes."""
    with _opened(open_stream, place) as opened:
        width, height = opened.size
        # For a TIFF, Pillow reports the upright size. `getexif` is called for a PNG only if its
        # header has EXIF data: otherwise Pillow would decode the image to search for it.
        as_stored = opened.format != "TIFF" and (opened.format != "PNG" or "exif" in opened.info)
        if as_stored and opened.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8):
            width, height = height, width
        return height, width, 1 if _is_grey(opened) else 3


def check_image_shape(image_shape: tuple[int, int, int]) -> None:
    """Raise ValueError unless it is `(H, W, C)` with C = 1 or 3."""
    if len(image_shape) != 3 or min(image_shape) < 1 or image_shape[2] not in (1, 3):
        raise ValueError(f"image_shape: got {image_shape}; expected (H, W, C) with C = 1 or 3")


def _opener(path: Path) -> Callable[[], IO[bytes]]:
    def opened() -> IO[bytes]:
        check_file(path)
        # Given a path, Pillow 13 maps an uncompressed TIFF and garbles it when it is rotated.
        return path.open("rb")

    return opened


@contextmanager
def _opened(open_stream: Callable[[], IO[bytes]], place: str) -> Iterator[ImageFile.ImageFile]:
    """Open an image; every error while it is read becomes a DataError that names the place."""
    try:
        with (
            pillow_warnings(),
            open_stream() as stream,
            Image.open(stream, formats=_FORMATS) as opened,
        ):
            yield opened
    except (DataError, FileNotFoundError):
        raise
    except UnidentifiedImageError as error:
        raise DataError(
            f"{show(place)}: not an image; expected one of {', '.join(_FORMATS)}"
        ) from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise DataError(
            f"{show(place)}: too large an image; expected at most {Image.MAX_IMAGE_PIXELS} pixels"
        ) from error
    except PermissionError as error:
        raise DataError(f"{show(place)}: cannot be read ({error.strerror})") from error
    except UnknownRangeError as error:
        raise DataError(f"{show(place)}: {error}") from error
    # Pillow's readers raise these on damaged files; for a broken PNG, a SyntaxError.
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        raise DataError(f"{show(place)}: damaged image ({show(error)})") from error


def _over_white(image: Image.Image) -> Image.Image:
    """Composite a transparent image, of any mode, over white."""
    if not image.has_transparency_data:
        return image
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)


def _is_grey(image: Image.Image) -> bool:
    """Whether an image that is not decoded yet holds only grey."""
    if image.mode == "P" and image.palette is not None:
        channels = len(image.palette.mode)  # "RGB" or "RGBA", in PNG and GIF; "BGRX" in BMP
        colours = np.frombuffer(bytes(image.palette.palette), np.uint8)
        colours = colours[: len(colours) // channels * channels].reshape(-1, channels)[:, :3]
        return bool((colours == colours[:, :1]).all())
    return image.mode.startswith(("1", "L", "I")) and image.mode != "LAB"


def _stretched(image: Image.Image, height: int, width: int) -> Image.Image:
    return image.resize((width, height), _TRIANGLE)


def _cropped(image: Image.Image, height: int, width: int) -> Image.Image:
    """The largest centred crop with the aspect ratio of the result, resized."""
    left, upper = 0.0, 0.0
    if image.width * height > image.height * width:
        left = (image.width - image.height * width / height) / 2
    else:
        upper = (image.height - image.width * height / width) / 2
    box = (left, upper, image.width - left, image.height - upper)
    return image.resize((width, height), _TRIANGLE, box)


def _padded(image: Image.Image, height: int, width: int) -> Image.Image:
    """The whole image, resized and centred on black."""
    inner_height, inner_width = height, width
    if image.width * height > image.height * width:
        inner_height = max(1, round(image.height * width / image.width))
    else:
        inner_width = max(1, round(image.width * height / image.height))
    black = Image.new(image.mode, (width, height))
    place = ((width - inner_width) // 2, (height - inner_height) // 2)
    black.paste(_stretched(image, inner_height, inner_width), place)
    return black


_RESIZE: dict[Resize, Callable[[Image.Image, int, int], Image.Image]] = {
    "stretch": _stretched,
    "crop": _cropped,
    "pad": _padded,
}
