"""The device: versions, memory, the rates of a large matmul, and the bandwidth of a copy."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.gpu.part import Options
from jcnn.bench.in_process import time_in_rounds
from jcnn.bench.record import Row

# float32 in full precision, float32 as it is multiplied by default (TF32 on a GPU), and bfloat16.
KINDS: dict[str, tuple[str, Any]] = {
    "bfloat16": ("bfloat16", None),
    "float32, default precision": ("float32", None),
    "float32, highest precision": ("float32", "highest"),
}


def measure(options: Options) -> Iterator[Row]:
    """A row for the versions, one for each kind of matmul, and one for a copy."""
    device = jax.devices()[0]
    stats = device.memory_stats() or {}
    memory = {"memory, GiB": stats.get("bytes_limit", 0) / 1024**3}
    note = " ".join(device.client.platform_version.split())
    yield Row("device", device.device_kind, figures=memory, note=note[:150])
    size = 256 if options.small else 8192
    for kind, (dtype, precision) in KINDS.items():
        yield matmul(size, kind, dtype, precision)
    yield copy((1 if options.small else 2048) * 2**20)


def matmul(size: int, kind: str, dtype: str, precision: Any = None) -> Row:
    """The rate of the product of two square matrices of random numbers."""
    a, b = (jax.random.normal(jax.random.key(i), (size, size), dtype) for i in range(2))
    product = jax.jit(lambda a, b: jnp.matmul(a, b, precision=precision))
    calls = {"matmul": lambda: product(a, b)}
    taken = time_in_rounds(calls, rounds=10, most=60, least=0.02, queued=True)["matmul"]
    row = Row(f"{size} x {size} x {size}", "matmul", taken, kind)
    assert row.median is not None
    return Row(
        *(row.case, row.contestant, taken, kind),
        figures={"TFLOP/s": 2.0 * size**3 / row.median / 1e12},
    )


def copy(size: int) -> Row:
    """The bandwidth of a copy on the device, counting bytes read and bytes written."""
    x = jax.random.normal(jax.random.key(0), (size // 4,))
    program = jax.jit(jnp.copy)
    calls = {"copy": lambda: program(x)}
    taken = time_in_rounds(calls, rounds=10, most=60, least=0.02, queued=True)["copy"]
    median = sorted(taken)[len(taken) // 2]
    figures = {"GB/s": 2 * size / median / 1e9}
    return Row(f"{size // 2**20} MiB", "copy", taken, "float32", figures=figures)


def findings(rows: list[Row]) -> list[str]:
    """The device, the rates, and the bandwidth."""
    found = [f"{row.contestant}, {row.note}" for row in rows if row.case == "device"]
    rates = [
        f"{row.group} {value:.0f} {name}"
        if row.contestant == "matmul"
        else f"copy {value:.0f} GB/s"
        for row in rows
        for name, value in row.figures.items()
        if row.contestant in ("matmul", "copy")
    ]
    return found + (["; ".join(rates)] if rates else [])
