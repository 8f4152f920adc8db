"""Read grids from text, from a text or CSV file, a NumPy array (.npy) or an image."""

import math
import re
import tokenize
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from jcnn.data import DataError, read_image
from jcnn.data.image_files import read_image_shape
from jcnn.trace.grids import (
    MOST_NUMBERS,
    Grid,
    Printed,
    PrintedStack,
    Stack,
    parse_printed,
    parse_stack,
    shape_of,
)
from jcnn.trace.numbers import Number, cut, exact

Color = Literal["grey", "rgb"]

_PICTURES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".pgm", ".ppm", ".tif", ".tiff", ".webp")
_MOST_BYTES = 2**22
_RELATIVE = Fraction(1, 10**6)  # tolerance of a printed float32
# NumPy raises these for a file that is not an array or has a damaged header.
_NO_ARRAY = (
    ValueError,
    OSError,
    EOFError,
    SyntaxError,
    TypeError,
    KeyError,
    OverflowError,
    RecursionError,
    MemoryError,
    tokenize.TokenError,
)


def read_stack(source: str, name: str, *, color: Color = "grey", scale: Number = 1) -> Stack:
    """Read numbers from text or a file.

    Args:
        source: numbers such as "0 1; 1 0" (see `parse_stack`); or the path of a UTF-8 text file
            with such numbers, of a .npy array `(W,)`, `(H, W)` or `(H, W, C)`, which is never
            unpickled, or of an image.
        name: of the argument, for error messages.
        color: read an image as one channel, its luminance, or as red, green and blue.
        scale: divisor of every number.

    Returns:
        One grid per channel. The numbers of an image are 0 to 255 before the division.

    Raises:
        ValueError: the text is empty, ragged, not numeric, or has more than 65,536 numbers.
        FileNotFoundError: there is no such file.
        DataError: the content of a file has one of these faults, or the file is damaged.
    """
    path = _file_of(source)
    if path is None:
        stack = _of_text(source, name)
    elif path.suffix.lower() == ".npy":
        stack = _of_array(_read_npy(path))
    elif path.suffix.lower() in _PICTURES:
        stack = _of_array(_read_pixels(path, color))
    else:
        text = _read_text(path, f"text, .csv, .npy, {', '.join(_PICTURES)}")
        try:
            stack = parse_stack(text)
        except ValueError as error:
            raise _of_file(path, error) from None
    if scale == 1:
        return stack
    return tuple(tuple(tuple(exact(Fraction(x) / scale) for x in r) for r in g) for g in stack)


def is_picture(source: str) -> bool:
    """Whether `read_stack` reads this source as an image."""
    path = _file_of(source)
    return path is not None and path.suffix.lower() in _PICTURES


def join(stacks: list[Stack], name: str) -> Stack:
    """Concatenate stacks along the channels.

    Raises:
        ValueError: their sizes differ.
    """
    first = shape_of(stacks[0])[:2]
    for stack in stacks:
        if shape_of(stack)[:2] != first:
            height, width, _ = shape_of(stack)
            raise ValueError(
                f"{name}: got a channel of {height}x{width}; "
                f"accepted: {first[0]}x{first[1]}, as the first"
            )
    return tuple(grid for stack in stacks for grid in stack)


def read_printed(source: str, name: str) -> PrintedStack:
    """Read printed numbers from text or a file as `read_stack` does; "?" and "." are not compared.

    A printed decimal matches every number that rounds to it, a printed integer only itself. The
    numbers of a .npy file have a relative tolerance of 1e-6.

    Raises:
        As `read_stack`.
    """
    path = _file_of(source)
    if path is None:
        try:
            return parse_printed(source)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    if path.suffix.lower() == ".npy":
        stack = _of_array(_read_npy(path))
        return tuple(tuple(tuple(map(_of_float, row)) for row in grid) for grid in stack)
    text = _read_text(path, "text, .csv, .npy")
    try:
        return parse_printed(text)
    except ValueError as error:
        raise _of_file(path, error) from None


def _of_float(value: Number) -> Printed:
    tolerance = 0 if isinstance(value, int) else max(abs(value), Fraction(1)) * _RELATIVE
    return Printed(f"{float(value):.7g}", value, tolerance)


