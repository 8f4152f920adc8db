"""Lines on stderr on what is done nevertheless, or done in part."""

import sys
from typing import Any


def warn(message: str) -> None:
    """Say on stderr what the user should know of what is done nevertheless."""
    print(f"jcnn: {message}", file=sys.stderr)


def show_warning(message: Warning | str, *_where: Any, **_more: Any) -> None:
    """In place of `warnings.showwarning`, which writes two lines and a place in the code."""
    warn(" ".join(str(message).split()))


class PartError(Exception):
    """A command did a part of what it was asked for: the exit code is 1."""
