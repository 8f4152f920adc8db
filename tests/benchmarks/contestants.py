"""Fake contestants without a library, whose processes start fast."""

from collections.abc import Callable

import numpy as np

Made = tuple[Callable[[], None], list[np.ndarray]]


def right() -> Made:
    """Its result equals that of the others."""
    return (lambda: None), [np.ones(3)]


def wrong() -> Made:
    """Its result differs from the others."""
    return (lambda: None), [np.array([1.0, 1.0, 1.1])]


def broken() -> Made:
    """Its set-up fails."""
    raise OSError("no such\ndevice")
