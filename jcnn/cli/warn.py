"""Lines on stderr on what is done nevertheless, or done in part."""

import sys


def warn(message: str) -> None:
    """Say on stderr what the user should know of what is done nevertheless."""
    print(f"jcnn: {message}", file=sys.stderr)


class PartError(Exception):
    """A command did a part of what it was asked for: the exit code is 1."""
