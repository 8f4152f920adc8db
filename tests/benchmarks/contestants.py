"""Contestants of a benchmark that only pretend; no library here, so their processes start fast."""

from collections.abc import Callable

import numpy as np

Made = tuple[Callable[[], None], list[np.ndarray]]


def right() -> Made:
    """Its answer is that of all others."""
    return (lambda: None), [np.ones(3)]


def wrong() -> Made:
    """Its answer is another one."""
    return (lambda: None), [np.array([1.0, 1.0, 1.1])]


def broken() -> Made:
    """It cannot be set up."""
    raise OSError("no such\ndevice")
