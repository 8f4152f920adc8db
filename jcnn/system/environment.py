"""Environment variables that hold a whole number."""

import os
from typing import TypeVar

Default = TypeVar("Default")


def whole_number(variable: str, default: Default) -> int | Default:
    """The value of an environment variable; `default` if it is not set.

    Raises:
        ValueError: it is set, but not to a whole number >= 0.
    """
    text = os.environ.get(variable)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{variable}: got {text!r}; accepted: a whole number >= 0")
    return int(text)
