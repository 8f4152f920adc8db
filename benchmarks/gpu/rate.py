"""The rate of a 3x3 convolution with 256 channels, relative to this device's matmul.

Times forward and both gradients as one program. The goal is 60 % of the rate for large square
matrices. Then come the lines that `jcnn bench tune` would write for some convolutions.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.gpu.compiling import Failed, compile_all, reason_of
from benchmarks.gpu.device import matmul
from benchmarks.gpu.part import Options
from jcnn import ops
from jcnn.bench.in_process import time_in_rounds
from jcnn.bench.record import Row, relative_error
from jcnn.bench.tune import tune
from jcnn.bench.tune_cases import KNOWN, Known, known_case
from jcnn.compile import jit
from jcnn.ops.conv.table.file import read

SHAPES = ((256, 14, 14), (64, 56, 56), (64, 28, 28))
SMALL = ((2, 8, 6),)
# "lax" first: the others are compared with it.
METHODS = ("lax", "pallas", "auto", "winograd2", "winograd4", "im2col")
# Largest difference from "lax": float32 is multiplied in TF32, with ten bits of mantissa.
TOLERANCES = {"bfloat16": 5e-2, "float32": 5e-3}
# Convolutions of conv4 and of ResNets, for the table of method "auto".
TUNED = {
    "conv4 32 to 64, 28": Known((64, 28, 28, 32), (3, 3, 32, 64)),
    "conv4 64 to 128, 14": Known((64, 14, 14, 64), (3, 3, 64, 128)),
    "conv4 1 to 32, 28": Known((64, 28, 28, 1), (3, 3, 1, 32)),
    "ResNet 3x3, 56": Known((64, 56, 56, 64), (3, 3, 64, 64)),
    "ResNet 3x3, 14": Known((64, 14, 14, 256), (3, 3, 256, 256)),
    "ResNet 3x3 stride 2, 56": Known((64, 56, 56, 128), (3, 3, 128, 128), stride=2),
    "depthwise 3x3, 56": KNOWN["depthwise 3x3, 56"],
    "depthwise 3x3, 14": KNOWN["depthwise 3x3, 14"],
}
TUNED_SMALL = {"3x3": Known((2, 8, 6, 4), (3, 3, 4, 8))}


def measure(options: Options) -> Iterator[Row]:
    """Yield a row for the matmul and one for each method and size, then those of the table."""
    channels, size, rounds = (16, 128, 3) if options.small else (256, 8192, 10)
    best = {}
    for shape in SMALL if options.small else SHAPES:
        for dtype in TOLERANCES:
            if dtype not in best:
                best[dtype] = matmul(size, dtype, dtype)
                yield best[dtype]
            rate = best[dtype].figures["TFLOP/s"]
            yield from convolutions((*shape, channels), dtype, rounds, rate)
    yield from tuned(options)


def convolutions(
    shape: tuple[int, int, int, int], dtype: str, rounds: int, matmul_rate: float
) -> Iterator[Row]:
    """Time each supported method: forward and both gradients in one program."""
    channels = shape[3]
    arrays = [draw(i, s, dtype) for i, s in enumerate((shape, (3, 3, channels, channels), shape))]
    flops = 3 * 2.0 * arrays[0].size * 9 * channels
    programs = {method: jit(partial(value_and_gradients, method)).lower for method in METHODS}
    made = compile_all(
        {method: partial(_compiled, lower, arrays) for method, lower in programs.items()}
    )
    rows: dict[str, Row] = {}
    calls: dict[str, Any] = {}
    wanted: list[np.ndarray] = []
    for method, program in made.items():
        rows[method] = Row("x".join(map(str, shape)), method, group=dtype)
        if isinstance(program, Failed):
            rows[method] = replace(rows[method], note=program.reason)
            continue
        call = partial(program.run, *arrays)
        try:
            answer = [np.asarray(one.astype(jnp.float32)) for one in call()]
        except Exception as error:  # such as out of memory: the others are still timed
            rows[method] = replace(rows[method], note=reason_of(error))
            continue
        wanted = wanted or answer
        far = relative_error(answer, wanted)
        rows[method] = replace(rows[method], error=far, tolerance=TOLERANCES[dtype])
        if far <= TOLERANCES[dtype]:
            calls[method] = call
    for method, taken in time_in_rounds(calls, rounds=rounds, queued=True).items():
        if taken:
            rows[method] = with_rate(replace(rows[method], seconds=taken), flops, matmul_rate)
    yield from rows.values()


def _compiled(lower: Any, arrays: list[jax.Array]) -> Any:
    return lower(*arrays).compile()


def value_and_gradients(
    method: str, x: jax.Array, kernel: jax.Array, g: jax.Array
) -> tuple[jax.Array, ...]:
    """The convolution, and its gradients with respect to input and kernel for cotangent `g`."""
    y, pull_back = jax.vjp(partial(ops.conv2d, method=method), x, kernel)
    return (y, *pull_back(g))


def draw(seed: int, shape: tuple[int, ...], dtype: str) -> jax.Array:
    """Standard normal numbers."""
    return jax.random.normal(jax.random.key(seed), shape, dtype)


def with_rate(row: Row, flops: float, matmul_rate: float) -> Row:
    """Add the rate to a row, and the ratio to the matmul's rate."""
    assert row.median is not None
    rate = flops / row.median / 1e12
    return replace(row, figures={"TFLOP/s": rate, "/ matmul": rate / matmul_rate})


def tuned(options: Options) -> Iterator[Row]:
    """A row for each line of the table, with milliseconds; `out/tuned` has the tables."""
    known = TUNED_SMALL if options.small else TUNED
    for dtype in TOLERANCES:
        for number, (name, one) in enumerate(known.items()):
            conv = replace(known_case(one, jax.default_backend()), dtype=dtype)
            file = options.out / "tuned" / f"{dtype}_{number}.json"
            try:
                tune({name: conv}, file, rounds=3 if options.small else 7, progress=lambda _: None)
            except Exception as error:  # the others are still measured
                yield Row(name, "tune", group=f"tune, {dtype}", note=reason_of(error))
                continue
            for line in read(file).lines:
                times = {f"{lowering}, ms": ms for lowering, ms in line.milliseconds.items()}
                yield Row(line.name, line.lowering, group=f"tune, {dtype}", figures=times)


def findings(rows: list[Row]) -> list[str]:
    """The ratios of each shape and dtype beside the goal, and the lowerings chosen over "lax"."""
    found = []
    for case, group in dict.fromkeys((row.case, row.group) for row in rows):
        shares = [
            f"{row.contestant} {row.figures['/ matmul']:.2f}"
            for row in rows
            if (row.case, row.group) == (case, group) and "/ matmul" in row.figures
        ]
        if shares:
            found.append(f"{case}, {group}, of the matmul (goal: 0.60): {', '.join(shares)}")
    lines = [row for row in rows if row.group.startswith("tune")]
    better = [
        f"{row.case} {row.group[6:]}: {row.contestant}"
        for row in lines
        if row.figures and row.contestant != "lax"
    ]
    failed = [f"{row.case} {row.group[6:]}: {row.note}" for row in lines if row.note]
    if lines:
        found.append(f"tune: {len(lines)} lines, not lax: {'; '.join(better) or 'none'}")
    return found + failed[:3]
