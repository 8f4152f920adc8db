"""A 3x3 convolution with 256 channels, forward and both gradients, against this device's matmul.

The goal is 60 % of the rate at which the same device multiplies large square matrices.
"""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.gpu.clock import seconds
from jcnn import ops
from jcnn.bench.record import Row

SHAPES = ((64, 56, 56), (64, 28, 28), (256, 14, 14))
SMALL = ((2, 8, 6),)


def measure(*, small: bool) -> Iterator[Row]:
    """A row for the matmul and one for each method and size, in both dtypes."""
    channels, size, runs = (16, 128, 3) if small else (256, 8192, 20)
    for dtype in ("float32", "bfloat16"):
        best = matmul(size, dtype, runs)
        yield best
        for shape in SMALL if small else SHAPES:
            yield from convolutions((*shape, channels), dtype, runs, best.figures["TFLOP/s"])


def matmul(size: int, dtype: str, runs: int) -> Row:
    """The product of two square matrices."""
    a, b = (draw(i, (size, size), dtype) for i in range(2))
    taken = seconds(jax.jit(jnp.matmul), a, b, runs=runs)
    case = f"{size} x {size} x {size}"
    return with_rate(Row(case, "matmul", taken, dtype), 2.0 * size**3, None)


def convolutions(
    shape: tuple[int, int, int, int], dtype: str, runs: int, matmul_rate: float
) -> Iterator[Row]:
    """Each method that does it: forward and the gradients by input and kernel, as one program."""
    channels = shape[3]
    x, g = draw(0, shape, dtype), draw(1, shape, dtype)
    kernel = draw(2, (3, 3, channels, channels), dtype)
    flops = 3 * 2.0 * x.size * 9 * channels
    for method in ops.METHODS:

        def run(x: Any, kernel: Any, g: Any, method: str = method) -> Any:
            y, pull_back = jax.vjp(lambda *a: ops.conv2d(*a, method=method), x, kernel)
            return y, pull_back(g)

        case = "x".join(map(str, shape))
        try:
            taken = seconds(jax.jit(run), x, kernel, g, runs=runs)
        except Exception as error:  # such as a lack of memory: the other methods are still timed
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            yield Row(case, method, group=dtype, note=reason)
            continue
        yield with_rate(Row(case, method, taken, dtype), flops, matmul_rate)


def draw(seed: int, shape: tuple[int, ...], dtype: str) -> jax.Array:
    """Standard normal numbers."""
    return jax.random.normal(jax.random.key(seed), shape, dtype)


def with_rate(row: Row, flops: float, matmul_rate: float | None) -> Row:
    """The row with its rate, and what part of the matmul's that is."""
    assert row.median is not None
    rate = flops / row.median / 1e12
    figures = {"TFLOP/s": rate}
    if matmul_rate is not None:
        figures["/ matmul"] = rate / matmul_rate
    return Row(row.case, row.contestant, row.seconds, row.group, figures=figures)


def findings(rows: list[Row]) -> list[str]:
    """The best fraction of each dtype, beside the goal."""
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
