"""A picture file of any size and kind, brought to what a model takes."""

import struct
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from jcnn.data._files import check_file, show
from jcnn.data.dataset import DataError

# Pillow knows more formats, but some of them start another program (EPS runs Ghostscript).
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")


def read_picture(path: str | Path, image_shape: tuple[int, int, int]) -> npt.NDArray[np.uint8]:
    """Read a picture as a viewer shows it, and bring it to a model's input shape.

    In this order: turned upright as its EXIF data says; 16-bit grey to 8 bits as `v / 257`,
    rounded (of 16-bit colour, Pillow keeps the high byte); transparency laid over white; colour
    to luminance (ITU-R 601) or grey to RGB; then stretched to H x W by a triangle filter with
    antialiasing. A picture of the right size keeps its pixels. Of an animation, the first frame
    is read.

    Args:
        path: a BMP, GIF, JPEG, PNG, PPM (PGM, PBM), TIFF or WebP file.
        image_shape: `(H, W, C)` with C = 1 (grey) or 3 (red, green, blue).

    Returns:
        `(H, W, C)` uint8.

    Raises:
        ValueError: `image_shape` is not of that form.
        FileNotFoundError: there is no such file.
        DataError: the file is not such a picture, is damaged or too large (Pillow's limit of
            `PIL.Image.MAX_IMAGE_PIXELS`), or its numbers are floats or over 16 bits, whose black
            and white no file states.
    """
    height, width, channels = check_image_shape(image_shape)
    path = Path(path)
    check_file(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        # Pillow's other warnings are about odd metadata, which is none of a prediction's business.
        warnings.simplefilter("ignore", UserWarning)
        try:
            # Given a name instead, Pillow 13 maps an uncompressed TIFF and garbles it if turned.
            with path.open("rb") as stream, Image.open(stream, formats=_FORMATS) as opened:
                picture = _as_8_bits(ImageOps.exif_transpose(opened), path)
                picture = _over_white(picture).convert("L" if channels == 1 else "RGB")
                picture = picture.resize((width, height), Image.Resampling.BILINEAR)
        except DataError:
            raise
        except UnidentifiedImageError as error:
            raise DataError(
                f"{show(path)}: not a picture; expected one of {', '.join(_FORMATS)}"
            ) from error
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise DataError(
                f"{show(path)}: too large a picture; expected at most "
                f"{Image.MAX_IMAGE_PIXELS} pixels"
            ) from error
        # What Pillow's readers raise on damaged files; a broken PNG is a SyntaxError to them.
        except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
            raise DataError(f"{show(path)}: damaged picture ({show(error)})") from error
    return np.array(picture, np.uint8).reshape(height, width, channels)


def check_image_shape(image_shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return it; refuse, as a ValueError, what is not `(H, W, C)` with C = 1 or 3."""
    if len(image_shape) == 3 and min(image_shape) >= 1 and image_shape[2] in (1, 3):
        return image_shape
    raise ValueError(f"image_shape: got {image_shape}; expected (H, W, C) with C = 1 or 3")


def _as_8_bits(picture: Image.Image, path: Path) -> Image.Image:
    """Scale 16-bit grey to 8 bits (Pillow's own conversion clips at 255); leave 8-bit modes."""
    if picture.mode == "F":
        raise DataError(f"{show(path)}: picture of floats; expected 8 or 16-bit numbers")
    if not picture.mode.startswith("I"):
        return picture
    values = np.array(picture).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise DataError(
            f"{show(path)}: picture with values {values.min()} to {values.max()}; "
            f"expected 16-bit numbers, 0 to 65535"
        )
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))


def _over_white(picture: Image.Image) -> Image.Image:
    """Lay a transparent picture, of whatever mode, over white."""
    if not picture.has_transparency_data:
        return picture
    picture = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
