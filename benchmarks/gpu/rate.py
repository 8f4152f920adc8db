"""The rate of a 3x3 convolution with 256 channels, relative to this device's matmul.

Times forward and both gradients. The goal is 60 % of the rate for large square matrices.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jcnn import ops
from jcnn.bench.in_process import time_in_rounds
from jcnn.bench.record import Row, relative_error
from jcnn.compile import jit

SHAPES = ((64, 56, 56), (64, 28, 28), (256, 14, 14))
SMALL = ((2, 8, 6),)
# Largest difference from "lax": float32 is multiplied in TF32, with ten bits of mantissa.
TOLERANCES = {"float32": 5e-3, "bfloat16": 5e-2}


def measure(*, small: bool) -> Iterator[Row]:
    """Yield a row for the matmul and one for each method and size, in both dtypes."""
    channels, size, rounds = (16, 128, 3) if small else (256, 8192, 20)
    for dtype in TOLERANCES:
        best = matmul(size, dtype, rounds)
        yield best
        for shape in SMALL if small else SHAPES:
            yield from convolutions((*shape, channels), dtype, rounds, best.figures["TFLOP/s"])


def matmul(size: int, dtype: str, rounds: int) -> Row:
    """The product of two square matrices."""
    a, b = (draw(i, (size, size), dtype) for i in range(2))
    product = jit(jnp.matmul)
    taken = time_in_rounds({"matmul": lambda: product(a, b)}, rounds=rounds)["matmul"]
    return with_rate(Row(f"{size} x {size} x {size}", "matmul", taken, dtype), 2.0 * size**3, None)


def convolutions(
    shape: tuple[int, int, int, int], dtype: str, rounds: int, matmul_rate: float
) -> Iterator[Row]:
    """Time each supported method: forward and both gradients in one program."""
    channels = shape[3]
    arrays = [draw(i, s, dtype) for i, s in enumerate((shape, (3, 3, channels, channels), shape))]
    flops = 3 * 2.0 * arrays[0].size * 9 * channels
    rows: dict[str, Row] = {}
    calls: dict[str, Callable[[], Any]] = {}
    wanted: list[np.ndarray] = []
    for method in sorted(ops.METHODS, key=lambda name: name != "lax"):  # lax first
        rows[method] = Row("x".join(map(str, shape)), method, group=dtype)
        call = partial(jit(partial(value_and_gradients, method)), *arrays)
        try:
            answer = [np.asarray(one.astype(jnp.float32)) for one in call()]
        except Exception as error:  # such as out of memory: the others are still timed
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            rows[method] = replace(rows[method], note=reason)
            continue
        wanted = wanted or answer
        far = relative_error(answer, wanted)
        rows[method] = replace(rows[method], error=far, tolerance=TOLERANCES[dtype])
        if far <= TOLERANCES[dtype]:
            calls[method] = call
    for method, taken in time_in_rounds(calls, rounds=rounds).items():
        if taken:
            rows[method] = with_rate(replace(rows[method], seconds=taken), flops, matmul_rate)
    yield from rows.values()


def value_and_gradients(
    method: str, x: jax.Array, kernel: jax.Array, g: jax.Array
) -> tuple[jax.Array, ...]:
    """The convolution, and its gradients with respect to input and kernel for cotangent `g`."""
    y, pull_back = jax.vjp(partial(ops.conv2d, method=method), x, kernel)
    return (y, *pull_back(g))


def draw(seed: int, shape: tuple[int, ...], dtype: str) -> jax.Array:
    """Standard normal numbers."""
    return jax.random.normal(jax.random.key(seed), shape, dtype)


def with_rate(row: Row, flops: float, matmul_rate: float | None) -> Row:
    """Add the rate to a row, and the ratio to the matmul's rate."""
    assert row.median is not None
    rate = flops / row.median / 1e12
    figures = {"TFLOP/s": rate}
    if matmul_rate is not None:
        figures["/ matmul"] = rate / matmul_rate
    return replace(row, figures=figures)


def findings(rows: list[Row]) -> list[str]:
    """The best ratio of each dtype, and the goal."""
    found = []
    for dtype in ("float32", "bfloat16"):
        timed = [row for row in rows if row.group == dtype and "/ matmul" in row.figures]
        if timed:
            best = max(timed, key=lambda row: row.figures["/ matmul"])
            share = best.figures["/ matmul"]
            found.append(
                f"{dtype}: {best.contestant} on {best.case} reaches {share:.2f} of the matmul's "
                "rate (goal: 0.60)"
            )
    return found
