"""How fast is jcnn's own convolution kernel on an H100 or H200, against cuDNN?

    python -m benchmarks.pallas_conv [--rounds 20] [--calls 10]

Compares method "pallas" with method "lax", which calls cuDNN, in float32 and bfloat16, on a 3x3
convolution of 256 to 256 channels, 56x56 images, batch 64, SAME: forward, forward and backward, and
forward with bias, ReLU and 2x2 pooling. Rates are also given relative to a large matrix product on
the same device. A timed run is `--calls` calls followed by one synchronisation; contestants
alternate. Before timing, their results must agree.

`--interpret` runs a tiny case on a CPU in JAX's interpreter, to check the script.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jcnn import ops
from jcnn.bench.processes import machine
from jcnn.compile import jit
from jcnn.ops.conv.lowerings.pallas import interpreted

DTYPES = ("float32", "bfloat16")
# Relative to the largest number; both methods multiply float32 as TensorFloat-32.
TOLERANCE = {"float32": 5e-3, "bfloat16": 2e-2}


@dataclass(frozen=True)
class Size:
    """A convolution of `(N, H, W, C)` with `O` filters of `K x K`, and matrices of `M x M`."""

    x: tuple[int, int, int, int]
    filters: int
    kernel: int
    matrix: int

    @property
    def operations(self) -> float:
        """Multiplications and additions of one forward pass."""
        n, h, w, c = self.x
        return 2.0 * n * h * w * c * self.filters * self.kernel**2


FULL = Size((64, 56, 56, 256), 256, 3, 8192)
TINY = Size((1, 2, 2, 3), 4, 2, 64)

Program = Callable[..., Any]


def programs(method: str) -> dict[str, Program]:
    """The functions to time, of `x`, `kernel`, `bias` and `g`."""

    def forward(x: Any, kernel: Any, bias: Any, g: Any) -> Any:
        return ops.conv2d(x, kernel, method=method)

    def both(x: Any, kernel: Any, bias: Any, g: Any) -> Any:
        y, pull_back = jax.vjp(lambda *xk: ops.conv2d(*xk, method=method), x, kernel)
        return y, pull_back(g)

    def pooled(x: Any, kernel: Any, bias: Any, g: Any) -> Any:
        return ops.conv2d_relu(x, kernel, bias, pool=True, method=method)

    return {"forward": forward, "forward+backward": both, "forward, bias, ReLU, pool": pooled}


def draw(size: Size, dtype: str) -> list[jax.Array]:
    """Standard normal `x`, `kernel`, `bias` and output gradient `g`."""
    n, h, w, c = size.x
    shapes = [size.x, (size.kernel, size.kernel, c, size.filters), (size.filters,)]
    shapes.append((n, h, w, size.filters))
    keys = jax.random.split(jax.random.key(0), len(shapes))
    return [jax.random.normal(k, s, dtype) for k, s in zip(keys, shapes, strict=True)]


def check(got: Any, want: Any, tolerance: float) -> None:
    """Compare the results, relative to the largest number.

    Raises:
        SystemExit: they differ by more than the tolerance.
    """
    for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        one, other = np.asarray(one, np.float32), np.asarray(other, np.float32)
        error = np.abs(one - other).max() / np.abs(other).max()
        if not error <= tolerance:
            raise SystemExit(f"the results differ by {error:.1e}; allowed: {tolerance:.0e}")


def timed(contestants: dict[str, tuple[Program, Any]], rounds: int, calls: int) -> dict[str, Any]:
    """Seconds of one call for each contestant and round, in alternating order."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds):
        names = list(contestants) if number % 2 == 0 else list(reversed(contestants))
        for name in names:
            program, arguments = contestants[name]
            jax.block_until_ready(program(*arguments))
            start = time.perf_counter()
            for _ in range(calls):
                answer = program(*arguments)
            jax.block_until_ready(answer)
            seconds[name].append((time.perf_counter() - start) / calls)
    return seconds


def run(size: Size, dtype: str, rounds: int, calls: int) -> None:
    """Time one dtype and print its table."""
    arrays = draw(size, dtype)
    square = jnp.ones((size.matrix, size.matrix), dtype)
    contestants: dict[str, tuple[Program, Any]] = {
        "matrix product": (jit(jnp.matmul), (square, square))
    }
    work = {"matrix product": 2.0 * size.matrix**3}
    lax, pallas = programs("lax"), programs("pallas")
    for name in lax:
        pair = {"lax": jit(lax[name]), "pallas": jit(pallas[name])}
        check(pair["pallas"](*arrays), pair["lax"](*arrays), TOLERANCE[dtype])
        for method, program in pair.items():
            contestants[f"{name}, {method}"] = (program, arrays)
            work[f"{name}, {method}"] = size.operations * (3 if "backward" in name else 1)
    seconds = timed(contestants, rounds, calls)
    rates = {name: work[name] / statistics.median(taken) for name, taken in seconds.items()}
    print(f"\n{dtype}: {size}")
    for name, taken in seconds.items():
        low, _, high = statistics.quantiles([*taken, *taken], n=4)
        print(
            f"{name:<36} {1e3 * statistics.median(taken):9.3f} ms "
            f"(quartiles {1e3 * low:.3f} to {1e3 * high:.3f}, n={len(taken)})  "
            f"{rates[name] / 1e12:7.2f} TFLOP/s  {rates[name] / rates['matrix product']:.2f}"
        )


def main() -> None:
    """Run the benchmark in both dtypes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--calls", type=int, default=10)
    parser.add_argument(
        "--interpret", action="store_true", help="run a tiny case on a CPU, to check the script"
    )
    options = parser.parse_args()
    print(machine("jax", "jaxlib"), "on", jax.devices()[0].device_kind)
    with interpreted() if options.interpret else nullcontext():
        for dtype in DTYPES:
            run(TINY if options.interpret else FULL, dtype, options.rounds, options.calls)


if __name__ == "__main__":
    main()
