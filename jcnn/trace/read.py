"""Grids from what a user names: text, a text or CSV file, a NumPy array (npy), a picture."""

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
_RELATIVE = Fraction(1, 10**6)  # what a printed float32 may be off by
# What NumPy raises on a file that is no array, or whose header is nonsense.
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
        source: numbers such as "0 1; 1 0" (`parse_stack`), or a file of such text (UTF-8), or a
            .npy of `(W,)`, `(H, W)` or `(H, W, C)`, which is never unpickled, or a picture.
        name: whose text it is, for messages.
        color: whether a picture is read as one channel, its luminance, or as red, green and blue.
        scale: every number is divided by it.

    Returns:
        A grid for each channel. A picture's numbers are 0 to 255 before they are divided.

    Raises:
        ValueError: it is empty, ragged, not of numbers, or has more than 65,536 of them.
        FileNotFoundError: there is no such file.
        DataError: the same of a file, or the file is damaged.
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
    """Whether `read_stack` reads this source as a picture."""
    path = _file_of(source)
    return path is not None and path.suffix.lower() in _PICTURES


def join(stacks: list[Stack], name: str) -> Stack:
    """The channels of several stacks as one.

    Raises:
        ValueError: they are of different sizes.
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
    """Read printed figures from text or a file, as `read_stack` does; "?" and "." are left out.

    A figure with decimals stands for what rounds to it, one without for itself alone. A .npy says
    no decimals: its figures may be off by a millionth.

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
    slack = 0 if isinstance(value, int) else max(abs(value), Fraction(1)) * _RELATIVE
    return Printed(f"{float(value):.7g}", value, slack)


def _file_of(source: str) -> Path | None:
    """The file that an argument names; None where it is numbers itself."""
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
    if not is_file:  # to open a pipe would wait for ever
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
    """A mapped array: a header that says more than there is behind it is refused."""
    _check_file(path)
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except PermissionError as error:
        raise _of_file(path, f"cannot be read ({error.strerror})") from None
    except _NO_ARRAY as error:
        reason = " ".join(str(error).split())[:120]
        raise _of_file(path, f"no NumPy array of numbers ({reason}); none is unpickled") from None
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
            f"got a picture of {height}x{width}; accepted: up to {MOST_NUMBERS:,} numbers: "
            "make it smaller first",
        )
    return read_image(path, shape)


def _of_array(array: npt.NDArray[Any]) -> Stack:
    """`(W,)`, `(H, W)` or `(H, W, C)` as a grid for each channel."""
    cube = array.reshape(1, -1, 1) if array.ndim == 1 else array.reshape(*array.shape[:2], -1)
    return tuple(_of_matrix(cube[:, :, channel]) for channel in range(cube.shape[2]))


def _of_matrix(matrix: npt.NDArray[Any]) -> Grid:
    return tuple(tuple(exact(number) for number in row) for row in matrix.tolist())
