"""Tolerances against the oracle: one row for each dtype and method.

A sum of `n` products of standard normal numbers is of size sqrt(n), and so is the rounding error
of adding it up or of storing it, in units of the dtype's epsilon. Hence

    allowed = row * eps(dtype) * sqrt(n)

where a row is 1.4 to 4 times the largest `error / (eps * sqrt(n))` of a value or gradient in 3,200
random cases of `strategies.conv_cases` and all of `cases.CASES`, on x86 with JAX 0.10.2 and
0.12.0. The 64- and 32-bit rows bound the error of the summation (n up to 300), the 16-bit rows
that of the last rounding. "im2col" and "shift" add the input gradients of overlapping windows in
the dtype itself, with one rounding per kernel cell, so their 16-bit rows are larger. The rows of
"winograd2" and "winograd4" were measured on 1,200 draws of values in eight shapes; the transforms
of the latter add large and small numbers, so its rows are large.

"pallas" has the rows of "lax", for its kernel interpreted on a CPU, where float32 is not rounded to
TensorFloat-32; it is too slow there for random cases. `test_pallas_gpu.py` has its own tolerances.

`test_tolerances.py` shows that the rows are tight: a flipped kernel or a missing tap exceeds them.
"""

import math

import numpy as np

from tests.ops.conv import oracle

EPS = {"float64": 2**-52, "float32": 2**-23, "float16": 2**-10, "bfloat16": 2**-7}

# A new method needs its four rows: without them its tests fail with a KeyError.
ROWS = {
    ("float64", "auto"): 12.0,
    ("float64", "lax"): 12.0,
    ("float64", "im2col"): 12.0,
    ("float64", "shift"): 10.0,
    ("float32", "auto"): 12.0,
    ("float32", "lax"): 12.0,
    ("float32", "im2col"): 10.0,
    ("float32", "shift"): 10.0,
    ("float16", "auto"): 4.0,
    ("float16", "lax"): 4.0,
    ("float16", "im2col"): 5.0,
    ("float16", "shift"): 5.0,
    ("bfloat16", "auto"): 4.0,
    ("bfloat16", "lax"): 4.0,
    ("bfloat16", "im2col"): 6.0,
    ("bfloat16", "shift"): 6.0,
    ("float32", "native"): 310.0,
    ("float64", "winograd2"): 20.0,
    ("float64", "winograd4"): 250.0,
    ("float32", "winograd2"): 20.0,
    ("float32", "winograd4"): 250.0,
    ("float16", "winograd2"): 5.0,
    ("float16", "winograd4"): 5.0,
    ("bfloat16", "winograd2"): 5.0,
    ("bfloat16", "winograd4"): 5.0,
    ("float64", "fft"): 24.0,
    ("float32", "fft"): 10.0,
    ("float16", "fft"): 4.0,
    ("bfloat16", "fft"): 4.0,
    ("float32", "pallas"): 12.0,
    ("float16", "pallas"): 4.0,
    ("bfloat16", "pallas"): 4.0,
    ("float64", "dense"): 8.0,
    ("float32", "dense"): 8.0,
    ("float16", "dense"): 4.0,
    ("bfloat16", "dense"): 4.0,
    ("float64", "avg_pool2d"): 4.0,
    ("float32", "avg_pool2d"): 4.0,
    ("float16", "avg_pool2d"): 3.0,
    ("bfloat16", "avg_pool2d"): 3.0,
    ("float64", "max_pool2d"): 3.0,
    ("float32", "max_pool2d"): 3.0,
    ("float16", "max_pool2d"): 3.0,
    ("bfloat16", "max_pool2d"): 3.0,
}


def allowed(dtype: str, method: str, terms: int) -> float:
    """Largest allowed absolute error of a sum of `terms` products of standard normal numbers."""
    return ROWS[dtype, method] * EPS[dtype] * math.sqrt(terms)


def assert_close(
    got: object, want: oracle.Array, *, dtype: str, method: str, terms: int, scale: float = 1
) -> None:
    """Fail unless `got` has the expected dtype and shape and is within the tolerance.

    `scale` multiplies the tolerance where the numbers added are larger than standard normal.
    """
    array = np.asarray(got)
    assert str(array.dtype) == dtype
    assert array.shape == want.shape
    np.testing.assert_allclose(
        oracle.float64(array), want, rtol=0, atol=scale * allowed(dtype, method, terms)
    )