def _file_of(source: str) -> Path | None:
    """The path if the argument is one; None if it is numbers."""
    if re.fullmatch(r"[\d\seE+.,;|?-]*", source):
        return None
    path = Path(source)
    looks_like_a_file = re.search(r"[^\s;|]\.[A-Za-z]\w*$", source) or re.search(r"[/\\]", source)
    try:
        return path if looks_like_a_file or path.exists() else None
    except (OSError, ValueError):  # a name too long, or with a zero byte
        return None


def _of_text(source: str, name: str) -> Stack:
    try:
        return parse_stack(source)
    except ValueError as error:
        lone = not re.search(r"[\s;,|]", source) and not re.search(r"\d", source)
        reason = f"got {cut(source)}; accepted: a file, or numbers such as '0 1; 1 0'"
        raise ValueError(f"{name}: {reason if lone and source else error}") from None


def _of_file(path: Path, reason: object) -> DataError:
    return DataError(f"{_shown(path)}: {reason}")


def _shown(path: Path) -> str:
    return str(path) if str(path).isprintable() else repr(str(path))


def _check_file(path: Path) -> None:
    try:
        exists, is_file = path.exists(), path.is_file()
    except (OSError, ValueError):
        exists = is_file = False
    if not exists:
        raise FileNotFoundError(f"{_shown(path)}: no such file")
    if not is_file:  # opening a pipe would block
        raise _of_file(path, "not a regular file; accepted: a file")


def _read_text(path: Path, accepted: str) -> str:
    _check_file(path)
    try:
        with path.open("rb") as stream:
            data = stream.read(_MOST_BYTES + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise _of_file(path, f"cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise _of_file(path, f"not text in UTF-8; accepted: {accepted}") from None
    if len(data) > _MOST_BYTES:
        raise _of_file(path, f"too large; accepted: up to {MOST_NUMBERS:,} numbers")
    if path.suffix.lower() == ".csv" and ";" in text:
        raise _of_file(path, "has ';' in a CSV file; accepted: a comma between numbers")
    return text.replace("\r\n", "\n")


def _read_npy(path: Path) -> npt.NDArray[Any]:
    """Memory-map an array, which refuses a file shorter than its header says."""
    _check_file(path)
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except PermissionError as error:
        raise _of_file(path, f"cannot be read ({error.strerror})") from None
    except _NO_ARRAY as error:
        reason = " ".join(str(error).split())[:120]
        raise _of_file(
            path, f"not a NumPy array of numbers ({reason}); pickled arrays are refused"
        ) from None
    if array.dtype.kind not in "biuf":
        raise _of_file(path, f"got dtype {array.dtype}; accepted: integers or floats")
    if array.ndim not in (1, 2, 3) or not 1 <= array.size <= MOST_NUMBERS:
        raise _of_file(
            path,
            f"got shape {array.shape}; accepted: (W,), (H, W) or (H, W, C) "
            f"of 1 to {MOST_NUMBERS:,} numbers",
        )
    if not np.isfinite(array).all():
        raise _of_file(path, "has numbers that are not finite; accepted: finite numbers")
    return np.array(array)


def _read_pixels(path: Path, color: Color) -> npt.NDArray[Any]:
    height, width, _ = read_image_shape(path)
    shape = (height, width, 3 if color == "rgb" else 1)
    if math.prod(shape) > MOST_NUMBERS:
        raise _of_file(
            path,
            f"got an image of {height}x{width}; accepted: up to {MOST_NUMBERS:,} numbers: "
            "make it smaller first",
        )
    return read_image(path, shape)


def _of_array(array: npt.NDArray[Any]) -> Stack:
    """Convert `(W,)`, `(H, W)` or `(H, W, C)` to one grid per channel."""
    cube = array.reshape(1, -1, 1) if array.ndim == 1 else array.reshape(*array.shape[:2], -1)
    return tuple(_of_matrix(cube[:, :, channel]) for channel in range(cube.shape[2]))


def _of_matrix(matrix: npt.NDArray[Any]) -> Grid:
    return tuple(tuple(exact(number) for number in row) for row in matrix.tolist())
