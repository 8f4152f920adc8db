"""Parse numbers, sizes and paddings of the command line; errors name the option."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jcnn.ops import Padding
    from jcnn.trace import Number


def parse_exact_number(option: str, text: str) -> "Number":
    """Parse a number exactly, without rounding."""
    from jcnn.trace import parse_number

    try:
        return parse_number(text)
    except ValueError as error:
        raise ValueError(f"{option}: {error}") from None


def parse_size(option: str, sizes: tuple[int, ...]) -> tuple[int, int]:
    """Parse rows and columns; one number stands for both."""
    if len(sizes) not in (1, 2) or min(sizes) < 1:
        got = " ".join(map(str, sizes)) or "none"
        raise ValueError(f"{option}: got {got}; accepted: one or two ints >= 1")
    return sizes[0], sizes[-1]


def parse_padding(option: str, text: str) -> "Padding":
    """Parse a padding: valid, same, or a number of cells on every side."""
    word = text.upper()
    if word == "SAME":
        return "SAME"
    if word == "VALID":
        return "VALID"
    if not re.fullmatch(r"\d{1,3}", text, re.ASCII):
        raise ValueError(f"{option}: got {text!r}; accepted: valid, same, or an int, 0 to 999")
    return int(text)
