"""A line on stderr that is no error."""

import sys


def warn(message: str) -> None:
    """Say on stderr what the user should know of what is done nevertheless."""
    print(f"jcnn: {message}", file=sys.stderr)
