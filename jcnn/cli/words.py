"""Numbers and windows out of the words of a command line."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jcnn.ops import Padding


def parse_padding(text: str) -> "Padding":
    """What --padding says: valid, same, or so many cells on every side.

    Raises:
        ValueError: it is none of these.
    """
    word = text.upper()
    if word == "SAME":
        return "SAME"
    if word == "VALID":
        return "VALID"
    if not re.fullmatch(r"\d{1,3}", text, re.ASCII):
        raise ValueError(f"--padding: got {text!r}; accepted: valid, same, or an int, 0 to 999")
    return int(text)
