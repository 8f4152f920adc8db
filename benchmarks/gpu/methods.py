"""Compare every method on this device with float64 on the CPU: values and gradients.

A GPU multiplies float32 in TF32 by default. So float32 has two rows: one with
`precision="highest"`, to which the tolerance table applies, and one with the default, which is only
reported. Most sums in the table's measurements have fewer than 100 terms. The error of a running
sum grows linearly with the number of its terms, not with the root of it, so longer sums get a
larger tolerance. The table was measured on a CPU; a GPU's library adds in another order, and for
"lax" and "auto" may take Winograd's algorithm by itself.

The programs are compiled in several threads, without timing the library's algorithms.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.gpu.part import Options, Rows
from jcnn import ops
from jcnn.bench.record import Row
from tests.ops.conv.tolerances import ROWS, allowed


class Case(NamedTuple):
    """The shapes and keyword arguments of a convolution."""

    x: tuple[int, int, int, int]
    kernel: tuple[int, int, int, int]
    how: dict[str, Any]


WORKERS = max(2, min(16, os.cpu_count() or 1))
CASES = {
    "3x3": Case((4, 17, 14, 16), (3, 3, 16, 24), {}),
    "3x3, 64 channels": Case((8, 28, 28, 64), (3, 3, 64, 64), {}),
    "1x1": Case((4, 9, 7, 32), (1, 1, 32, 16), {"padding": "VALID"}),
    "7x7, stride 2": Case((2, 33, 30, 3), (7, 7, 3, 16), {"stride": 2}),
    "dilation": Case((2, 19, 16, 8), (3, 3, 8, 8), {"dilation": 2}),
    "groups": Case((2, 11, 12, 16), (3, 3, 4, 32), {"groups": 4}),
    "depthwise": Case((2, 13, 12, 32), (3, 3, 1, 32), {"groups": 32}),
    "uneven padding": Case((2, 10, 9, 8), (2, 3, 8, 8), {"padding": ((0, 2), (3, 1))}),
    "large kernel": Case((2, 32, 32, 8), (13, 13, 8, 8), {}),
}
SMALL = ("3x3", "depthwise")
MEASURED = 100
# Another order of addition, on devices other than the one on which the table was measured.
ORDER = 4
# What cuDNN may do for these.
AS = {"lax": "winograd4", "auto": "winograd4"}
QUICK = {"xla_gpu_autotune_level": "0"}
# Dtypes and precisions, the most important first.
KINDS = (("float32", "highest"), ("bfloat16", None), ("float32", None))


def measure(options: Options) -> Rows:
    """Yield the rows of each case, method, dtype and precision; nothing is timed."""
    names = [name for name in CASES if not options.small or name in SMALL]
    kinds = KINDS[:2] if options.small else KINDS
    with ThreadPoolExecutor(WORKERS) as pool:
        keys = list(product(names, dict.fromkeys(dtype for dtype, _ in kinds)))
        arrays = {key: operands(CASES[key[0]], key[1]) for key in keys}
        wanted = dict(
            zip(
                keys, pool.map(lambda key: reference(CASES[key[0]], arrays[key]), keys), strict=True
            )
        )

        def rows(job: tuple[tuple[str, str | None], str, str]) -> list[Row]:
            (dtype, precision), name, method = job
            key = (name, dtype)
            return list(rows_of(name, CASES[name], method, precision, arrays[key], wanted[key]))

        yield from pool.map(rows, product(kinds, names, ops.METHODS))


def operands(case: Case, dtype: str) -> tuple[np.ndarray, ...]:
    """Input, kernel and cotangent: standard normal, rounded to the dtype."""
    rng = np.random.default_rng(0)
    y = ops.conv_output_shape(case.x, case.kernel, **case.how)
    shapes = (case.x, case.kernel, y)
    return tuple(rng.standard_normal(shape).astype(jnp.dtype(dtype)) for shape in shapes)


def answers(case: Case, arrays: tuple[Any, ...], method: str, precision: Any) -> list[np.ndarray]:
    """The value, and the gradients with respect to input and kernel."""

    def run(x: jax.Array, kernel: jax.Array, g: jax.Array) -> tuple[jax.Array, ...]:
        def conv(x: jax.Array, kernel: jax.Array) -> jax.Array:
            return ops.conv2d(x, kernel, **case.how, method=method, precision=precision)

        y, pull_back = jax.vjp(conv, x, kernel)
        return (y, *pull_back(g))

    options = {} if jax.default_backend() == "cpu" else QUICK
    made = jax.jit(run, compiler_options=options)(*map(jnp.asarray, arrays))
    return [np.asarray(a).astype(np.float64) for a in made]


def reference(case: Case, arrays: tuple[np.ndarray, ...]) -> list[np.ndarray]:
    """The answers in float64 by method "lax", which the tests compare with an oracle on a CPU."""
    with jax.enable_x64(True), jax.default_device(jax.devices("cpu")[0]):
        return answers(case, tuple(a.astype(np.float64) for a in arrays), "lax", None)


def rows_of(
    name: str,
    case: Case,
    method: str,
    precision: str | None,
    arrays: tuple[np.ndarray, ...],
    want: list[np.ndarray],
) -> Iterator[Row]:
    """Rows for forward and both gradients, or one row with the reason why it cannot run."""
    dtype = str(arrays[0].dtype)
    kind = f"{dtype}, highest precision" if precision else dtype
    try:
        got = answers(case, arrays, method, precision)
    except Exception as error:  # the failure of one method must not stop the others
        refused = isinstance(error, NotImplementedError)
        reason = f"{'' if refused else 'FAILED: '}{type(error).__name__}: {error}"
        yield Row(name, method, group=kind, note=reason.splitlines()[0][:200])
        return
    rows, columns, channels, filters = case.kernel
    positions = want[0].size // filters
    by_input = rows * columns * filters // case.how.get("groups", 1)
    terms = (rows * columns * channels, by_input, positions)
    parts = ("forward", "gradient by input", "gradient by kernel")
    for part, ours, true, count in zip(parts, got, want, terms, strict=True):
        largest = np.abs(true).max()
        bound = None
        if (dtype, method) in ROWS and (precision or dtype != "float32"):
            long = max(1.0, count / MEASURED) ** 0.5
            row = method
            if jax.default_backend() != "cpu":
                row, long = AS.get(method, method), long * ORDER
            bound = float(allowed(dtype, row, count) * long / largest)
        far = float(np.abs(ours - true).max() / largest)
        yield Row(f"{name}: {part}", method, group=kind, error=far, tolerance=bound)


def findings(rows: list[Row]) -> list[str]:
    """The numbers of results within and beyond the tolerance, and each that failed."""
    found = []
    for group in dict.fromkeys(row.group for row in rows):
        own = [row for row in rows if row.group == group]
        checked = [row for row in own if row.tolerance is not None]
        wrong = sum(row.wrong for row in own)
        skipped = sum(bool(row.note) for row in own)
        worst = max((row.error or 0 for row in own), default=0)
        found.append(
            f"{group}: {len(checked) - wrong} within the tolerance, {wrong} wrong, {skipped} not "
            f"run; largest error {worst:.1e}"
        )
    bad = [row for row in rows if row.wrong or row.note.startswith("FAILED")]
    return found + [
        f"{row.contestant}, {row.case}, {row.group}: {row.agreement() or row.note}"[:150]
        for row in bad[:10]
    ]
