"""Shared by the tests of error messages: recurring phrases, and `refusal`."""

from collections.abc import Callable
from typing import Any

import pytest

PAIR = "a positive int or a pair (rows, columns) of positive ints"
PADS = 'accepted: "SAME", "VALID", an int >= 0, or ((top, bottom), (left, right)) of ints >= 0'
FLOATS = "expected float16, bfloat16, float32 or float64"


def refusal(call: Callable[[], Any]) -> str:
    """Return the message of the ValueError that the call must raise."""
    with pytest.raises(ValueError) as error:
        call()
    return str(error.value)
