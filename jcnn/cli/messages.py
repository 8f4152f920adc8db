"""Warnings on stderr, and the error of a command that finished only a part."""

import sys
from typing import Any


def warn(message: str) -> None:
    """Print a warning on stderr."""
    print(f"jcnn: {message}", file=sys.stderr)


def show_warning(message: Warning | str, *_where: Any, **_more: Any) -> None:
    """Replace `warnings.showwarning`, which prints two lines and a source location."""
    warn(" ".join(str(message).split()))


class PartError(Exception):
    """A command finished only a part of its work; the exit code is 1."""


def byte_size(count: int) -> str:
    """A number of bytes in the largest unit that it fills, such as "2.8 MiB"."""
    for unit, power in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if count >= 2**power:
            return f"{count / 2**power:,.1f} {unit}"
    return f"{count} bytes"
