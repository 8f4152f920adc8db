"""The tolerances are tight: the smallest mistakes of a convolution exceed each row."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from jcnn import ops
from tests.ops.conv import oracle
from tests.ops.conv.cases import CASES, DTYPES, Case, operands, precision_for
from tests.ops.conv.oracle import Array
from tests.ops.conv.tolerances import ROWS, allowed

Mistake = Callable[[Case, Array, Array], Array]


def flipped_kernel(case: Case, x: Array, kernel: Array) -> Array:
    return oracle.conv2d(x, kernel[::-1, ::-1], **case.how)


def one_tap_lost(case: Case, x: Array, kernel: Array) -> Array:
    # The last one, as an off-by-one error of a loop would; its product is among `n` others.
    lost = kernel.copy()
    lost[-1, -1] = 0
    return oracle.conv2d(x, lost, **case.how)


def groups_mixed_up(case: Case, x: Array, kernel: Array) -> Array:
    return oracle.conv2d(x[..., ::-1], kernel, **case.how)


def window_moved(case: Case, x: Array, kernel: Array) -> Array:
    return oracle.conv2d(np.roll(x, 1, axis=2), kernel, **case.how)


def rounded_to_8_bits(case: Case, x: Array, kernel: Array) -> Array:
    """As if a 32-bit sum had an intermediate in bfloat16."""
    return oracle.conv2d(x, kernel, **case.how) * (1 + 2**-8)


MISTAKES: dict[str, tuple[Mistake, set[str]]] = {
    "flipped kernel": (flipped_kernel, set(DTYPES)),
    "one tap lost": (one_tap_lost, set(DTYPES)),
    "groups mixed up": (groups_mixed_up, set(DTYPES)),
    "window moved": (window_moved, set(DTYPES)),
    "a 16-bit intermediate": (rounded_to_8_bits, {"float64", "float32"}),
}


@pytest.mark.parametrize(
    ("mistake", "dtype", "method"),
    [
        (mistake, dtype, method)
        for mistake, (_, dtypes) in MISTAKES.items()
        for dtype, method in ROWS
        if dtype in dtypes and method in ops.METHODS
    ],
)
def test_a_mistake_exceeds_the_tolerance(mistake: str, dtype: str, method: str) -> None:
    """In every case of the contract that the mistake changes."""
    make, _ = MISTAKES[mistake]
    caught = 0
    for name, plain in CASES.items():
        case = dataclasses.replace(plain, dtype=dtype)
        with precision_for(dtype):
            arrays = operands(case)
        x, kernel = oracle.float64(arrays.x), oracle.float64(arrays.kernel)
        error = np.abs(make(case, x, kernel) - oracle.conv2d(x, kernel, **case.how)).max()
        if error > 0:
            assert error > 3 * allowed(dtype, method, case.terms[0]), name
            caught += 1
    assert caught >= 8


def test_grows_with_the_square_root_of_the_terms() -> None:
    assert allowed("float32", "lax", 400) == 2 * allowed("float32", "lax", 100)
